"""Functions shared by all experiments that fit people: components, single fits, and fits in several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from torch import Tensor

from render_fit.core.parallel import map_in_processes
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import Metrics
from render_fit.fitting.fit import fit_image
from render_fit.fitting.recipe import Recipe
from render_fit.fitting.result import FitResult
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
    components = load_components(config)
    return fit_image(
        observation,
        components.recipe,
        body=components.body,
        renderer=components.renderer,
        clothing=config.clothing if clothing is None else clothing,
        seed=config.seed if seed is None else seed,
    )


def run_all(
    work: Callable[[Task, ExperimentConfig], Metrics], tasks: Sequence[Task], config: ExperimentConfig
) -> list[Metrics]:
    """Metrics of all tasks, in order: ``work(task, config)`` in ``config.jobs`` processes.

    ``work`` is a function of a module; tasks must survive pickling.
    """
    return list(map_in_processes(work, tasks, processes=config.jobs, threads=config.threads, shared=(config,)))


def number(value: Tensor | float, digits: int = 4) -> float:
    """A batch of one number as a rounded float."""
    return round(float(value), digits)
