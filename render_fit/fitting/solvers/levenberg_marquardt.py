"""Levenberg–Marquardt for a batch of problems with given curvature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from render_fit.fitting.solvers.solution import (
    Curvature,
    FlatProblem,
    Function,
    Plateau,
    Progress,
    Solution,
    StepPairs,
)


class _Corrections(StepPairs):
    """Corrections of a curvature matrix by the last steps."""

    def multiple(self, given: Tensor) -> Tensor:
        """The multiple of the identity that bends as much as the last change of the gradient; ``given`` without one."""
        if not len(self.steps):
            return given
        known, change = self.weights[0] > 0, self.changes[0]
        along = torch.where(known, (self.steps[0] * change).sum(dim=1), 1.0)
        size = (change.square().sum(dim=1) / along)[:, None, None]
        return torch.where(known[:, None, None], size * torch.eye(change.shape[1]).to(given), given)

    def correct(self, matrix: Tensor) -> Tensor:
        """A positive definite (B, D, D) matrix, changed so that it maps the steps to the changes (BFGS)."""
        for s, y, weight in zip(self.steps.flip(0), self.changes.flip(0), self.weights.flip(0), strict=True):
            if not weight.any():
                continue
            image = (matrix @ s[..., None])[..., 0]
            bend, along = (s * image).sum(dim=1), (s * y).sum(dim=1)
            usable = (weight > 0) & (bend > 0)
            old = image[:, :, None] * image[:, None, :] / torch.where(usable, bend, 1.0)[:, None, None]
            new = y[:, :, None] * y[:, None, :] / torch.where(usable, along, 1.0)[:, None, None]
            matrix = torch.where(usable[:, None, None], matrix - old + new, matrix)
        return matrix


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Damped Newton steps with a curvature matrix that the problem gives, corrected by BFGS updates of the last steps.

    The gradient is the objective's own and steps are accepted on the objective itself, so a matrix that is wrong,
    or not there, costs evaluations only. Where the problem gives none, what remains is BFGS with damping.

    Args:
        damping: First λ, relative to the diagonal.
        floor: Curvature added in every direction, in nats per squared scale.
        memory: Steps that correct the matrix; 0: the matrix as given.
        longest: Longest move of any variable in one step, in units of its scale.
        refresh: Accepted steps after which the matrix is evaluated again.

    Source: Levenberg–Marquardt with the damping of Nielsen (IMM-REP-1999-05); the matrix as in structured
        quasi-Newton methods (Dennis, Gay & Welsch, NL2SOL, ACM TOMS 7, 1981), by BFGS updates (Nocedal & Wright,
        Numerical Optimization, 2nd ed., eq. 6.19).
    """

    needs_curvature: ClassVar[bool] = True

    damping: float = 1e-2
    floor: float = 3.0
    memory: int = 10
    longest: float = 1.0
    refresh: int = 6

    def __call__(
        self,
        function: Function,
        start: Mapping[str, Tensor],
        scales: Mapping[str, float],
        iterations: int,
        tolerance: float = 1e-4,
        progress: Progress | None = None,
        curvature: Curvature | None = None,
    ) -> Solution:
        """See ``Solver``; ``curvature`` gives a (B, D, D) matrix at the values that ``function`` was last given."""
        problem = FlatProblem(function, start, scales, iterations, progress)
        x = problem.start
        loss, gradient = problem.evaluate(x)
        pairs = _Corrections(x, self.memory)
        given = problem.curvature(curvature, x)
        blind = given is None
        if given is None:
            given = self._without(gradient)
        done = ~loss.isfinite()
        recovered = torch.zeros_like(done)
        damping = torch.full_like(loss, self.damping)
        growth = torch.full_like(loss, 2.0)
        moves = torch.zeros_like(loss)
        plateau = Plateau(tolerance)
        plateau.reached(loss)
        for count in range(2, iterations + 1):
            if done.all():
                break
            if blind:
                given = pairs.multiple(given)
            matrix = pairs.correct(given + self.floor * torch.eye(x.shape[1]).to(x))
            step = self._step(matrix, gradient, damping)
            step = torch.where(done[:, None], 0.0, step)
            expected = -((gradient * step).sum(dim=1) + 0.5 * (step * (matrix @ step[..., None])[..., 0]).sum(dim=1))
            trial_loss, trial_gradient = problem.evaluate(x + step)
            recovered |= ~done & ~trial_loss.isfinite()
            gain = ((loss - trial_loss) / expected.clamp(min=1e-30)).nan_to_num(-1.0, posinf=1.0, neginf=-1.0)
            accepted = ~done & (trial_loss < loss) & (gain > 1e-4)
            pairs.push(step, trial_gradient - gradient, accepted)
            x = torch.where(accepted[:, None], x + step, x)
            loss = torch.where(accepted, trial_loss, loss)
            gradient = torch.where(accepted[:, None], trial_gradient, gradient)
            moves = torch.where(accepted, moves + 1, moves)
            calmer = (1 - (2 * gain - 1).clamp(-1, 1) ** 3).clamp(min=1 / 3)
            damping = torch.where(accepted, damping * calmer, damping * growth).clamp(min=1e-6)
            growth = torch.where(accepted, 2.0, (2 * growth).clamp(max=16.0))
            done |= damping > 1e10
            done |= plateau.reached(loss) & accepted
            due = accepted & ~done & (moves % self.refresh == 0)
            if due.any() and count < iterations:
                renewed = problem.curvature(curvature, x)
                if renewed is not None:
                    given = torch.where(due[:, None, None], renewed, given)
        return problem.solution(x, loss, done & loss.isfinite(), recovered)

    def _without(self, gradient: Tensor) -> Tensor:
        """A multiple of the identity with which the first step moves the fastest variable by a tenth of ``longest``."""
        size = gradient.abs().amax(dim=1).clamp(min=1e-12) / (0.1 * self.longest)
        return size[:, None, None] * torch.eye(gradient.shape[1]).to(gradient)

    def _step(self, matrix: Tensor, gradient: Tensor, damping: Tensor) -> Tensor:
        """−(matrix + λ diagonal)⁻¹ gradient, shortened to ``longest``."""
        damped = matrix + torch.diag_embed(damping[:, None] * matrix.diagonal(dim1=1, dim2=2))
        factor, failed = torch.linalg.cholesky_ex(damped)
        step = -torch.cholesky_solve(gradient[..., None], factor)[..., 0]
        usable = (failed == 0) & step.isfinite().all(dim=1)
        plain = -gradient / matrix.diagonal(dim1=1, dim2=2).abs().amax(dim=1, keepdim=True).clamp(min=1e-12)
        step = torch.where(usable[:, None], step, plain)
        return step * (self.longest / step.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1.0)
