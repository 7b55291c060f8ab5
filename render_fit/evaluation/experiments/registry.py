"""The table of experiments, and the function that runs one of them."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output
from render_fit.evaluation.experiments.domain_adaptation import domain_adaptation
from render_fit.evaluation.experiments.ground_truth_3d import real_3d, shape_recovery, synthetic_views
from render_fit.evaluation.experiments.photos_with_masks import coco_masks, image_only
from render_fit.evaluation.experiments.regressor_baselines import regressor_baselines
from render_fit.evaluation.experiments.runner import load_components
from render_fit.evaluation.experiments.settings import ExperimentConfig, flag
from render_fit.evaluation.experiments.status_thresholds import status_thresholds
from render_fit.evaluation.experiments.timing import timing
from render_fit.evaluation.experiments.two_d_supervision import two_d_supervision
from render_fit.evaluation.tables import ExperimentResult, write_result
from render_fit.fitting.result import versions


@dataclass(frozen=True)
class Experiment:
    """An entry of the table.

    Attributes:
        run: The experiment; the first line of its docstring is its description.
        uses: Fields of `ExperimentConfig` that it uses, besides those of `COMMON`.
        quick: Values of ``--quick``, for a trial of minutes.
        sheet_columns: People side by side on the contact sheet.
    """

    run: Callable[[ExperimentConfig], ExperimentResult]
    uses: tuple[str, ...]
    quick: dict[str, Any]
    sheet_columns: int = 4

    @property
    def description(self) -> str:
        """First line of the experiment's docstring."""
        return (self.run.__doc__ or "").splitlines()[0]


COMMON = ("data", "seed")
FIT = ("limit", "recipes", "regressors")
REFINE = (*FIT, "jobs", "keypoints_only")
TRAINING = ("people", "scale", "workers")

EXPERIMENTS: dict[str, Experiment] = {
    "coco-masks": Experiment(coco_masks, (*REFINE, "clothing", "observer_3d"), {"limit": 4}),
    "image-only": Experiment(image_only, (*REFINE, "clothing"), {"limit": 5}),
    "real-3d": Experiment(real_3d, (*REFINE, "clothing", "observer_3d"), {"limit": 2}),
    "synthetic-views": Experiment(synthetic_views, (*REFINE, "clothing"), {"limit": 20}),
    "shape-recovery": Experiment(shape_recovery, REFINE, {"limit": 10}),
    "status-thresholds": Experiment(status_thresholds, (*REFINE, "clothing"), {"limit": 12}),
    "timing": Experiment(timing, (*FIT, "clothing", "observer_3d"), {"limit": 3}),
    "regressor-baselines": Experiment(
        regressor_baselines,
        ("people", "scale", "regressors", "recipes", "fits", "jobs"),
        {"people": 64, "scale": 0.05, "fits": 8},
    ),
    "domain-adaptation": Experiment(domain_adaptation, TRAINING, {"people": 64, "scale": 0.02}),
    "two-d-supervision": Experiment(two_d_supervision, TRAINING, {"people": 64, "scale": 0.05}, sheet_columns=1),
}
RENAMED = {
    "monsters": "two-d-supervision", "round-trip": "shape-recovery", "status": "status-thresholds",
    "image-alone": "image-only", "coco": "coco-masks", "baselines": "regressor-baselines",
    "adaptation": "domain-adaptation",
}  # fmt: skip
"""Former names of experiments."""


def run_experiment(name: str, out: Path, *, quick: bool = False, **options: Any) -> ExperimentResult:
    """Run one experiment, print its table and write it. A training that was stopped resumes.

    Args:
        name: Key of `EXPERIMENTS`.
        out: Folder for JSON, CSV, contact sheet and trainings.
        quick: Whether to use the small sizes of a trial where ``options`` gives none.
        options: Other fields of `ExperimentConfig`.

    Raises:
        InputError: if there is no such experiment, recipe or regressor, the experiment does not use an option, or the
            research data are missing.
    """
    if name in RENAMED:
        raise InputError(f"experiment {name!r} is now called {RENAMED[name]!r}")
    if name not in EXPERIMENTS:
        raise InputError(f"experiment {name!r}: not known; known are {', '.join(EXPERIMENTS)}")
    experiment = EXPERIMENTS[name]
    used = (*COMMON, *experiment.uses)
    for field in options:
        if field not in used:
            raise InputError(f"{flag(field)}: not used by {name}, which uses {', '.join(map(flag, used))}")
    config = ExperimentConfig(out, **{**(experiment.quick if quick else {}), **options})
    fits = set(FIT) <= set(experiment.uses)
    if fits:
        load_components(config)  # reports a wrong name before any data are read
    prepare_output(out)
    started = time.perf_counter()
    result = experiment.run(config)
    result.about.update(
        command=_command(name, out, quick, options),
        **({"recipe": config.recipe} if fits else {}),
        seconds=round(time.perf_counter() - started, 1),
        cores=os.cpu_count(),
        torch_threads=torch.get_num_threads(),
        versions=versions(),
    )
    write_result(result, out, Console(width=200), experiment.sheet_columns)
    return result


def _command(name: str, out: Path, quick: bool, options: dict[str, Any]) -> str:
    """The command line that repeats a run."""
    words = ["render-fit", "experiment", name, "--out", str(out), *(["--quick"] if quick else [])]
    for field, value in options.items():
        for one in value if isinstance(value, tuple) else (value,):
            words += [flag(field)] if one is True else [flag(field), str(one)]
    return shlex.join(words)
