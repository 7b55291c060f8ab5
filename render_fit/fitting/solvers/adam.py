"""Adam, one step size per problem."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from render_fit.fitting.solvers.solution import FlatProblem, Function, Plateau, Progress, Solution


@dataclass(frozen=True)
class Adam:
    """Adam with cosine decay; a step that is not finite is undone and the problem's later steps are shorter.

    Args:
        step: First step in units of the variables' scales.
        decay: Decay rates of the first and second moment.

    Source: Kingma & Ba, ICLR 2015.
    """

    step: float = 0.1
    decay: tuple[float, float] = (0.9, 0.95)

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
        x = best_x = problem.start
        best_loss = x.new_full((len(x),), torch.inf)
        first, second = torch.zeros_like(x), torch.zeros_like(x)
        shrink = x.new_ones(len(x), 1)
        recovered = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        converged = recovered
        plateau = Plateau(tolerance, patience=40)
        for count in range(1, iterations + 1):
            loss, gradient = problem.evaluate(x)
            better = loss < best_loss
            best_loss, best_x = torch.where(better, loss, best_loss), torch.where(better[:, None], x, best_x)
            converged = plateau.reached(best_loss)
            if converged.all():
                break
            lost = (~loss.isfinite() & best_loss.isfinite())[:, None]
            recovered = recovered | lost[:, 0]
            first = torch.where(lost, 0.0, self.decay[0] * first + (1 - self.decay[0]) * gradient)
            second = torch.where(lost, second, self.decay[1] * second + (1 - self.decay[1]) * gradient.square())
            shrink = torch.where(lost, 0.3 * shrink, shrink)
            rate = self.step * (0.05 + 0.475 * (1 + math.cos(math.pi * count / iterations)))
            corrected = (second / (1 - self.decay[1] ** count)).sqrt() + 1e-8
            move = rate * shrink * (first / (1 - self.decay[0] ** count)) / corrected
            x = torch.where(lost, best_x, x - move)
        return problem.solution(best_x, best_loss, converged, recovered)
