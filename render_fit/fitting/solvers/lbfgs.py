"""L-BFGS for a batch of problems, each with its own memory and its own step length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from render_fit.fitting.solvers.solution import FlatProblem, Function, Plateau, Progress, Solution, StepPairs


class _Memory(StepPairs):
    """An approximation of the inverse Hessian by the last steps, and by a multiple of the identity before them."""

    def __init__(self, x: Tensor, length: int) -> None:
        super().__init__(x, length)
        self.scale = x.new_ones(len(x))

    def push(self, step: Tensor, change: Tensor, accepted: Tensor) -> Tensor:
        """Note a pair, and the curvature along it as the multiple of the identity."""
        keep = super().push(step, change, accepted)
        scale = (step * change).sum(dim=1) / torch.where(keep, change.square().sum(dim=1), 1.0)
        self.scale = torch.where(keep, scale, self.scale)
        return keep

    def forget(self, which: Tensor) -> None:
        """Empty the memory of some problems."""
        self.weights = torch.where(which, 0.0, self.weights)
        self.scale = torch.where(which, 1.0, self.scale)

    def is_empty(self) -> Tensor:
        """(B,) bool."""
        return self.weights[0] == 0

    def direction(self, gradient: Tensor) -> Tensor:
        """−H g by the two-loop recursion (Nocedal & Wright, alg. 7.4)."""
        q, alphas = gradient.clone(), []
        for s, y, w in zip(self.steps, self.changes, self.weights, strict=True):
            alphas.append(w * (s * q).sum(dim=1))
            q = q - alphas[-1][:, None] * y
        q = self.scale[:, None] * q
        pairs = list(zip(self.steps, self.changes, self.weights, alphas, strict=True))
        for s, y, w, alpha in reversed(pairs):
            q = q + (alpha - w * (y * q).sum(dim=1))[:, None] * s
        return -q


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS with backtracking, batched.

    Every evaluation serves all problems: those whose trial point falls enough (Armijo) move and choose a new
    direction, the others halve their step. A problem whose step cannot be shortened further forgets its memory and
    falls back to steepest descent once before it counts as converged. Points that are not finite are refused like
    any other that does not fall.

    Args:
        memory: Pairs kept.
        longest: Longest move of any variable in one step, in units of its scale.
        sufficient: Armijo's constant.

    Source: Nocedal & Wright, Numerical Optimization, 2nd ed., ch. 7.2.
    """

    memory: int = 10
    longest: float = 1.0
    sufficient: float = 1e-4

    def __call__(
        self,
        function: Function,
        start: Mapping[str, Tensor],
        scales: Mapping[str, float],
        iterations: int,
        tolerance: float = 1e-4,
        progress: Progress | None = None,
    ) -> Solution:
        """See ``Solver``."""
        problem = FlatProblem(function, start, scales, iterations, progress)
        x = problem.start
        loss, gradient = problem.evaluate(x)
        memory = _Memory(x, self.memory)
        done = ~loss.isfinite()
        recovered = torch.zeros_like(done)
        direction, length = self._restart(memory, gradient)
        plateau = Plateau(tolerance)
        plateau.reached(loss)
        for _ in range(1, iterations):
            if done.all():
                break
            step = torch.where(done[:, None], 0.0, length[:, None] * direction)
            trial_loss, trial_gradient = problem.evaluate(x + step)
            recovered |= ~done & ~trial_loss.isfinite()
            slope = (gradient * step).sum(dim=1)
            accepted = ~done & (trial_loss <= loss + self.sufficient * slope)
            memory.push(step, trial_gradient - gradient, accepted)
            x = torch.where(accepted[:, None], x + step, x)
            loss = torch.where(accepted, trial_loss, loss)
            gradient = torch.where(accepted[:, None], trial_gradient, gradient)

            too_short = ~accepted & ~done & (length < 1e-3 * self._longest_step(direction))
            done |= too_short & memory.is_empty()
            memory.forget(too_short)
            new_direction, new_length = self._restart(memory, gradient)
            renew = accepted | too_short
            direction = torch.where(renew[:, None], new_direction, direction)
            length = torch.where(renew, new_length, self._shorter(length, loss, trial_loss, slope))
            done |= plateau.reached(loss) & accepted
        return problem.solution(x, loss, done & loss.isfinite(), recovered)

    def _restart(self, memory: _Memory, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """A new descent direction and its first step length."""
        direction = memory.direction(gradient)
        uphill = (direction * gradient).sum(dim=1) >= 0
        memory.forget(uphill)
        direction = torch.where(uphill[:, None], -gradient, direction)
        return direction, self._longest_step(direction, cautious=memory.is_empty())

    def _longest_step(self, direction: Tensor, cautious: Tensor | None = None) -> Tensor:
        """The step length, 1 at the most, at which the fastest variable moves by ``longest``.

        Without curvature (``cautious``) the first move is a tenth of that, whatever the gradient's size.
        """
        fastest = direction.abs().amax(dim=1).clamp(min=1e-12)
        limited = (self.longest / fastest).clamp(max=1.0)
        if cautious is None:
            return limited
        return torch.where(cautious, 0.1 * self.longest / fastest, limited)

    @staticmethod
    def _shorter(length: Tensor, loss: Tensor, trial_loss: Tensor, slope: Tensor) -> Tensor:
        """The minimum of the parabola through both losses and the slope, between a tenth and a half."""
        bend = 2 * (trial_loss - loss - slope)
        factor = torch.where(bend.isfinite() & (bend > 0), -slope / bend, 0.1)
        return length * factor.nan_to_num(0.1).clamp(0.1, 0.5)
