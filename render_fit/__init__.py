"""render-fit: 3D bodies from photos by analysis by synthesis.

The names below are the public API (docs/extending.md). They are imported when first used, so that ``import render_fit``
costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from render_fit.bodies import load_body
    from render_fit.bodies.body import Body
    from render_fit.bodies.open_body import open_body
    from render_fit.bodies.parameters import BodyOutput, BodyParameters
    from render_fit.core import metrics
    from render_fit.core.cameras import Camera
    from render_fit.core.errors import InputError, MissingDependencyError, NoPersonError
    from render_fit.export.fit_folder import write_fit
    from render_fit.export.parameters import read_params
    from render_fit.fitting.fit import fit_image
    from render_fit.fitting.landscapes import compose
    from render_fit.fitting.recipe import Recipe, load_recipe
    from render_fit.fitting.regressor_initialisation import predict
    from render_fit.fitting.result import FitReport, FitResult
    from render_fit.fitting.solvers import Solution, Solver, Status, make_solver
    from render_fit.losses.fit_state import FitState
    from render_fit.losses.registry import make_term
    from render_fit.losses.targets import FitTargets
    from render_fit.losses.term import Objective, Term
    from render_fit.observations.observation import Observation
    from render_fit.observations.observe import Observer, observe
    from render_fit.pipelines.folder import fit_folder
    from render_fit.pipelines.options import FitOptions
    from render_fit.regressors.checkpoint import load_regressor
    from render_fit.regressors.config import RegressorConfig
    from render_fit.regressors.network import Regressor
    from render_fit.renderers import make_renderer, render
    from render_fit.renderers.base import Renderer, RenderOutput, RenderSettings
    from render_fit.renderers.cpu import CpuRenderer
    from render_fit.synthesis.people_sampler import PeopleSampler
    from render_fit.synthesis.poses.bank import PoseBank
    from render_fit.training.finetuning import finetune
    from render_fit.training.loop import train
    from render_fit.training.recipe import TrainingRecipe, load_training_recipe
    from render_fit.training.samples import training_batch

__version__ = "0.2.0"

_HOME = {
    # observe
    "observe": "observations.observe",
    "Observation": "observations.observation",
    "Observer": "observations.observe",
    "Camera": "core.cameras",
    # fit
    "fit_image": "fitting.fit",
    "fit_folder": "pipelines.folder",
    "FitOptions": "pipelines.options",
    "FitResult": "fitting.result",
    "FitReport": "fitting.result",
    "Recipe": "fitting.recipe",
    "load_recipe": "fitting.recipe",
    # bodies
    "Body": "bodies.body",
    "BodyParameters": "bodies.parameters",
    "BodyOutput": "bodies.parameters",
    "load_body": "bodies",
    "open_body": "bodies.open_body",
    # render
    "Renderer": "renderers.base",
    "RenderSettings": "renderers.base",
    "RenderOutput": "renderers.base",
    "CpuRenderer": "renderers.cpu",
    "make_renderer": "renderers",
    "render": "renderers",
    # losses
    "Term": "losses.term",
    "Objective": "losses.term",
    "FitState": "losses.fit_state",
    "FitTargets": "losses.targets",
    "make_term": "losses.registry",
    "compose": "fitting.landscapes",
    # solve
    "Solver": "fitting.solvers",
    "Solution": "fitting.solvers",
    "Status": "fitting.solvers",
    "make_solver": "fitting.solvers",
    # regress
    "Regressor": "regressors.network",
    "RegressorConfig": "regressors.config",
    "load_regressor": "regressors.checkpoint",
    "predict": "fitting.regressor_initialisation",
    # train
    "TrainingRecipe": "training.recipe",
    "load_training_recipe": "training.recipe",
    "train": "training.loop",
    "finetune": "training.finetuning",
    "PeopleSampler": "synthesis.people_sampler",
    "PoseBank": "synthesis.poses.bank",
    "training_batch": "training.samples",
    # write
    "write_fit": "export.fit_folder",
    "read_params": "export.parameters",
    # evaluate
    "metrics": "core",
    # errors
    "InputError": "core.errors",
    "NoPersonError": "core.errors",
    "MissingDependencyError": "core.errors",
}
"""Public name → module of this package that it is imported from."""

__all__ = [
    "observe",
    "Observation",
    "Observer",
    "Camera",
    "fit_image",
    "fit_folder",
    "FitOptions",
    "FitResult",
    "FitReport",
    "Recipe",
    "load_recipe",
    "Body",
    "BodyParameters",
    "BodyOutput",
    "load_body",
    "open_body",
    "Renderer",
    "RenderSettings",
    "RenderOutput",
    "CpuRenderer",
    "make_renderer",
    "render",
    "Term",
    "Objective",
    "FitState",
    "FitTargets",
    "make_term",
    "compose",
    "Solver",
    "Solution",
    "Status",
    "make_solver",
    "Regressor",
    "RegressorConfig",
    "load_regressor",
    "predict",
    "TrainingRecipe",
    "load_training_recipe",
    "train",
    "finetune",
    "PeopleSampler",
    "PoseBank",
    "training_batch",
    "write_fit",
    "read_params",
    "metrics",
    "InputError",
    "NoPersonError",
    "MissingDependencyError",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
