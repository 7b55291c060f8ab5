"""Priors on body pose: Gaussian mixture, autoencoder, discriminators, joint limits."""

from render_fit.losses.priors.adversarial import PoseShapeDiscriminators, load_adversarial_prior
from render_fit.losses.priors.gmm import GaussianMixturePrior, default_pose_prior
from render_fit.losses.priors.joint_limits import JointLimits, default_joint_limits, hinge_penalty
from render_fit.losses.priors.vae import PoseVAE, load_pose_vae

__all__ = [
    "PoseShapeDiscriminators",
    "GaussianMixturePrior",
    "JointLimits",
    "PoseVAE",
    "load_adversarial_prior",
    "default_joint_limits",
    "default_pose_prior",
    "hinge_penalty",
    "load_pose_vae",
]
