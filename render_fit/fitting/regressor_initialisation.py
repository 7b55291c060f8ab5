"""Where a fit begins when a regressor says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera
from render_fit.core.skeletons import SMPL_24
from render_fit.fitting.recipe import Recipe
from render_fit.fitting.variables import Variables
from render_fit.losses.targets import FitTargets
from render_fit.observations.observation import Observation
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.inputs import inputs_from_observation
from render_fit.regressors.network import Regressor

LEAST_SPREAD_M = 0.01
"""No joint is believed to be known better than this, metres."""


def cached_regressor(name: str) -> Regressor:
    """A regressor by name, path or place on the hub, read once, and again when its file has changed."""
    path = Path(name)
    return _read(name, path.stat().st_mtime_ns if path.is_file() else 0)


def with_regressor(recipe: Recipe, name: str | None) -> Recipe:
    """A recipe begun by the regressor that was asked for, which is read at once: a wrong name is told before any work.

    Args:
        recipe: What to begin.
        name: See `Recipe.with_regressor`; None: as the recipe says.

    Raises:
        InputError: if there is no such regressor, or nothing to begin with.
    """
    if name is None:
        return recipe
    begun = recipe.with_regressor(name)
    if begun.initialisation.regressor:
        cached_regressor(begun.initialisation.regressor)
    return begun


@lru_cache(maxsize=2)
def _read(name: str, changed_ns: int) -> Regressor:
    return load_regressor(name)


@dataclass(frozen=True)
class RegressorHypotheses:
    """What a regressor says of one person.

    Attributes:
        variables: Its hypotheses, most likely first.
        joint_error: (H, 24) how far off SMPL's joints probably are, metres.
        log_likelihood: (H,) logarithms of the hypotheses' probabilities.
    """

    variables: Variables
    joint_error: Float[Tensor, "h 24"]
    log_likelihood: Float[Tensor, "h"]

    @torch.no_grad()
    def add_to(self, targets: FitTargets, body: Body) -> FitTargets:
        """Targets that tell `regressed_joints` what the regressor says."""
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
        body: M. If it is another body than the regressor's, its shape and clothing are left at the mean.
        observation: z(I) in the photo.
        camera: The photo's.
        regressor: Who is asked.
        n_betas: Shape coefficients.
        clothing_dim: Number of clothing coefficients; 0: none.

    Returns:
        As many hypotheses as the regressor has, most likely first.

    Raises:
        InputError: if the observation has nothing of what the regressor looks at, or it looks at pixels and there are
            none.
    """
    inputs, view = inputs_from_observation(
        observation, camera, regressor.config.size, photo=regressor.config.sees("photo")
    )
    regressor.check_inputs(inputs)
    prediction = regressor(inputs).ranked()
    told, pelvis = prediction.in_photo_camera(view)
    same = body.name == regressor.config.body
    known = 1.0 if same else 0.0
    turns = torch.eye(3).repeat(len(told), len(body.joint_names), 1, 1)
    for joint, name in enumerate(SMPL_24.joints):
        if name in body.joint_names:
            turns[:, body.joint_names.index(name)] = told[:, joint]
    betas = known * _columns(prediction.betas[0], n_betas)
    variables = Variables.from_parameters(body, BodyParameters(turns, betas, pelvis - body.rest_joints(betas)[:, 0]))
    if clothing_dim:
        variables = variables.with_values({"clothing": known * _columns(prediction.clothing[0], clothing_dim)})
    return RegressorHypotheses(variables, prediction.joint_error[0], prediction.log_likelihood[0])


def _columns(values: Float[Tensor, "h n"], count: int) -> Float[Tensor, "h m"]:
    """The first columns, or zeros after the last one."""
    return pad(values, (0, count - values.shape[1]))
