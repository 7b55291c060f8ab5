"""Interface of solvers, and what they share.

A solver minimises a function from named tensors to (B,) losses and never couples the B problems: each has its own
steps, best iterate and status. It returns the best iterate, which is finite wherever the start was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Function = Callable[[dict[str, Tensor]], Tensor]
Progress = Callable[[int, int], None]
Curvature = Callable[[dict[str, Tensor]], Tensor]


class Status(Enum):
    """How one problem ended; the value is a sentence for reports."""

    CONVERGED = "the loss stopped falling"
    OUT_OF_STEPS = "the iterations were used up while the loss still fell"
    RECOVERED = "a step was not finite; it was undone and shorter ones were taken"
    NOT_FINITE = "the loss is not finite at the start"


@dataclass(frozen=True)
class Solution:
    """The best iterates of B problems.

    Attributes:
        values: The variables at the best iterate.
        loss: (B,) the loss there.
        status: One per problem.
        evaluations: Number of evaluations of function and gradient.
        history: (evaluations, B) every loss seen; inf where it was not finite.
    """

    values: dict[str, Tensor]
    loss: Float[Tensor, "b"]
    status: tuple[Status, ...]
    evaluations: int
    history: Float[Tensor, "n b"]

    def __getitem__(self, rows: slice) -> Solution:
        """Some of the problems."""
        values = {name: value[rows] for name, value in self.values.items()}
        return Solution(values, self.loss[rows], self.status[rows], self.evaluations, self.history[:, rows])


@runtime_checkable
class Solver(Protocol):
    """Minimise ``function`` from ``start``.

    Args:
        function: Variables to (B,) losses; each loss depends on its own row only.
        start: Named tensors of B rows.
        scales: Size of a usual change of each variable, by name.
        iterations: Evaluations of function and gradient at the most.
        tolerance: A problem has converged when its loss falls by less than this fraction over a few evaluations;
            0: never.
        progress: Called with (evaluations done, ``iterations``).

    A solver with the attribute ``needs_curvature: ClassVar[bool] = True`` is also called with ``curvature``: values to
    (B, D, D), positive semidefinite, for the variables side by side in the order of ``start``. It calls it only at the
    values of the last call of ``function``.
    """

    def __call__(
        self,
        function: Function,
        start: Mapping[str, Tensor],
        scales: Mapping[str, float],
        iterations: int,
        tolerance: float = 1e-4,
        progress: Progress | None = None,
    ) -> Solution: ...


class FlatProblem:
    """B problems over one (B, D) matrix: named tensors side by side, in units of their scales.

    Args:
        function: See ``Solver``; so are the others.
        start: Named tensors of B rows.
        scales: Size of a usual change of each variable, by name.
        iterations: Largest number of evaluations, which ``progress`` is told.
        progress: Called after each evaluation.
    """

    def __init__(
        self,
        function: Function,
        start: Mapping[str, Tensor],
        scales: Mapping[str, float],
        iterations: int = 0,
        progress: Progress | None = None,
    ) -> None:
        self.function = function
        self.iterations, self.progress = iterations, progress
        self.shapes = {name: value.shape for name, value in start.items()}
        self.scales = {name: scales.get(name, 1.0) for name in start}
        self.start = torch.cat([v.detach().flatten(1) / self.scales[k] for k, v in start.items()], dim=1)
        self.losses: list[Tensor] = []

    def unpack(self, x: Tensor) -> dict[str, Tensor]:
        """The named tensors of a (B, D) matrix."""
        values, begin = {}, 0
        for name, shape in self.shapes.items():
            size = shape[1:].numel()
            values[name] = (x[:, begin : begin + size] * self.scales[name]).reshape(shape)
            begin += size
        return values

    def evaluate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) losses, inf where loss or gradient is not finite, and (B, D) gradients, 0 there."""
        x = x.detach().requires_grad_(True)
        with torch.enable_grad():
            loss = self.function(self.unpack(x))
            if loss.requires_grad:
                (gradient,) = torch.autograd.grad(loss.sum(), x)
            else:
                gradient = torch.zeros_like(x)
        loss = loss.detach()
        finite = loss.isfinite() & gradient.isfinite().all(dim=1)
        loss = torch.where(finite, loss, torch.inf)
        self.losses.append(loss)
        if self.progress is not None:
            self.progress(len(self.losses), self.iterations)
        return loss, torch.where(finite[:, None], gradient, 0.0)

    def curvature(self, curvature: Curvature | None, x: Tensor) -> Tensor | None:
        """(B, D, D) in the variables of ``evaluate``, 0 for problems where it is not finite; None without one."""
        if curvature is None:
            return None
        with torch.no_grad():
            matrix = curvature(self.unpack(x))
        widths = [shape[1:].numel() for shape in self.shapes.values()]
        scale = torch.cat([x.new_full((n,), self.scales[k]) for k, n in zip(self.shapes, widths, strict=True)])
        matrix = matrix * scale[:, None] * scale
        return torch.where(matrix.isfinite().all(dim=2).all(dim=1)[:, None, None], matrix, 0.0)

    def solution(self, x: Tensor, loss: Tensor, converged: Tensor, recovered: Tensor) -> Solution:
        """The ``Solution`` with the best iterates."""
        started = self.losses[0].isfinite()
        status = tuple(
            Status.NOT_FINITE if not start
            else Status.RECOVERED if back
            else Status.CONVERGED if done
            else Status.OUT_OF_STEPS
            for start, back, done in zip(started.tolist(), recovered.tolist(), converged.tolist(), strict=True)
        )  # fmt: skip
        return Solution(self.unpack(x.detach()), loss, status, len(self.losses), torch.stack(self.losses))


class Plateau:
    """Finds problems whose best loss fell by less than a fraction over the last ``patience`` evaluations."""

    def __init__(self, tolerance: float, patience: int = 5) -> None:
        self.tolerance = tolerance
        self.patience = patience
        self.best: list[Tensor] = []

    def reached(self, best_loss: Tensor) -> Tensor:
        """Note the best losses so far; (B,) bool."""
        self.best.append(best_loss)
        if len(self.best) <= self.patience or self.tolerance == 0:
            return torch.zeros_like(best_loss, dtype=torch.bool)
        before = self.best[-1 - self.patience]
        return (before - best_loss) <= self.tolerance * before.abs()


class StepPairs:
    """The last steps and gradient changes of every problem, newest first.

    Attributes:
        steps: (L, B, D) moves.
        changes: (L, B, D) changes of the gradient along them.
        weights: (L, B) one over the product of both; 0 marks an empty place.
    """

    def __init__(self, x: Float[Tensor, "b d"], length: int) -> None:
        self.steps = x.new_zeros(length, *x.shape)
        self.changes = x.new_zeros(length, *x.shape)
        self.weights = x.new_zeros(length, len(x))

    def push(self, step: Float[Tensor, "b d"], change: Float[Tensor, "b d"], accepted: Bool[Tensor, "b"]) -> Tensor:
        """Note a pair where the step was accepted and the gradient grew along it; (B,) bool, where that is so."""
        along = (step * change).sum(dim=1)
        keep = accepted & (along > 1e-8 * change.square().sum(dim=1))
        weight = torch.where(keep, 1 / torch.where(keep, along, 1.0), 0.0)
        for store, new in ((self.steps, step), (self.changes, change), (self.weights, weight)):
            if len(store):
                kept = keep.reshape(1, -1, *[1] * (store.ndim - 2))
                store.copy_(torch.where(kept, torch.cat([new[None], store[:-1]]), store))
        return keep
