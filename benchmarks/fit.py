"""Time of a whole fit: the default recipe on the rest pose and 20 posed bodies, from synthetic observations.

    python -m benchmarks.fit [--threads 2] [--runs 1] [--recipe hybrid] [--json FILE]

Inputs are mask, part map, keypoints and camera; the observer and its rough 3D keypoints are not used. Real photos are
timed by the experiment ``timing`` (docs/evaluation.md). The gate compares the time of a fit in units of iterations.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks.bodies import REST, VIEWS, Placed, placed
from benchmarks.iteration import iteration_of
from benchmarks.measure import Seconds, quotient, spread, take_turns
from benchmarks.observed import observation_of
from benchmarks.report import Report, arguments
from render_fit.bodies import open_body
from render_fit.fitting.fit import fit_image
from render_fit.fitting.recipe import Recipe, load_recipe
from render_fit.fitting.result import FitReport
from render_fit.renderers import CpuRenderer

PHASES = ("search", "refinement", "whole fit")


def fitting(one: Placed, recipe: Recipe, reports: list[FitReport]) -> Callable[[], Seconds]:
    """A case: seconds of the search with keypoints, of the refinement through the renderer, and in total."""
    observation, body, renderer = observation_of(one), open_body(), CpuRenderer()
    rendered = {stage.name for stage in recipe.stages if stage.resolution}

    def run() -> Seconds:
        report = fit_image(observation, recipe, body=body, renderer=renderer).report
        reports.append(report)
        refinement = sum(seconds for name, seconds in report.seconds.items() if name in rendered)
        total = report.seconds["total"]
        return total - refinement, refinement, total

    return run


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=1)
    parser.add_argument("--recipe", default="hybrid")
    parser.add_argument("--bodies", type=int, default=len(VIEWS), help="bodies to use, rest pose first (default all)")
    chosen = parser.parse_args(words)
    torch.set_num_threads(chosen.threads)
    recipe = load_recipe(chosen.recipe)
    bodies = [placed(view, 320) for view in VIEWS[: chosen.bodies]]
    reports: list[list[FitReport]] = [[] for _ in bodies]
    cases: dict[str, Callable[[], Seconds]] = {}
    for k, one in enumerate(bodies):
        # Each fit is followed by the iterations that it is compared with, on the same body.
        cases[f"fit|{k}"] = fitting(one, recipe, reports[k])
        cases[f"iterations|{k}"] = _ten_times(iteration_of(one).run)
    fitting(bodies[0], recipe, [])()  # loads kernels
    times = take_turns(cases, chosen.runs, warm_up=0)
    report = Report("fit")
    report.facts |= {"threads": chosen.threads, "recipe": recipe.name}
    for where, posed in {"rest": False, "posed": True}.items():
        members = [k for k, one in enumerate(bodies) if (one.view is not REST) == posed]
        if not members:
            continue
        fits = np.concatenate([times[f"fit|{k}"] for k in members])
        for k, phase in enumerate(PHASES):
            report.figures[phase, where] = spread(fits[:, k], "s")
        overlaps = [one.iou.after for k in members for one in reports[k] if one.iou is not None]
        report.figures["silhouette IoU", where] = spread(overlaps)
        iterations = np.concatenate([times[f"iterations|{k}"].sum(1) for k in members])
        report.ratio(f"whole fit ÷ one iteration at 224², {where}", quotient(fits[:, 2], iterations / 10))
    report.finish(chosen.json)
    return 0


def _ten_times(case: Callable[[], Seconds]) -> Callable[[], Seconds]:
    def run() -> Seconds:
        return tuple(np.sum([case() for _ in range(10)], 0))

    return run


if __name__ == "__main__":
    sys.exit(main())
