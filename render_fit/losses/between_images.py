"""Terms between the images of one person: a pose that is held, and a motion without jitter and sliding feet.

Such a term sees all images at once and returns one value for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.registry import Registry
from render_fit.core.rotations import roma
from render_fit.core.skeletons import SMPL_24
from render_fit.losses.parameters import standing_height

HANDS = ("left_wrist", "right_wrist", "left_hand", "right_hand")
"""Joints whose rotation hardly any image shows."""

FEET = ("left_ankle", "right_ankle", "left_foot", "right_foot")
"""Joints that stand still while they carry the person."""


@dataclass(frozen=True)
class ImagesOfOne:
    """All images of one person, in their order.

    Attributes:
        body: Body model.
        parameters: N bodies, camera coordinates, without clothing.
        pose_rotvec: (N, J, 3) axis-angle, radians; zeros for the global rotation.
        seconds: (N,) time of each image; None if they are no video.
    """

    body: Body
    parameters: BodyParameters
    pose_rotvec: Float[Tensor, "n j 3"]
    seconds: Float[Tensor, "n"] | None = None

    @cached_property
    def joints(self) -> Float[Tensor, "n 24 3"]:
        """SMPL's joints, camera coordinates, metres."""
        return self.body.keypoints(self.parameters, SMPL_24)

    @cached_property
    def joints_at_mean_size(self) -> Float[Tensor, "n 24 3"]:
        """``joints`` of a body that is scaled, with its distance, to the stature of the mean shape, metres.

        Images hardly tell a small person nearby from a tall one further away. In metres the small one moves less, so
        that what costs motion would pull the person towards the camera.
        """
        height_m, per_beta_m = standing_height(self.body)
        betas = self.parameters.betas
        size = 1 + betas @ per_beta_m[: betas.shape[-1]] / height_m
        return self.joints / size[:, None, None]


@runtime_checkable
class BetweenTerm(Protocol):
    """A term between images.

    Optional attributes: ``requires_time: ClassVar[bool]``, True for one that makes sense in a video only, and
    ``requires_still_camera``, for one that takes the camera for standing still.
    """

    def __call__(self, images: ImagesOfOne) -> Float[Tensor, ""]: ...


@dataclass(frozen=True)
class HeldPose:
    """Spread of the poses about their mean: of a person who turns, or is photographed from all sides, in one pose.

    Args:
        sigma: Standard deviation of a joint's rotation from its mean, radians per axis.

    Returns:
        ½ Σ over images and joints of ‖pose − mean pose‖² / sigma², without hands.
    """

    sigma: float = 0.1

    def __call__(self, images: ImagesOfOne) -> Float[Tensor, ""]:
        joints = [i for i, name in enumerate(images.body.joint_names) if i > 0 and name not in HANDS]
        pose = images.pose_rotvec[:, joints]
        return 0.5 * ((pose - pose.mean(dim=0)) / self.sigma).square().sum()


@dataclass(frozen=True)
class SmoothMotion:
    """Accelerations of the joints, and of the rotations of the limbs, between three frames in a row.

    The usual accelerations are set by hand.

    Large accelerations cost less than their square (Charbonnier's penalty), so that a jump stays a jump.

    Args:
        joint_m_s2: Usual acceleration of a joint of a person of mean stature, m/s².
        rotation_rad_s2: Usual acceleration of a joint's rotation, rad/s².

    Returns:
        Σ over frames and joints of √(1 + ‖a / usual‖²) − 1.
    """

    requires_time: ClassVar[bool] = True

    joint_m_s2: float = 8.0
    rotation_rad_s2: float = 80.0

    def __call__(self, images: ImagesOfOne) -> Float[Tensor, ""]:
        if images.seconds is None or len(images.seconds) < 3:
            return images.pose_rotvec.new_zeros(())
        orient = images.parameters.rotations[:, 0]
        turns = roma.rotmat_to_rotvec(orient[1:] @ orient[:-1].mT)
        joints = _accelerations(images.joints_at_mean_size, images.seconds) / self.joint_m_s2
        poses = _accelerations(images.pose_rotvec[:, 1:], images.seconds) / self.rotation_rad_s2
        whole = _changes(turns, images.seconds)[:, None] / self.rotation_rad_s2
        return _charbonnier(joints) + _charbonnier(poses) + _charbonnier(whole)


@dataclass(frozen=True)
class StandingFeet:
    """Slow motion of the feet, which stand still or move: for a camera that stands still.

    Both speeds are set by hand, for a person of mean stature.

    Args:
        sigma_m_s: Speed that errors of the fit give a standing foot, m/s.
        moving_m_s: Speed from which on a foot is taken to move, m/s.

    Returns:
        Σ over pairs of frames and joints of the feet of ½ (moving / sigma)² (1 − exp(−(speed / moving)²)) (Welsch's
        penalty: quadratic for a standing foot, constant for a moving one).
    """

    requires_time: ClassVar[bool] = True
    requires_still_camera: ClassVar[bool] = True

    sigma_m_s: float = 0.15
    moving_m_s: float = 0.4

    def __call__(self, images: ImagesOfOne) -> Float[Tensor, ""]:
        if images.seconds is None or len(images.seconds) < 2:
            return images.pose_rotvec.new_zeros(())
        feet = images.joints_at_mean_size[:, [SMPL_24.index(name) for name in FEET]]
        steps = (images.seconds[1:] - images.seconds[:-1])[:, None, None]
        squared = ((feet[1:] - feet[:-1]) / steps).square().sum(dim=-1)
        share = 1 - (-squared / self.moving_m_s**2).exp()
        return 0.5 * (self.moving_m_s / self.sigma_m_s) ** 2 * share.sum()


BETWEEN: Registry[BetweenTerm] = Registry(
    "term between images",
    "render_fit.between_terms",
    {"held_pose": HeldPose, "smooth_motion": SmoothMotion, "standing_feet": StandingFeet},
)
"""Terms between images, by the names that recipes use."""


def make_between_term(name: str, options: Mapping[str, Any] | None = None) -> BetweenTerm:
    """Makes a term by name.

    Raises:
        InputError: if the term or one of its options is not known.
    """
    return BETWEEN.make(name, options)


def _accelerations(values: Float[Tensor, "n k 3"], seconds: Float[Tensor, "n"]) -> Float[Tensor, "m k 3"]:
    """Second derivative in time between three frames in a row, which need not be equally far apart."""
    steps = (seconds[1:] - seconds[:-1])[:, None, None]
    speeds = (values[1:] - values[:-1]) / steps
    return 2 * (speeds[1:] - speeds[:-1]) / (steps[1:] + steps[:-1])


def _changes(turns: Float[Tensor, "n 3"], seconds: Float[Tensor, "_"]) -> Float[Tensor, "m 3"]:
    """Change of the angular velocity, from the turns between frames."""
    steps = (seconds[1:] - seconds[:-1])[:, None]
    speeds = turns / steps
    return 2 * (speeds[1:] - speeds[:-1]) / (steps[1:] + steps[:-1])


def _charbonnier(scaled: Float[Tensor, "m k 3"]) -> Float[Tensor, ""]:
    return ((1 + scaled.square().sum(dim=-1)).sqrt() - 1).sum()
