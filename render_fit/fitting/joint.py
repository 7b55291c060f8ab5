"""Minimisation over several images of one person, who has one shape and one set of clothes in all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.fitting.joint_curvature import ArrowCurvature, Whitening
from render_fit.fitting.problem import Problem
from render_fit.fitting.solvers import Solution, Solver
from render_fit.fitting.solvers.lbfgs import LBFGS
from render_fit.fitting.solvers.solution import Progress
from render_fit.fitting.variables import CURVED, SCALES, Variables

SHARED = ("betas", "focal", "clothing", "offsets")
"""Variables that all images of one person have in common; the others are those of each image."""

CHUNK = 8
"""Images that are rendered at once: memory grows with them, time hardly falls with more."""

MODEL_EVALUATIONS, MODEL_TOLERANCE = 300, 1e-5
"""Limits of the solver where it renders nothing."""

Coupling = Callable[[Variables], Float[Tensor, ""]]
"""A term that images share, such as the smoothness of a motion: variables of all images to one value."""


@dataclass(frozen=True)
class JointProblem:
    """The sum of an objective over N images of one person.

    Attributes:
        problems: One for each image, of equal `Problem.layout`; their objectives count terms of the shape once
            (`Objective.shared`).
        coupling: Term of all images together; None if they are unrelated.
    """

    problems: tuple[Problem, ...]
    coupling: Coupling | None = None

    @staticmethod
    def of(problems: Sequence[Problem], coupling: Coupling | None = None) -> JointProblem:
        """The joint problem of the problems of single images."""
        count = len(problems)
        shared = [replace(problem, objective=problem.objective.shared(count)) for problem in problems]
        return JointProblem(tuple(shared), coupling)

    @torch.no_grad()
    def losses(self, variables: Variables) -> Float[Tensor, "n"]:
        """The objective of each image, without the coupling."""
        chunks = [problem.loss(variables[rows]) for rows, problem in _chunks(self.problems)]
        return torch.cat(chunks)

    @torch.no_grad()
    def curvature(self, variables: Variables, free: Sequence[str]) -> ArrowCurvature:
        """Curvature of the sum, without the coupling.

        Args:
            variables: N rows, whose shared variables are equal.
            free: Names of the variables, those that have a curvature (`CURVED`).
        """
        own, shared = _split(free)
        chunks = [problem._curvature(variables[rows], (*own, *shared)) for rows, problem in _chunks(self.problems)]
        sizes = [value[0].numel() for value in variables.free(own).values()]
        return ArrowCurvature.of(torch.cat(chunks), sum(sizes))

    def minimise(
        self,
        start: Variables,
        free: Sequence[str],
        solver: Solver,
        iterations: int,
        tolerance: float = 1e-4,
        whiten: float = 10.0,
        progress: Progress | None = None,
    ) -> tuple[Variables, Solution]:
        """Minimises the sum over the ``free`` variables.

        The variables of the images and the shared ones are changed so that the curvature of the sum at the start is
        about the identity (`ArrowCurvature.whitened`): a step in the shape takes the best step in every pose along.

        Args:
            start: N rows. Shared variables of the first row are those of all.
            free: Names of the variables that move.
            solver: Solver that needs no curvature.
            iterations: Evaluations of function and gradient, at most.
            tolerance: See ``Solver``.
            whiten: Curvature added in every direction before whitening; 0: no whitening.
            progress: Called with (done, all) evaluations.

        Returns:
            The best iterate, N rows with equal shared variables, and the solver's solution (of one problem).
        """
        start = with_shared(start.recentred(), start)
        worn, dressed = _dressed(self.problems, start, free)
        own_names, shared_names = _split(free)
        own, shared = start.free(own_names), start[:1].free(shared_names)
        curved = [name for name in (*own, *shared) if name in CURVED]
        whitened = None
        if whiten > 0 and curved:
            whitened = replace(self, problems=worn).curvature(dressed, curved).whitened(whiten)
        layout = _Layout(len(start), own, shared, whitened)
        chunks = _chunks(worn)

        def value_and_gradient(y: Tensor) -> tuple[Tensor, Tensor]:
            total, gradient = torch.zeros(1), torch.zeros_like(y)
            works: list[tuple[slice, Callable[[Variables], Tensor]]] = [
                (rows, problem.loss) for rows, problem in chunks
            ]
            if self.coupling is not None:
                works.append((slice(None), self.coupling))
            for rows, loss in works:
                point = y.detach().requires_grad_(True)
                with torch.enable_grad():
                    value = loss(dressed[rows].with_values(layout.unpack(point, rows))).sum()
                    if value.requires_grad:
                        gradient += torch.autograd.grad(value, point)[0]
                total += value.detach()
            return total, gradient

        def function(values: Mapping[str, Tensor]) -> Tensor:
            return _Precomputed.apply(values["y"], value_and_gradient)

        begin = layout.origin
        if self.coupling is not None and whitened is not None:
            begin = self._coupled(layout, dressed, value_and_gradient)
        solution = solver(function, {"y": begin}, {}, iterations, tolerance, progress)
        found = layout.unpack(solution.values["y"], slice(None))
        return start.with_values({name: value.detach() for name, value in found.items()}).recentred(), solution

    def _coupled(
        self,
        layout: _Layout,
        dressed: Variables,
        value_and_gradient: Callable[[Tensor], tuple[Tensor, Tensor]],
    ) -> Float[Tensor, "1 d"]:
        """Where the coupling draws the images, if their objectives were quadratic; nothing is rendered for it.

        In the layout's coordinates their curvature is about the identity. Images that were fitted alone disagree the
        most with what couples them, and every step of the whole problem costs a rendering of each image.
        """
        coupling = self.coupling
        assert coupling is not None

        def coupled(y: Tensor) -> Tensor:
            return coupling(dressed.with_values(layout.unpack(y, slice(None))))[None]

        at_origin = layout.origin.clone().requires_grad_(True)
        pull = coupled(at_origin).sum()
        if not pull.requires_grad:  # a motion of two frames has no acceleration
            return layout.origin
        before, slope = value_and_gradient(layout.origin)
        slope = slope - torch.autograd.grad(pull, at_origin)[0]

        def model(values: Mapping[str, Tensor]) -> Tensor:
            y = values["y"]
            return (slope * y).sum(dim=1) + 0.5 * y.square().sum(dim=1) + coupled(y)

        found = LBFGS()(model, {"y": layout.origin}, {}, MODEL_EVALUATIONS, MODEL_TOLERANCE).values["y"]
        return found if float(value_and_gradient(found)[0]) < float(before) else layout.origin


class _Precomputed(torch.autograd.Function):
    """A function whose gradient is computed with its value, part by part, so that no graph of all images is kept."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, value_and_gradient: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        value, gradient = value_and_gradient(y)
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0][:, None], None


class _Layout:
    """One row of numbers for the variables of all images: those of each image, then the shared ones."""

    def __init__(
        self, count: int, own: Mapping[str, Tensor], shared: Mapping[str, Tensor], whitened: Whitening | None
    ) -> None:
        self.count, self.own, self.shared, self.whitened = count, dict(own), dict(shared), whitened
        self.own_size = sum(value[0].numel() for value in own.values())
        self.shared_size = sum(value.numel() for value in shared.values())
        first = next(iter({**own, **shared}.values()))
        self.origin = first.new_zeros(1, self.count * self.own_size + self.shared_size)

    def unpack(self, y: Float[Tensor, "1 d"], rows: slice) -> dict[str, Tensor]:
        """The variables of some of the images at ``y``. Differentiability: linear."""
        of_images, common = y[0].split([self.count * self.own_size, self.shared_size])
        moved = of_images.reshape(self.count, self.own_size)[rows]
        if self.whitened is not None:
            moved, common = self.whitened.unpack(moved, common, rows)
        values = {}
        begin = 0
        for name, value in self.own.items():
            size = value[0].numel()
            values[name] = value[rows] + SCALES[name] * moved[:, begin : begin + size].reshape(
                len(moved), *value.shape[1:]
            )
            begin += size
        begin = 0
        for name, value in self.shared.items():
            size = value.numel()
            one = value + SCALES[name] * common[begin : begin + size].reshape(value.shape)
            values[name] = one.expand(len(moved), *value.shape[1:])
            begin += size
        return values


def with_shared(variables: Variables, source: Variables) -> Variables:
    """Variables whose shared ones are those of the first row of ``source``."""
    shared = {name: value[:1].expand_as(value).contiguous() for name, value in source.free(SHARED).items()}
    return variables.with_values(shared)


def _split(free: Sequence[str]) -> tuple[list[str], list[str]]:
    """Variables of each image and shared ones; those with a curvature first, in a fixed order."""
    own = sorted((name for name in free if name not in SHARED), key=list(SCALES).index)
    return own, [name for name in SHARED if name in free]


def _chunks(problems: Sequence[Problem]) -> list[tuple[slice, Problem]]:
    """Rows of neighbouring images that were observed in the same way, and the problem that joins them."""
    begins = [0]
    for index, (before, problem) in enumerate(pairwise(problems), start=1):
        if index - begins[-1] == CHUNK or problem.layout != before.layout:
            begins.append(index)
    slices = [slice(begin, end) for begin, end in pairwise([*begins, len(problems)])]
    return [(rows, Problem.joined(problems[rows], [1] * (rows.stop - rows.start))) for rows in slices]


def _dressed(
    problems: Sequence[Problem], start: Variables, free: Sequence[str]
) -> tuple[tuple[Problem, ...], Variables]:
    """`Problem._dressed` of all images, whose clothes are the same and are computed once."""
    first, dressed = problems[0]._dressed(start[:1], free)
    if first is problems[0] or dressed.offsets is None:
        return tuple(problems), start
    offsets = dressed.offsets.expand(len(start), -1, -1)
    return tuple(replace(problem, clothing_basis=None) for problem in problems), replace(start, offsets=offsets)
