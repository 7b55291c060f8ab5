"""Initial hypotheses from a regressor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from render_fit.bodies.body import Body
from render_fit.bodies.open_body import open_body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera
from render_fit.core.fingerprints import Identity, file_identity
from render_fit.core.skeletons import SMPL_24
from render_fit.fitting.recipe import Recipe
from render_fit.fitting.variables import Variables
from render_fit.losses.targets import FitTargets
from render_fit.observations.camera_source import assumed_camera
from render_fit.observations.observation import Observation
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.inputs import inputs_from_observation
from render_fit.regressors.network import Regressor

LEAST_SPREAD_M = 0.01
"""Lower limit of the predicted joint errors, metres."""


def cached_regressor(name: str) -> Regressor:
    """Loads a regressor by name, path or hub id; loaded again only when its file has changed."""
    return _read(name, file_identity(name))


def with_regressor(recipe: Recipe, name: str | None) -> Recipe:
    """The recipe initialised from a regressor, which is loaded at once, so that a wrong name fails before any work.

    Args:
        recipe: Recipe.
        name: As in `Recipe.with_regressor`; None keeps the recipe's.

    Raises:
        InputError: if there is no such regressor, or no initial hypothesis without one.
    """
    if name is None:
        return recipe
    changed = recipe.with_regressor(name)
    if changed.initialisation.regressor:
        cached_regressor(changed.initialisation.regressor)
    return changed


@lru_cache(maxsize=2)
def _read(name: str, _: Identity) -> Regressor:
    return load_regressor(name)


@dataclass(frozen=True)
class RegressorHypotheses:
    """A regressor's prediction for one person.

    Attributes:
        variables: H hypotheses, most likely first.
        joint_error: (H, 24) expected error of SMPL's joints, metres.
        log_likelihood: (H,) logarithms of the hypotheses' probabilities.
    """

    variables: Variables
    joint_error: Float[Tensor, "h 24"]
    log_likelihood: Float[Tensor, "h"]

    @torch.no_grad()
    def add_to(self, targets: FitTargets, body: Body) -> FitTargets:
        """The targets with predicted joints, for the term ``regressed_joints``."""
        joints = body.keypoints(self.variables.parameters(body), SMPL_24)
        return replace(
            targets,
            predicted_joints=(joints - joints[:, :1])[None],
            predicted_joint_error=self.joint_error.clamp(min=LEAST_SPREAD_M)[None],
            predicted_log_prob=self.log_likelihood[None],
        )


@torch.no_grad()
def regressor_hypotheses(
    body: Body,
    observation: Observation,
    camera: Camera,
    regressor: Regressor,
    n_betas: int,
    clothing_dim: int = 0,
) -> RegressorHypotheses:
    """A regressor's hypotheses for one person.

    Args:
        body: Body model. If the regressor was trained with another one, shape and clothing are initialised to zero.
        observation: z(I), in pixels of the photo.
        camera: Camera of the photo.
        regressor: Network to evaluate.
        n_betas: Number of shape coefficients.
        clothing_dim: Number of clothing coefficients; 0: none.

    Returns:
        As many hypotheses as the regressor has, most likely first.

    Raises:
        InputError: if none of the regressor's inputs was observed, or it needs pixels and there are none.
    """
    inputs, view = inputs_from_observation(
        observation, camera, regressor.config.size, photo=regressor.config.uses("photo")
    )
    regressor.check_inputs(inputs)
    prediction = regressor(inputs).ranked()
    rotations, pelvis = prediction.in_photo_camera(view)
    same = body.name == regressor.config.body
    known = 1.0 if same else 0.0
    turns = torch.eye(3).repeat(len(rotations), len(body.joint_names), 1, 1)
    for joint, name in enumerate(SMPL_24.joints):
        if name in body.joint_names:
            turns[:, body.joint_names.index(name)] = rotations[:, joint]
    betas = known * _columns(prediction.betas[0], n_betas)
    variables = Variables.from_parameters(body, BodyParameters(turns, betas, pelvis - body.rest_joints(betas)[:, 0]))
    if clothing_dim:
        variables = variables.with_values({"clothing": known * _columns(prediction.clothing[0], clothing_dim)})
    return RegressorHypotheses(variables, prediction.joint_error[0], prediction.log_likelihood[0])


def predict(
    observation: Observation,
    regressor: Regressor | str | Path = "lifter",
    *,
    body: Body | None = None,
    camera: Camera | None = None,
) -> BodyParameters:
    """Predicts the body of one person in one image with a regressor alone, without fitting.

    ``fit_image(observation, "predict")`` evaluates the hypotheses on the image, and returns the best with a report.

    Args:
        observation: Mask, keypoints and parts, in pixels of the photo: at least one of the regressor's inputs.
        regressor: Network, or its name, path or hub id.
        body: Body model; the open body if None.
        camera: Camera of the photo; if None the observation's, or an assumed one if it has none.

    Returns:
        One row per hypothesis, most likely first, in coordinates of the photo's camera, without clothing.

    Raises:
        InputError: if there is no such regressor, or none of its inputs was observed.
    """
    network = regressor if isinstance(regressor, Regressor) else cached_regressor(str(regressor))
    body = body or open_body(network.config.n_betas)
    camera = camera or observation.camera or assumed_camera(*observation.image_size)
    return regressor_hypotheses(body, observation, camera, network, network.config.n_betas).variables.parameters(body)


def _columns(values: Float[Tensor, "h n"], count: int) -> Float[Tensor, "h m"]:
    """The first columns, or zeros after the last one."""
    return pad(values, (0, count - values.shape[1]))
