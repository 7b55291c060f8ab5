"""What the stages of one fit share: image, body, renderer and recipe, and the problems that they make."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.core.cameras import Camera
from render_fit.fitting.problem import Problem
from render_fit.fitting.recipe import Edge, Recipe, Stage, TermSetting
from render_fit.fitting.regressor_initialisation import RegressorHypotheses
from render_fit.fitting.solvers import Solver, make_solver, moves_offsets
from render_fit.losses.measurements import KnownWeight
from render_fit.losses.parameters import KnownHeight
from render_fit.losses.priors.clothing import clothing_prior_of
from render_fit.losses.priors.vae import PoseVAE, load_pose_vae
from render_fit.losses.registry import is_observed, make_term
from render_fit.losses.targets import FitTargets, targets_from
from render_fit.losses.term import Objective, Term
from render_fit.observations.observation import Observation
from render_fit.observations.packed import without_maps
from render_fit.renderers.base import Renderer, RenderSettings

SEARCH_SIZE = 256
"""Side of the crop in which keypoints are compared when nothing is rendered, pixels; any size gives the same fit."""


@dataclass
class FitContext:
    """One image, one body, one recipe: everything that the stages share.

    Attributes:
        recipe: Stages, terms and solvers.
        body: Body model M.
        renderer: Renderer R.
        observation: z(I), in pixels of the photo.
        camera: Camera of the photo.
        clothing_basis: Basis of smooth offsets, or None for no clothing.
        height_m: Standing height, metres, if known.
        weight_kg: Weight, kilograms, if known.
        predicted: Hypotheses of a regressor, or None without one.
        terms: Own terms beside the recipe's: name → (weight, term).
        solver: Own solver in place of those of the stages, or None.
        looseness_scale: How loosely the person is dressed, see `FitTargets`; None until a stage estimates it.
        camera_is_assumed: Whether nothing is known about the camera's focal length.
        label_shares: (1, L) share of each label in all images of the person, `label_shares`; None without labels.
    """

    recipe: Recipe
    body: Body
    renderer: Renderer
    observation: Observation
    camera: Camera
    clothing_basis: ClothingBasis | None = None
    height_m: float | None = None
    weight_kg: float | None = None
    predicted: RegressorHypotheses | None = None
    terms: Mapping[str, tuple[float, Term]] = field(default_factory=dict)
    solver: Solver | None = None
    looseness_scale: Tensor | None = None
    label_shares: Tensor | None = None
    camera_is_assumed: bool = False
    _targets: dict[int, FitTargets] = field(default_factory=dict)
    _clothes: dict[int, tuple[Tensor | None, Tensor | None]] = field(default_factory=dict)
    _made: dict[tuple[str, str], Term] = field(default_factory=dict)

    def targets(self, resolution: int) -> FitTargets:
        """The observation in a square crop of one size, pixels, made once."""
        size = resolution or SEARCH_SIZE
        if size not in self._targets:
            margin = (self.recipe.crop_margin - 1) / 2
            targets = targets_from(self.observation, self.camera, size, margin)
            if self.predicted is not None:
                targets = self.predicted.add_to(targets, self.body)
            self._targets[size] = targets
        targets = self._targets[size]
        clothes = (self.looseness_scale, self.label_shares)
        if size not in self._clothes or any(a is not b for a, b in zip(self._clothes[size], clothes, strict=True)):
            mean, precision = self._learned_clothing()
            targets = self._targets[size] = replace(
                targets, looseness_scale=self.looseness_scale, clothing_mean=mean, clothing_precision=precision
            )
            self._clothes[size] = clothes
        return targets

    def zoom(self, ratio: Float[Tensor, ""]) -> None:
        """Multiplies the focal length of the camera, and of all targets so far."""
        self.camera = self.camera.zoomed(ratio[None])
        for size, targets in self._targets.items():
            self._targets[size] = replace(targets, camera=targets.camera.zoomed(ratio.expand(len(targets.camera))))

    def keep_only(self, resolutions: Collection[int]) -> None:
        """Lets go of the observation's maps in pixels of the photo, and of all targets but those of these sizes."""
        for resolution in resolutions:
            self.targets(resolution)
        sizes = {resolution or SEARCH_SIZE for resolution in resolutions}
        self._targets = {size: targets for size, targets in self._targets.items() if size in sizes}
        self.observation = without_maps(self.observation)

    def _learned_clothing(self) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """Mean and inverse covariance of the clothing coefficients by what is seen of the clothes.

        None if the recipe does not ask for them, if nothing was learned for the body's basis, or without labels of
        clothes.
        """
        if self.recipe.clothing_prior == "none" or self.clothing_basis is None:
            return None, None
        prior = clothing_prior_of(self.body)
        if prior is None or prior.functions.shape[1] != self.clothing_basis.directions.shape[2]:
            return None, None
        return prior.given(self.observation.part_space, self.label_shares) or (None, None)

    def problem(self, terms: Mapping[str, TermSetting], resolution: int, edge: Edge) -> Problem:
        """The problem that a stage's terms and the context's own pose."""
        targets, chosen = self.targets(resolution), self.weighted_terms(terms, resolution)
        if self.height_m is not None:
            chosen["height"] = (1.0, KnownHeight(self.height_m))
        if self.weight_kg is not None:
            chosen["weight"] = (1.0, KnownWeight(self.weight_kg))
        settings = RenderSettings(edge.silhouette, edge.sigma_px, edge.gamma_m)
        basis = self.clothing_basis if resolution else None  # without rendering nothing shows the clothes
        return Problem(self.body, targets, Objective(chosen), self.renderer, settings, basis, self.pose_vae)

    def weighted_terms(self, terms: Mapping[str, TermSetting], resolution: int) -> dict[str, tuple[float, Term]]:
        """Name → (weight, term) of those terms of a stage, and of the context's own, that can be evaluated.

        Left out are terms without their observation and, where nothing is rendered, own terms that need the mesh.
        """
        chosen = {name: (setting.weight, self._term(name, setting.options)) for name, setting in terms.items()}
        for name, (weight, term) in self.terms.items():
            if resolution or getattr(term, "skeletal", False):
                chosen[name] = (weight, term)
        targets = self.targets(resolution)
        return {name: pair for name, pair in chosen.items() if is_observed(pair[1], targets)}

    def _term(self, name: str, options: Mapping[str, Any]) -> Term:
        """A term of the recipe, made once for each set of options."""
        key = (name, repr(options))
        if key not in self._made:
            paths = {"pose_vae": self.recipe.pose_vae, "pose_latent": self.recipe.pose_vae}
            if self.recipe.pose_prior != "default":
                paths["pose_mixture"] = self.recipe.pose_prior
            given = {"path": paths[name], **options} if name in paths else options
            self._made[key] = make_term(name, given)
        return self._made[key]

    def solver_of(self, stage: Stage) -> Solver:
        """The context's own solver if there is one and it can move what the stage frees, else the recipe's."""
        if self.solver is not None and (moves_offsets(self.solver) or "offsets" not in stage.free):
            return self.solver
        return make_solver(stage.solver.name, stage.solver.options)

    @cached_property
    def pose_vae(self) -> PoseVAE | None:
        """Autoencoder of the latent vectors that stages move, or None if no stage does."""
        moved = any("latent" in stage.free for stage in self.recipe.stages)
        return load_pose_vae(self.recipe.pose_vae) if moved else None

    @property
    def final(self) -> Problem:
        """The fixed problem by which hypotheses are compared in the end."""
        final = self.recipe.final
        return self.problem(final.terms, final.resolution, final.edge)

    def can_run(self, stage: Stage) -> bool:
        """Whether a term of the stage has an observation that it can be compared with."""
        terms = self.weighted_terms(stage.terms, stage.resolution).values()
        return any(getattr(term, "requires", ()) for _, term in terms)
