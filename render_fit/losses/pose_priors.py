"""Priors on pose and shape as terms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from render_fit.core.fingerprints import Identity, file_identity
from render_fit.losses.fit_state import FitState
from render_fit.losses.priors.adversarial import load_adversarial_prior, real_target_loss
from render_fit.losses.priors.gmm import GaussianMixturePrior, default_pose_prior
from render_fit.losses.priors.joint_limits import default_joint_limits, hinge_penalty
from render_fit.losses.priors.vae import load_pose_vae

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

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        return _mixture(self.path, file_identity(self.path))(state.pose_rotvec[:, BODY_JOINTS].flatten(1))


@dataclass(frozen=True)
class PoseLimits:
    """Penalty on joints outside their range of motion."""

    skeletal: ClassVar[bool] = True

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        return default_joint_limits()(state.pose_rotvec[:, BODY_JOINTS])


@dataclass(frozen=True)
class PoseHinges:
    """SMPLify's penalty on elbows and knees that bend backwards, exponential in the angle (see `hinge_penalty`)."""

    skeletal: ClassVar[bool] = True

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        return hinge_penalty(state.pose_rotvec[:, BODY_JOINTS])


@dataclass(frozen=True)
class PoseAutoencoder:
    """Energy of the body pose under an autoencoder of real poses: latent norm and reconstruction error.

    Args:
        path: ``default`` for the shipped one, or a file that ``render-fit prior train vae`` wrote.

    Returns:
        (B,) nats.
    """

    skeletal: ClassVar[bool] = True

    path: str = "default"

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        return load_pose_vae(self.path)(state.pose_rotvec[:, BODY_JOINTS].flatten(1))


@dataclass(frozen=True)
class PoseLatent:
    """Negative log-density of the pose's latent vector, a standard normal: SMPLify-X's prior.

    In stages that free ``latent`` it is the vector that the pose was decoded from, else the mean of the encoder.

    Args:
        path: ``default`` for the shipped autoencoder, or a file that ``render-fit prior train vae`` wrote.

    Returns:
        (B,) ½ |z|², nats.

    Source: Pavlakos et al. 2019, equation 1, E_θb.
    """

    skeletal: ClassVar[bool] = True

    path: str = "default"

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        latent = state.latent
        if latent is None:
            latent = load_pose_vae(self.path).encode(state.parameters.rotations[:, BODY_JOINTS]).mean
        return 0.5 * latent.square().sum(dim=1)


@dataclass(frozen=True)
class PoseAdversarial:
    """Least-squares adversarial loss of the pose: a discriminator per joint, and one of all joints.

    Args:
        path: ``default`` for the shipped ones, or a file that ``render-fit prior train adversarial`` wrote.

    Returns:
        (B,) (D − 1)², the mean over joints plus that of all joints together.
    """

    skeletal: ClassVar[bool] = True

    path: str = "default"

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        prior = load_adversarial_prior(self.path)
        return prior(state.parameters.rotations[:, 1 : 1 + prior.config.n_joints])


@dataclass(frozen=True)
class ShapeAdversarial:
    """Least-squares adversarial loss of the shape.

    Args:
        path: ``default`` for the shipped one, or a file that ``render-fit prior train adversarial`` wrote.

    Returns:
        (B,) (D − 1)².
    """

    skeletal: ClassVar[bool] = True
    of_shape: ClassVar[bool] = True

    path: str = "default"

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        prior, betas = load_adversarial_prior(self.path), state.parameters.betas
        known = prior.config.n_betas
        return real_target_loss(prior.shape_score(pad(betas[:, :known], (0, max(0, known - betas.shape[1])))))


@lru_cache(maxsize=4)
def _mixture(path: str, _: Identity) -> GaussianMixturePrior:
    return default_pose_prior() if path == "default" else GaussianMixturePrior.from_file(path)
