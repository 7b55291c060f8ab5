"""Recipes: validated configuration of a fit, its stages and their terms.

A recipe is data. Its names become objects through one registry per kind, which other packages can extend
(docs/extending.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from render_fit.core.config import StrictModel, nearest, parse_yaml, shipped_recipe, shipped_recipes
from render_fit.core.errors import InputError
from render_fit.core.text_files import read_text
from render_fit.fitting.solvers import make_solver, moves_offsets
from render_fit.losses.between_images import make_between_term
from render_fit.losses.registry import make_term

FreeVariable = Literal["orient", "position", "pose", "latent", "betas", "clothing", "offsets"]


class Edge(StrictModel):
    """Softness of the rendered silhouette."""

    silhouette: Literal["contour", "softras"] = "contour"
    sigma_px: float = Field(default=1.0, gt=0, description="width of the soft edge, pixels of the crop")
    gamma_m: float = Field(default=0.05, gt=0, description="depth blending of parts, metres")


class TermSetting(StrictModel):
    """A term's weight and options."""

    weight: float = Field(ge=0)
    options: dict[str, Any] = Field(default_factory=dict)


def _check_terms(terms: dict[str, TermSetting]) -> dict[str, TermSetting]:
    for name, setting in terms.items():
        make_term(name, setting.options)
    return terms


TermSettings = Annotated[dict[str, TermSetting], AfterValidator(_check_terms)]


def _check_between(terms: dict[str, TermSetting]) -> dict[str, TermSetting]:
    for name, setting in terms.items():
        make_between_term(name, setting.options)
    return terms


BetweenSettings = Annotated[dict[str, TermSetting], AfterValidator(_check_between)]


class SolverSetting(StrictModel):
    """Solver and its limits."""

    name: str = Field(default="lbfgs", description="adam, lbfgs, lm, or a name that another package registers")
    iterations: int = Field(default=50, gt=0)
    tolerance: float = Field(default=1e-4, ge=0, description="stop when the loss falls by less than this fraction")
    whiten: float = Field(
        default=10.0, ge=0, description="see Problem.minimise; 0: off; unused if a solver needs curvature"
    )
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_known(self) -> SolverSetting:
        make_solver(self.name, self.options)
        return self


class Stage(StrictModel):
    """One optimisation: which variables move, under which terms, at which resolution."""

    renamed: ClassVar[Mapping[str, str]] = {"judge": "rank_by", "keep": "n_hypotheses", "apart_m": "min_distance_m"}

    name: str
    free: tuple[FreeVariable, ...]
    terms: TermSettings
    solver: SolverSetting = SolverSetting()
    resolution: int = Field(default=0, ge=0, description="side of the square crop in pixels; 0: nothing is rendered")
    edge: Edge = Edge()
    flips: int = Field(default=0, ge=0, description="first add this many hypotheses with limbs flipped in depth")
    straighten: bool = Field(
        default=False, description="first add the best hypothesis with straight legs, if its knees are slightly bent"
    )
    estimate_looseness: bool = Field(
        default=False, description="first estimate how loosely the person is dressed, for this and all later stages"
    )
    n_hypotheses: int = Field(
        default=0, ge=0, description="afterwards keep at most this many of the best hypotheses; 0: all"
    )
    rank_by: str = Field(
        default="", description="name of the stage whose objective ranks the hypotheses to keep; this one if empty"
    )
    min_distance_m: float = Field(
        default=0.0, ge=0, description="hypotheses with no joint farther apart than this count as one"
    )

    @model_validator(mode="after")
    def _solver_moves_what_is_free(self) -> Stage:
        if "offsets" in self.free and not moves_offsets(make_solver(self.solver.name, self.solver.options)):
            raise ValueError(
                f"stage {self.name!r}: solver {self.solver.name!r} cannot move free offsets: they are too many for the "
                "curvature that it needs; use 'lbfgs'"
            )
        return self

    @model_validator(mode="after")
    def _looseness_is_seen(self) -> Stage:
        if self.estimate_looseness and not self.resolution:
            raise ValueError(f"stage {self.name!r}: estimate_looseness compares pixels; give the stage a resolution")
        return self

    @model_validator(mode="after")
    def _one_set_of_coordinates(self) -> Stage:
        if {"pose", "latent"} <= set(self.free):
            raise ValueError(f"stage {self.name!r}: free: the pose moves as 'pose' or as 'latent', not as both")
        return self


NO_REGRESSOR = "none"
"""Value of ``regressor`` for a fit without one."""


class Initialisation(StrictModel):
    """Hypotheses that the search starts from."""

    renamed: ClassVar[Mapping[str, str]] = {"posed": "use_default_poses"}

    regressor: str = Field(
        default="",
        description="regressor by name, path or hub id, whose hypotheses come before those of the poses; none if empty",
    )
    use_default_poses: bool = Field(
        default=True,
        description="whether poses and yaws are tried besides a regressor's hypotheses, or only without one",
    )
    yaws_deg: tuple[float, ...] = (0.0, 90.0, 180.0, 270.0)
    poses: tuple[Literal["standing", "sitting", "arms_up", "zero"], ...] = ("standing",)

    @model_validator(mode="after")
    def _something_to_begin_with(self) -> Initialisation:
        if not self.regressor and not (self.yaws_deg and self.poses):
            raise ValueError("initialisation: give a regressor, or at least one yaw and one pose")
        return self


class Final(StrictModel):
    """The fixed objective that compares *before* with *after*, and selects the best hypothesis."""

    resolution: int = 224
    edge: Edge = Edge()
    terms: TermSettings


class Recipe(StrictModel):
    """A recipe: body, renderer, observer, initialisation, stages and the final objective."""

    renamed: ClassVar[Mapping[str, str]] = {"starts": "initialisation"}

    name: str
    description: str = ""
    source: str = ""
    body: str = "open"
    n_betas: int = Field(default=10, gt=0)
    renderer: str = "auto"
    observer: str = "blazepose"
    pose_prior: str = Field(default="default", description="the shipped mixture, or the path of a gmm_08.pkl")
    pose_vae: str = Field(
        default="default", description="the shipped autoencoder, or the path of one, for the variable 'latent'"
    )
    clothing_prior: Literal["learned", "none"] = Field(
        default="none",
        description="learned: smooth clothing is near what the labels that are seen tell, on the open body; none: "
        "near the skin",
    )
    crop_margin: float = Field(default=1.2, gt=1.0, description="crop side over the person's longer side")
    clothing: Literal["none", "smooth", "free"] = "none"
    initialisation: Initialisation = Initialisation()
    stages: tuple[Stage, ...] = Field(
        description="none: the fit is the initial hypothesis with the lowest `final` objective"
    )
    final: Final
    between: BetweenSettings = Field(
        default_factory=dict,
        description="terms between the images of one person (fit-person): held_pose; in videos smooth_motion, "
        "standing_feet",
    )

    @model_validator(mode="after")
    def _ranking_stages_exist(self) -> Recipe:
        if not self.stages and not self.initialisation.regressor:
            raise ValueError("stages: none given; only a recipe with a regressor can do without")
        names = [stage.name for stage in self.stages]
        for stage in self.stages:
            if stage.rank_by and stage.rank_by not in names:
                raise ValueError(f"stage {stage.name!r}: rank_by {stage.rank_by!r}: {nearest(stage.rank_by, names)}")
        return self

    def with_regressor(self, regressor: str) -> Recipe:
        """The recipe initialised from another regressor.

        Args:
            regressor: Name, path or hub id, or ``none`` for the recipe's poses and yaws alone. Nothing is loaded yet.

        Raises:
            InputError: if it is ``none``, and the recipe has no poses.
        """
        starts = self.initialisation.model_copy(update={"regressor": "" if regressor == NO_REGRESSOR else regressor})
        if not starts.regressor and not (starts.poses and starts.yaws_deg):
            raise InputError(f"recipe {self.name!r}: begins with a regressor alone, and has no poses to begin with")
        return self.model_copy(update={"initialisation": starts})

    def resolved(self) -> dict[str, Any]:
        """The recipe with every default filled in, as plain data."""
        return self.model_dump(mode="json")


def recipe_names() -> list[str]:
    """Names of the recipes of this package."""
    return shipped_recipes("render_fit.fitting")


def recipe_text(name: str) -> str:
    """The text of a shipped recipe.

    Raises:
        InputError: if there is no such recipe; names the nearest one.
    """
    return shipped_recipe("render_fit.fitting", name, "recipe")


def load_recipe(name_or_path: str | Path | Recipe) -> Recipe:
    """Loads a recipe by name or from a YAML file.

    Raises:
        InputError: if it does not exist, is not YAML, or has unknown keys or values out of range; the message names
            the file, the place, and for a misspelt key the nearest known one.
    """
    if isinstance(name_or_path, Recipe):
        return name_or_path
    path = Path(name_or_path)
    text = read_text(path, "a recipe (YAML)") if path.is_file() else recipe_text(str(name_or_path))
    return parse_yaml(text, f"recipe {name_or_path}", Recipe)
