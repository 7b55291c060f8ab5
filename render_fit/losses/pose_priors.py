"""The pose priors as terms: which rotations of a scene they look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from render_fit.losses.priors.gmm import GaussianMixturePrior, default_pose_prior
from render_fit.losses.priors.joint_limits import JointLimits, default_joint_limits
from render_fit.losses.term import Scene

BODY_JOINTS = slice(1, 22)
"""SMPL's 21 joints between pelvis and hands, which SMPL, SMPL-H and SMPL-X share."""


@dataclass(frozen=True)
class PoseMixture:
    """Negative log-density of the body pose under a Gaussian mixture.

    Args:
        path: ``default`` for the shipped mixture, or a file of one (``.npz``, SMPLify's ``gmm_08.pkl``).

    Returns:
        (B,) nats above the best mode.
    """

    skeletal: ClassVar[bool] = True

    path: str = "default"

    def __call__(self, scene: Scene) -> Float[Tensor, "b"]:
        return _mixture(self.path)(scene.pose_rotvec[:, BODY_JOINTS].flatten(1))


@dataclass(frozen=True)
class PoseLimits:
    """Penalty on joints outside the range that people's joints have."""

    skeletal: ClassVar[bool] = True

    def __call__(self, scene: Scene) -> Float[Tensor, "b"]:
        return _limits()(scene.pose_rotvec[:, BODY_JOINTS])


@lru_cache(maxsize=4)
def _mixture(path: str) -> GaussianMixturePrior:
    return default_pose_prior() if path == "default" else GaussianMixturePrior.from_file(path)


@lru_cache(maxsize=1)
def _limits() -> JointLimits:
    return default_joint_limits()
