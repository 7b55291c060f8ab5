"""What every experiment shares: settings, the objects of a worker, and people fitted side by side."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch

from render_fit.bodies import load_body
from render_fit.bodies.body import Body
from render_fit.core.parallel import limit_threads_of_new_processes
from render_fit.evaluation.tables import Metrics
from render_fit.fitting.fit import fit_image
from render_fit.fitting.recipe import Recipe, load_recipe
from render_fit.fitting.regressor_initialisation import with_regressor
from render_fit.fitting.result import FitResult
from render_fit.fitting.stages import Clothing, keypoint_continuation, search_and_refinement
from render_fit.observations import OBSERVERS, Observation, Observer
from render_fit.renderers import make_renderer
from render_fit.renderers.base import Renderer

Task = TypeVar("Task")


@dataclass(frozen=True)
class Settings:
    """What the command line says.

    Attributes:
        out: Folder for tables and pictures.
        data: Folder of the research photos, or None.
        recipe: Name or path of the recipe.
        limit: At most this many people per dataset, or None.
        jobs: Processes.
        seed: Of every random choice.
        observer_3d: ``recipe``: the observer adds its rough 3D keypoints where the recipe compares with them, as
            the command line does; ``none``: it never does.
        threads: Threads per process.
        clothing: ``none``, ``smooth`` or ``free`` offsets; the recipe's if None. Experiments that compare kinds
            of clothing ignore it.
        keypoints_only: Refine with the keypoints alone, as long as the recipe does with pictures.
        regressor: Whose hypotheses fits begin with, or ``none``; the recipe's if None.
    """

    out: Path
    data: Path | None
    recipe: str = "hybrid"
    limit: int | None = None
    jobs: int = 1
    seed: int = 0
    observer_3d: Literal["recipe", "none"] = "recipe"
    threads: int = 1
    clothing: Clothing | None = None
    keypoints_only: bool = False
    regressor: str | None = None


@dataclass(frozen=True)
class ExperimentComponents:
    """What fits need, loaded once per process."""

    recipe: Recipe
    body: Body
    renderer: Renderer
    observer: Observer
    uses_3d: bool


def recipe_of(settings: Settings) -> Recipe:
    """The recipe that the settings name, begun and cut short as they say.

    Raises:
        InputError: if there is no such recipe or regressor.
    """
    recipe = with_regressor(load_recipe(settings.recipe), settings.regressor)
    return without_pictures(recipe) if settings.keypoints_only else recipe


@lru_cache(maxsize=1)
def tools(settings: Settings) -> ExperimentComponents:
    """The objects that the settings name."""
    recipe = recipe_of(settings)
    compares_3d = any("bone_directions" in stage.terms for stage in recipe.stages)
    return ExperimentComponents(
        recipe,
        load_body(recipe.body, n_betas=recipe.n_betas),
        make_renderer(recipe.renderer),
        OBSERVERS[recipe.observer](),
        compares_3d and settings.observer_3d == "recipe",
    )


def without_pictures(recipe: Recipe) -> Recipe:
    """A recipe whose refinement looks at keypoints alone, with as many iterations."""
    search, refinement = search_and_refinement(recipe, recipe.clothing)
    last = keypoint_continuation(search, refinement)
    stages = search if last is None else [*search, last.model_copy(update={"n_hypotheses": 1})]
    stages = [stage.model_copy(update={"rank_by": ""}) for stage in stages]
    return recipe.model_copy(update={"stages": tuple(stages)})


def fit_person(
    observation: Observation,
    kit: ExperimentComponents,
    settings: Settings,
    *,
    clothing: Clothing | None = None,
    seed: int | None = None,
) -> FitResult:
    """``fit_image`` with a worker's objects; clothing and seed are the settings' unless given."""
    return fit_image(
        observation,
        kit.recipe,
        body=kit.body,
        renderer=kit.renderer,
        clothing=settings.clothing if clothing is None else clothing,
        seed=settings.seed if seed is None else seed,
    )


def limited(samples: Sequence[Task], settings: Settings) -> Sequence[Task]:
    """The first ``limit`` samples, or all."""
    return samples if settings.limit is None else samples[: settings.limit]


def run_all(work: Callable[[Task, Settings], Metrics], tasks: Sequence[Task], settings: Settings) -> Iterator[Metrics]:
    """Do the tasks, in order, over ``settings.jobs`` processes.

    Args:
        work: A function of a module: makes one person's figures.
        tasks: What to do it to; must survive pickling.
        settings: Shared by all.

    Yields:
        The figures, in the tasks' order.
    """
    if settings.jobs <= 1:
        for task in tasks:
            yield work(task, settings)
        return
    with ProcessPoolExecutor(
        settings.jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_use_threads,
        initargs=(settings.threads,),
    ) as pool:
        with limit_threads_of_new_processes(settings.threads):
            results = pool.map(work, tasks, [settings] * len(tasks))
        yield from results


def _use_threads(threads: int) -> None:
    # The renderer uses as many threads as torch.
    torch.set_num_threads(threads)


def flag(value: torch.Tensor | bool | None) -> bool | None:
    """A batch of one truth value as Python's; None stays None."""
    return None if value is None else bool(value)


def number(value: torch.Tensor | float, digits: int = 4) -> float:
    """A batch of one number as Python's, rounded."""
    return round(float(value), digits)


Row = dict[str, Any]
