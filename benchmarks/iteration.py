"""Time of one iteration of a fit, by part: body, renderer, terms, and the backward pass through all of them.

    python -m benchmarks.iteration [--threads 2] [--runs 7] [--json FILE]

The default recipe's largest stage, without clothing (224², σ = 1 px: silhouette, part map, keypoints, priors), on the
rest pose and 20 posed bodies, with mask, part map and keypoints given. The directional derivative of the whole
objective is first checked against finite differences on the rest pose.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.bodies import REST, VIEWS, Placed, placed
from benchmarks.drawing import HARD_PASS, hard_pass_of
from benchmarks.measure import Seconds, quotient, spread, take_turns
from benchmarks.observed import observation_of
from benchmarks.report import Report, arguments
from render_fit.bodies import BodyParameters, open_body
from render_fit.fitting.context import FitContext
from render_fit.fitting.problem import Problem
from render_fit.fitting.recipe import load_recipe
from render_fit.fitting.stages import search_and_refinement
from render_fit.losses.fit_state import FitState
from render_fit.renderers import CpuRenderer

PIECES = ("body", "renderer", "terms", "backward")

STEP = 1e-4
"""Step of the finite differences: radians, standard deviations, metres. The body computes in float32."""

SLOPE_TOLERANCE = 0.02
"""Largest relative error of the slope against finite differences; float32 rounding causes about half of this."""


@dataclass(frozen=True)
class Iteration:
    """The fitting problem of one stage near the true parameters of a body.

    Attributes:
        problem: Objective in the crop.
        start: Initial pose, betas and translation.
    """

    problem: Problem
    start: tuple[Tensor, Tensor, Tensor]

    def scene(self, leaves: Sequence[Tensor]) -> FitState:
        problem = self.problem
        return FitState(
            problem.body,
            BodyParameters.from_rotvec(*leaves),
            problem.targets,
            problem.renderer,
            problem.settings,
            pose_rotvec=leaves[0],
        )

    def leaves(self) -> list[Tensor]:
        return [value.detach().clone().requires_grad_() for value in self.start]

    def run(self) -> Seconds:
        """Seconds of each of ``PIECES``."""
        state = self.scene(self.leaves())
        ticks = [time.perf_counter()]
        _ = state.output, state.keypoints
        ticks.append(time.perf_counter())
        state.render("parts")
        ticks.append(time.perf_counter())
        loss = self.problem.objective(state)
        ticks.append(time.perf_counter())
        loss.sum().backward()
        ticks.append(time.perf_counter())
        return tuple(np.diff(ticks))

    def slope_error(self) -> float:
        """Relative error of the gradient along a random direction, against central differences."""
        generator = torch.Generator().manual_seed(0)
        leaves = self.leaves()
        loss = self.problem.objective(self.scene(leaves)).sum()
        gradients = torch.autograd.grad(loss, leaves)
        directions = [torch.randn(leaf.shape, generator=generator) for leaf in leaves]
        slope = float(sum((g.double() * d.double()).sum() for g, d in zip(gradients, directions, strict=True)))

        @torch.no_grad()
        def at(step: float) -> float:
            moved = [leaf + step * d for leaf, d in zip(leaves, directions, strict=True)]
            return float(self.problem.objective(self.scene(moved)).sum())

        return abs((at(STEP) - at(-STEP)) / (2 * STEP) - slope) / abs(slope)


def iteration_of(one: Placed) -> Iteration:
    """The default recipe's largest stage, without clothing; parameters slightly perturbed from the truth."""
    recipe = load_recipe("hybrid")
    stage = max(search_and_refinement(recipe, "none")[1], key=lambda stage: stage.resolution)
    setting = FitContext(recipe, open_body(), CpuRenderer(), observation_of(one), one.camera)
    generator = torch.Generator().manual_seed(0)

    def beside(true: Tensor) -> Tensor:
        return true + 0.02 * torch.randn(true.shape, generator=generator)

    start = (beside(one.parameters.pose), beside(one.parameters.betas), beside(one.parameters.transl))
    return Iteration(setting.problem(stage.terms, stage.resolution, stage.edge), start)


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=7)
    parser.add_argument("--bodies", type=int, default=len(VIEWS), help="bodies to use, rest pose first (default all)")
    chosen = parser.parse_args(words)
    torch.set_num_threads(chosen.threads)
    report = Report("iteration")
    bodies = [placed(view, 320) for view in VIEWS[: chosen.bodies]]
    iterations = [iteration_of(one) for one in bodies]
    off = iterations[0].slope_error()
    if not off <= SLOPE_TOLERANCE:
        print(f"not timed: the objective's slope differs from differences by {off:.2g}, at most {SLOPE_TOLERANCE:g}")
        return 1
    report.facts["slope checked"] = f"within {off:.1g} of central differences, relative (float32)"
    report.facts["threads"] = chosen.threads
    cases: dict[str, Callable[[], Seconds]] = {}
    for k, (one, iteration) in enumerate(zip(bodies, iterations, strict=True)):
        size = iteration.problem.targets.camera.height
        cases |= {f"iteration|{k}": iteration.run, f"{HARD_PASS}|{k}": hard_pass_of(placed(one.view, size))}
    times = take_turns(cases, chosen.runs, warm_up=2)
    for where, posed in {"rest": False, "posed": True}.items():
        members = [k for k, one in enumerate(bodies) if (one.view is not REST) == posed]
        if not members:
            continue
        whole = np.mean([times[f"iteration|{k}"] for k in members], 0)
        floor = np.mean([times[f"{HARD_PASS}|{k}"].sum(1) for k in members], 0)
        for k, piece in enumerate(PIECES):
            report.milliseconds((piece, where), whole[:, k])
        report.milliseconds(("whole iteration", where), whole.sum(1))
        report.figures["iterations a second", where] = spread(1 / whole.sum(1), "/s")
        report.ratio(f"iteration ÷ hard pass, {where}", quotient(whole.sum(1), floor))
    report.finish(chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
