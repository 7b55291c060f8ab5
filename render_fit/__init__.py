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
    from render_fit.export.viewer.server import Viewer, view
    from render_fit.fitting.fit import fit_image
    from render_fit.fitting.landscapes import compose
    from render_fit.fitting.person import fit_person
    from render_fit.fitting.recipe import Recipe, load_recipe
    from render_fit.fitting.regressor_initialisation import predict
    from render_fit.fitting.result import FitReport, FitResult
    from render_fit.fitting.solvers import Solution, Solver, Status, make_solver
    from render_fit.losses.fit_state import FitState
    from render_fit.losses.registry import make_term
    from render_fit.losses.targets import FitTargets
    from render_fit.losses.term import Objective, Term
    from render_fit.measurements.measure import measure
    from render_fit.observations.observation import Observation
    from render_fit.observations.observe import observe
    from render_fit.observations.observers import Observer
    from render_fit.pipelines.folder import fit_folder
    from render_fit.pipelines.options import FitOptions
    from render_fit.pipelines.training_page.page import TrainingPage
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

import_module(f"{__name__}.core.threads").prepare()  # before torch is imported

_HOME = {
    # observe
    "observations.observe": ("observe",),
    "observations.observers": ("Observer",),
    "observations.observation": ("Observation",),
    "core.cameras": ("Camera",),
    # fit
    "fitting.fit": ("fit_image",),
    "fitting.person": ("fit_person",),
    "pipelines.folder": ("fit_folder",),
    "pipelines.options": ("FitOptions",),
    "fitting.result": ("FitResult", "FitReport"),
    "fitting.recipe": ("Recipe", "load_recipe"),
    # bodies
    "bodies.body": ("Body",),
    "bodies.parameters": ("BodyParameters", "BodyOutput"),
    "bodies": ("load_body",),
    "bodies.open_body": ("open_body",),
    # measure
    "measurements.measure": ("measure",),
    # render
    "renderers.base": ("Renderer", "RenderSettings", "RenderOutput"),
    "renderers.cpu": ("CpuRenderer",),
    "renderers": ("make_renderer", "render"),
    # losses
    "losses.term": ("Term", "Objective"),
    "losses.fit_state": ("FitState",),
    "losses.targets": ("FitTargets",),
    "losses.registry": ("make_term",),
    "fitting.landscapes": ("compose",),
    # solve
    "fitting.solvers": ("Solver", "Solution", "Status", "make_solver"),
    # regress
    "regressors.network": ("Regressor",),
    "regressors.config": ("RegressorConfig",),
    "regressors.checkpoint": ("load_regressor",),
    "fitting.regressor_initialisation": ("predict",),
    # train
    "training.recipe": ("TrainingRecipe", "load_training_recipe"),
    "training.loop": ("train",),
    "training.finetuning": ("finetune",),
    "pipelines.training_page.page": ("TrainingPage",),
    "synthesis.people_sampler": ("PeopleSampler",),
    "synthesis.poses.bank": ("PoseBank",),
    "training.samples": ("training_batch",),
    # write
    "export.fit_folder": ("write_fit",),
    "export.parameters": ("read_params",),
    "export.viewer.server": ("view", "Viewer"),
    # evaluate
    "core": ("metrics",),
    # errors
    "core.errors": ("InputError", "NoPersonError", "MissingDependencyError"),
}
"""Module of this package → public names that are imported from it; the imports above repeat it for type checkers."""

__all__ = [name for names in _HOME.values() for name in names]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            home = import_module(f"{__name__}.{module}")
            # a public module is an attribute of its package only once it has been imported
            return getattr(home, name) if hasattr(home, name) else import_module(f"{home.__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
