"""Priors on shape, size and distance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.losses.fit_state import FitState


@dataclass(frozen=True)
class ShapePrior:
    """Negative log-density of the shape coefficients, a standard normal with a wall.

    Args:
        wall: |β| from which a steeper quadratic is added, so that a coat or an error of the pose
            is not explained by an extreme body shape (|β| > 2.5: 1 in 80 per coefficient).
        steepness: Weight of that quadratic.

    Returns:
        (B,) ½ Σ β² + steepness · Σ max(|β| − wall, 0)².
    """

    skeletal: ClassVar[bool] = True
    of_shape: ClassVar[bool] = True

    wall: float = 2.0
    steepness: float = 10.0

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        betas = state.parameters.betas
        beyond = (betas.abs() - self.wall).clamp(min=0)
        return 0.5 * betas.square().sum(dim=-1) + self.steepness * beyond.square().sum(dim=-1)

    def evidence(self) -> ShapePrior:
        """The normal density alone: nobody is known to be on this side of the wall."""
        return replace(self, steepness=0.0)


def standing_height(body: Body) -> tuple[Float[Tensor, ""], Float[Tensor, "s"]]:
    """Height from sole to crown at rest: of the mean shape, and its change per shape coefficient, metres."""
    rest = body.v_template[:, 1]
    top, sole = rest.argmax(), rest.argmin()
    return rest[top] - rest[sole], body.shapedirs[top, 1] - body.shapedirs[sole, 1]


@dataclass(frozen=True)
class KnownHeight:
    """Penalises the difference to a known standing height, which fixes the scale that a single image leaves open.

    Args:
        height_m: Standing height, metres.
        sigma_m: Standard deviation of the known height, metres.

    Returns:
        (B,) ½ ((height(β) − height_m) / sigma_m)², with the height from sole to crown at rest.
    """

    skeletal: ClassVar[bool] = True
    of_shape: ClassVar[bool] = True

    height_m: float
    sigma_m: float = 0.01

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        mean_m, per_beta_m = standing_height(state.body)
        height = mean_m + state.parameters.betas @ per_beta_m[: state.parameters.betas.shape[-1]]
        return 0.5 * ((height - self.height_m) / self.sigma_m).square()


@dataclass(frozen=True)
class PosePrior:
    """Squared axis-angle of chosen joints: a weak prior towards the zero pose for joints without other evidence.

    Args:
        joints: Names of the body's joints, all but the global one if empty.
    """

    skeletal: ClassVar[bool] = True

    joints: tuple[str, ...] = ()

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        names = state.body.joint_names
        chosen = [i for i, name in enumerate(names) if i > 0 and (not self.joints or name in self.joints)]
        return state.pose_rotvec[:, torch.tensor(chosen)].square().sum(dim=(1, 2))


@dataclass(frozen=True)
class TorsoTilt:
    """Tilt of the torso towards or away from the camera.

    Cameras are mostly level and people mostly upright or lying across the image. Keypoints hardly distinguish a torso
    that leans back by 30° from a slightly shorter one. Tilt within the image plane costs nothing.

    Returns:
        (B,) squared sine of the angle between the torso's axis (pelvis's and chest's up, averaged) and the image plane.
    """

    skeletal: ClassVar[bool] = True

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        names = state.body.joint_names
        pelvis = state.parameters.rotations[:, 0]
        chest = pelvis
        for joint in ("spine1", "spine2", "spine3"):
            chest = chest @ state.parameters.rotations[:, names.index(joint)]
        axis = torch.nn.functional.normalize(pelvis[:, :, 1] + chest[:, :, 1], dim=-1)
        return axis[:, 2].square()
