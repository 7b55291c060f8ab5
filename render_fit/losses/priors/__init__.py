"""Priors on body pose: a Gaussian mixture over real poses, and limits of joints."""

from render_fit.losses.priors.gmm import GaussianMixturePrior, default_pose_prior
from render_fit.losses.priors.joint_limits import JointLimits, default_joint_limits, hinge_penalty

__all__ = ["GaussianMixturePrior", "JointLimits", "default_joint_limits", "default_pose_prior", "hinge_penalty"]
