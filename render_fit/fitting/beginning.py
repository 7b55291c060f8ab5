"""How a fit begins: what its stages share, and the hypotheses that they start from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis, clothing_basis
from render_fit.core.cameras import Camera, check_camera
from render_fit.core.errors import InputError
from render_fit.core.plausibility import check_height, check_weight
from render_fit.fitting.context import FitContext
from render_fit.fitting.initialisation import default_hypotheses
from render_fit.fitting.known_height import of_height
from render_fit.fitting.regressor_initialisation import RegressorHypotheses, regressor_hypotheses
from render_fit.fitting.resolve import ResolvedRecipe
from render_fit.fitting.stages import Clothing
from render_fit.fitting.variables import Variables
from render_fit.losses.priors.clothing import label_shares
from render_fit.observations.camera_source import ASSUMED, assumed_camera
from render_fit.observations.observation import Observation

Start = Callable[[Body, Observation, Camera, int, int], tuple[RegressorHypotheses, list[str]]]
"""Where a fit starts in place of a regressor's hypotheses: a function of body, observation, camera of the photo, number
of shape coefficients and number of clothing coefficients. It returns hypotheses and notes about them."""

START_JITTER_RAD = 0.1
"""Standard deviation of the random rotation added to every joint and to the body at the start."""

GUESS = "focal length is a guess"
"""How the note on an assumed camera begins."""


def begin(
    observation: Observation,
    camera: Camera | None,
    resolved: ResolvedRecipe,
    height_m: float | None,
    weight_kg: float | None,
    worn: Clothing,
    start: Start | None = None,
) -> tuple[FitContext, list[str]]:
    """What the stages of one fit share, and the first of its notes.

    Args:
        observation: z(I), in pixels of the photo.
        camera: Camera of the photo; None: the observation's, or an assumed one.
        resolved: The recipe and its objects.
        height_m: Standing height, metres, if known.
        weight_kg: Weight, kilograms, if known.
        worn: Which clothing variables the fit has.
        start: Hypotheses in place of the regressor's, which is not asked then; None: the regressor's.

    Raises:
        InputError: if nothing that can be fitted to was observed, or a value cannot be right.
    """
    if not _has_evidence(observation):
        raise InputError("nothing to fit to: neither mask nor keypoints were observed")
    recipe, body, network = resolved.recipe, resolved.body, resolved.regressor
    basis = None if worn == "none" else clothing_basis(body)
    notes = list(observation.notes)
    if height_m is not None:
        check_height(height_m, f"height_m {height_m:g}")
    if weight_kg is not None:
        check_weight(weight_kg, f"weight_kg {weight_kg:g}", height_m)
    assumed = False
    if camera is not None:
        check_camera(camera, "camera")
    elif observation.camera is not None and observation.source.get("camera") != ASSUMED:
        camera = observation.camera
    else:
        camera, assumed = assumed_camera(*observation.image_size), True
        notes.append(f"{GUESS}: {float(camera.K[0, 0, 0]):.0f} px, the image's diagonal (a 43 mm lens on 35 mm film)")
    if height_m is None:
        notes.append("size is a guess: no standing height given, so depth and height may be scaled together")
    if observation.mask is not None and _is_cut_off(observation.mask):
        notes.append("the person is cut off by the image's edge: the part outside follows from the priors alone")
    predicted = None
    if start is not None:
        predicted, told = start(body, observation, camera, recipe.n_betas, _dimension(basis))
        notes += told
    elif network is not None:
        predicted = regressor_hypotheses(body, observation, camera, network, recipe.n_betas, _dimension(basis))
    if predicted is not None and height_m is not None:
        predicted = replace(predicted, variables=of_height(body, predicted.variables, height_m))
    own = _points_of(body, observation)
    shares = None
    if own.labels is not None and own.part_space is not None:
        shares = label_shares(own.labels, own.part_space)[None]
    context = FitContext(
        recipe, body, resolved.renderer, own, camera, basis, height_m, weight_kg, predicted, resolved.terms,
        resolved.solver, label_shares=shares, camera_is_assumed=assumed,
    )  # fmt: skip
    return context, notes


def _points_of(body: Body, observation: Observation) -> Observation:
    """The observation with confidence 0 for keypoints that the body does not have."""
    if observation.skeleton is None:
        return observation
    has = body.supports(observation.skeleton)

    def known(confidence: Tensor | None) -> Tensor | None:
        return None if confidence is None else confidence * has.to(confidence)

    return replace(
        observation, confidence=known(observation.confidence), confidence_3d=known(observation.confidence_3d)
    )


def _has_evidence(observation: Observation) -> bool:
    """Whether the mask has a pixel, or a keypoint a confidence above 0."""
    mask, confidence = observation.mask, observation.confidence
    return (mask is not None and bool((mask >= 0.5).any())) or (confidence is not None and bool((confidence > 0).any()))


def _is_cut_off(mask: Float[Tensor, "h w"]) -> bool:
    """Whether a mask touches the image's edge along more than a tenth of the square root of its area."""
    person = mask > 0.5
    at_edge = max(int(side.sum()) for side in (person[0], person[-1], person[:, 0], person[:, -1]))
    return at_edge > 0.1 * float(person.sum()) ** 0.5


def first_hypotheses(context: FitContext, generator: torch.Generator) -> Variables:
    """Hypotheses of the regressor, then the recipe's poses and yaws with random rotations added.

    Args:
        context: Image, body and recipe of the fit.
        generator: Source of the rotations.
    """
    recipe, starts = context.recipe, context.recipe.initialisation
    dimension = _dimension(context.clothing_basis)
    found = [] if context.predicted is None else [context.predicted.variables]
    if starts.yaws_deg and starts.poses and (starts.use_default_poses or not found):
        posed = default_hypotheses(
            context.body, context.targets(0), recipe.n_betas, starts.yaws_deg, starts.poses, dimension
        )
        noise = START_JITTER_RAD * torch.randn(posed.pose.shape, generator=generator)
        turn = START_JITTER_RAD * torch.randn(posed.orient.shape, generator=generator)
        found.append(posed.with_values({"pose": posed.pose + noise, "orient": turn}).recentred())
    return found[0] if len(found) == 1 else found[0].joined(found[1])


def _dimension(basis: ClothingBasis | None) -> int:
    return 0 if basis is None else basis.directions.shape[-1]
