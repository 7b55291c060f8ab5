"""``python -m render_fit.evaluation.experiments NAME --out DIR``: one table of the project."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console

from render_fit.core.errors import InputError
from render_fit.evaluation.experiments.ground_truth_3d import real_3d, round_trip, synthetic_views
from render_fit.evaluation.experiments.photos_with_masks import coco, image_alone
from render_fit.evaluation.experiments.runner import Settings, recipe_of
from render_fit.evaluation.experiments.status_thresholds import status
from render_fit.evaluation.experiments.timing import timing
from render_fit.evaluation.tables import ExperimentResult, write_result
from render_fit.fitting.result import versions

EXPERIMENTS: dict[str, Callable[[Settings], ExperimentResult]] = {
    "coco": coco,
    "image-alone": image_alone,
    "real-3d": real_3d,
    "synthetic-views": synthetic_views,
    "round-trip": round_trip,
    "status": status,
    "timing": timing,
}


def main(arguments: list[str] | None = None) -> None:
    """Run one experiment and write its table."""
    parser = argparse.ArgumentParser(prog="python -m render_fit.evaluation.experiments", description=main.__doc__)
    listed = "; ".join(f"{name}: {(function.__doc__ or '').splitlines()[0]}" for name, function in EXPERIMENTS.items())
    parser.add_argument("name", choices=EXPERIMENTS, help=listed)
    parser.add_argument("--out", type=Path, required=True, help="folder for JSON, CSV and contact sheet")
    parser.add_argument("--data", type=Path, help="folder of the research photos (RENDER_FIT_DATA, ../shared/data)")
    parser.add_argument("--recipe", default="hybrid", help="name or path")
    parser.add_argument("--regressor", help="whose hypotheses begin every fit: a name, a file, or none")
    parser.add_argument("--limit", type=int, help="at most this many people per dataset")
    parser.add_argument("--jobs", type=int, default=1, help="processes; each then uses cores / jobs threads")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    parser.add_argument(
        "--observer-3d",
        choices=("recipe", "none"),
        default="recipe",
        help="whether the observer may add its rough 3D keypoints where the recipe compares with them",
    )
    parser.add_argument(
        "--clothing", choices=("none", "smooth", "free"), help="offsets; the recipe's if not given (coco: all three)"
    )
    parser.add_argument(
        "--keypoints-only", action="store_true", help="refine with keypoints alone, as long as the recipe with pictures"
    )
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        out=given.out,
        data=given.data,
        recipe=given.recipe,
        limit=given.limit,
        jobs=given.jobs,
        seed=given.seed,
        observer_3d=given.observer_3d,
        clothing=given.clothing,
        keypoints_only=given.keypoints_only,
        regressor=given.regressor,
        threads=max(1, (os.cpu_count() or 1) // max(1, given.jobs)),
    )
    began = time.perf_counter()
    try:
        recipe_of(settings)  # a wrong name is told before anything is read
        outcome = EXPERIMENTS[given.name](settings)
    except InputError as error:
        parser.exit(2, f"error: {error}\n")
    outcome.about.update(
        command=shlex.join([parser.prog, *(arguments if arguments is not None else sys.argv[1:])]),
        recipe=given.recipe,
        seconds=round(time.perf_counter() - began, 1),
        cores=os.cpu_count(),
        torch_threads=torch.get_num_threads(),
        versions=versions(),
    )
    write_result(outcome, given.out, Console(width=200))


if __name__ == "__main__":
    main()
