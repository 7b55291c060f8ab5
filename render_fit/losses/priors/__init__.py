"""Priors on body pose: a mixture of Gaussians, an autoencoder, discriminators, and limits of joints."""

from render_fit.losses.priors.adversarial import AdversarialPrior, adversarial_prior_named
from render_fit.losses.priors.gmm import GaussianMixturePrior, default_pose_prior
from render_fit.losses.priors.joint_limits import JointLimits, default_joint_limits, hinge_penalty
from render_fit.losses.priors.vae import PoseVAE, pose_vae_named

__all__ = [
    "AdversarialPrior",
    "GaussianMixturePrior",
    "JointLimits",
    "PoseVAE",
    "adversarial_prior_named",
    "default_joint_limits",
    "default_pose_prior",
    "hinge_penalty",
    "pose_vae_named",
]
