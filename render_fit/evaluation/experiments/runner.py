"""The run of an experiment, and what those that fit people share: components, single fits, fits in processes."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from torch import Tensor

from render_fit.core.errors import MissingDependencyError
from render_fit.core.files import prepare_output
from render_fit.core.machine import machine
from render_fit.core.parallel import map_in_processes
from render_fit.core.progress_bar import ProgressBar
from render_fit.evaluation.experiments.kept_rows import (
    file_of_row,
    folder_of_rows,
    mark_of_rows,
    read_row,
    remove_rows,
    rows_of_other_runs,
    write_row,
)
from render_fit.evaluation.experiments.plots import write_plot
from render_fit.evaluation.experiments.settings import ExperimentConfig, flag
from render_fit.evaluation.experiments.table import EXPERIMENTS, FIT, checked_experiment
from render_fit.evaluation.tables import ExperimentResult, Metrics, write_result
from render_fit.fitting.fit import fit_resolved
from render_fit.fitting.recipe import Recipe
from render_fit.fitting.result import FitResult, versions
from render_fit.fitting.stages import Clothing, keypoint_continuation, search_and_refinement
from render_fit.observations import Observation
from render_fit.pipelines.options import FitOptions
from render_fit.pipelines.photo import FitComponents

Task = TypeVar("Task")
Row = dict[str, Any]


@lru_cache(maxsize=1)
def load_components(config: ExperimentConfig) -> FitComponents:
    """Recipe, body, renderer and observer of an experiment, loaded once per process.

    Raises:
        InputError: if there is no such recipe or regressor.
    """
    components = FitComponents(FitOptions(recipe=config.recipe, regressor=config.regressor))
    if config.keypoints_only:
        components.recipe = without_images(components.recipe)
    return components


def without_images(recipe: Recipe) -> Recipe:
    """A recipe whose refinement uses keypoints alone, for as many iterations."""
    search, refinement = search_and_refinement(recipe, recipe.clothing)
    last = keypoint_continuation(search, refinement)
    stages = search if last is None else [*search, last.model_copy(update={"n_hypotheses": 1})]
    stages = [stage.model_copy(update={"rank_by": ""}) for stage in stages]
    return recipe.model_copy(update={"stages": tuple(stages)})


def observes_3d(config: ExperimentConfig) -> bool:
    """Whether the observer adds its 3D keypoints to given observations."""
    return config.observer_3d == "recipe" and load_components(config).uses_3d_keypoints


def fit_person(
    observation: Observation, config: ExperimentConfig, *, clothing: Clothing | None = None, seed: int | None = None
) -> FitResult:
    """`fit_image` with the components of the experiment; clothing and seed are the configured ones unless given."""
    return fit_resolved(
        observation,
        load_components(config).resolved,
        clothing=config.clothing if clothing is None else clothing,
        seed=config.seed if seed is None else seed,
    )


def run_all(
    work: Callable[[Task, ExperimentConfig], Metrics], tasks: Sequence[Task], config: ExperimentConfig
) -> list[Metrics]:
    """Metrics of all tasks, in order: ``work(task, config)`` in ``config.jobs`` processes.

    In a run of `run_experiment`, each row is kept as soon as it is finished (`kept_rows`), rows that a stopped run kept
    are taken, and the progress is shown.

    Args:
        work: Function of a module.
        tasks: Its first arguments. They must survive pickling and be what `core.fingerprints.value_hash` knows.
        config: Its second argument.
    """
    processes = {"processes": config.jobs, "threads": config.threads}
    if config.rows is None:
        return list(map_in_processes(work, tasks, shared=(config,), **processes))
    mark = mark_of_rows(f"{work.__module__}.{work.__qualname__}", config, load_components(config).recipe)
    files = [file_of_row(mark, number, task, config.rows) for number, task in enumerate(tasks)]
    rows = [read_row(path) for path in files]
    missing = [number for number, row in enumerate(rows) if row is None]
    done = len(rows) - len(missing)
    with ProgressBar(lines=True) as bar:
        if done:
            bar.console.print(f"{done} of {len(rows)} rows were there from a run that was stopped")
        began, experiment = time.monotonic(), config.rows.parent.name
        bar.show(experiment, done, len(rows))
        pairs = [(tasks[number], files[number]) for number in missing]
        made = map_in_processes(_keep, pairs, shared=(work, config), **processes)
        try:
            for count, (number, row) in enumerate(zip(missing, made, strict=True), 1):
                rows[number] = row
                left_s = (time.monotonic() - began) / count * (len(missing) - count)
                bar.show(f"{experiment}, {duration(left_s)} left", done + count, len(rows))
        except BaseException:
            kept = sum(path.is_file() for path in files)
            bar.console.print(f"stopped; {kept} of {len(rows)} rows are kept, and the same command goes on after them")
            raise
    return [row for row in rows if row is not None]


def _keep(
    pair: tuple[Task, Path], work: Callable[[Task, ExperimentConfig], Metrics], config: ExperimentConfig
) -> Metrics:
    """Makes a row and writes it, in the process that made it."""
    task, path = pair
    return write_row(path, work(task, config))


def duration(seconds: float) -> str:
    """A duration as text, in the unit that suits it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def number(value: Tensor | float, digits: int = 4) -> float:
    """A batch of one number as a rounded float."""
    return round(float(value), digits)


def configured(name: str, out: Path, quick: bool, options: Mapping[str, Any]) -> ExperimentConfig:
    """Configuration of an experiment, with the folder in which its rows are kept.

    Args:
        name: Key of `EXPERIMENTS`.
        out: Output folder.
        quick: Whether to use the small sizes of a trial where ``options`` gives none.
        options: Other fields.

    Raises:
        InputError: if there is no such experiment, it does not use an option, or a number is too small.
    """
    experiment = checked_experiment(name, options)
    config = ExperimentConfig(out, **{**(experiment.quick if quick else {}), **options})
    return replace(config, rows=folder_of_rows(name, config))


def run_experiment(
    name: str, out: Path, *, quick: bool = False, keep_rows: bool = False, **options: Any
) -> ExperimentResult:
    """Run one experiment, print its table and write it. A run that was stopped goes on after its finished rows
    (`kept_rows`) and trainings.

    Args:
        name: Key of `EXPERIMENTS`.
        out: Folder for JSON, CSV, contact sheet and trainings.
        quick: Whether to use the small sizes of a trial where ``options`` gives none.
        keep_rows: Whether finished rows stay when the experiment is finished, for a group that is not.
        options: Other fields of `ExperimentConfig`.

    Raises:
        InputError: if there is no such experiment, recipe or regressor, the experiment does not use an option, or the
            research data are missing.
        MissingDependencyError: if a package is needed that is not installed.
    """
    experiment, config = checked_experiment(name, options), configured(name, out, quick, options)
    assert config.rows is not None
    fits = set(FIT) <= set(experiment.uses)
    if fits:
        load_components(config)  # reports a wrong name before any data are read
    function = function_of(name)
    prepare_output(out)
    console = Console(width=200)
    if others := rows_of_other_runs(config.rows):
        beside = config.rows.parent
        console.print(f"not used: {others} rows of other options, versions or data in {beside}", soft_wrap=True)
    started = time.perf_counter()
    result = function(config)
    result.about.update(
        command=_command(name, out, quick, options),
        **({"recipe": config.recipe} if fits else {}),
        seconds=round(time.perf_counter() - started, 1),
        machine=machine(),
        cores=os.cpu_count(),
        torch_threads=torch.get_num_threads(),
        versions=versions(),
    )
    write_result(result, out, console, experiment.sheet_columns)
    if plot := write_plot(out / f"{name}_plot.png", result):
        console.print(f"plot: {plot}", markup=False, soft_wrap=True)
    found = ", ".join(f"{package} {version}" for package, version in versions().items())
    took = f"{duration(result.about['seconds'])} on {result.about['machine']}; {found}"
    console.print(f"{result.about['command']}\n{took}", markup=False, soft_wrap=True)
    if not keep_rows:
        remove_rows(config.rows)
    return result


def function_of(name: str) -> Callable[[ExperimentConfig], ExperimentResult]:
    """The function that runs an experiment."""
    try:
        module = import_module(f"render_fit.evaluation.experiments.{EXPERIMENTS[name].module}")
    except ImportError as error:
        raise MissingDependencyError(f"experiments need {error.name}: pip install 'render-fit[train,photo]'") from error
    return getattr(module, name.replace("-", "_"))


def _command(name: str, out: Path, quick: bool, options: dict[str, Any]) -> str:
    """The command line that repeats a run."""
    words = ["render-fit", "experiment", name, "--out", str(out), *(["--quick"] if quick else [])]
    for field, value in options.items():
        for one in value if isinstance(value, tuple) else (value,):
            words += [flag(field)] if one is True else [flag(field), str(one)]
    return shlex.join(words)
