"""Training of the pose autoencoder."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.rotations import roma
from render_fit.losses.priors.vae import N_JOINTS, PoseVAE, PoseVAEConfig
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training.priors.steps import OnStep, build_seeded, train_prior_network

STEPS = 5000
"""About two minutes on one core."""

NOISE_RAD = 0.06
"""Standard deviation of the rotation noise of every joint in the encoder's input, radians: the noise level of the
motion capture, and the floor of the mixture's covariances."""

DIVERGENCE = 0.1
"""Weight of the divergence from the standard normal, below 1 as in VPoser: reconstruction errors are half as large, and
the latent vectors of the training poses still have a standard deviation near 1."""


def train_pose_vae(
    bank: PoseBank,
    *,
    config: PoseVAEConfig | None = None,
    steps: int = STEPS,
    batch: int = 256,
    learning_rate: float = 2e-3,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> PoseVAE:
    """Trains an autoencoder on plausible poses of a bank (`PoseBank.sample_plausible`).

    Args:
        bank: Poses.
        config: Sizes of the network.
        steps: Number of steps.
        batch: Poses in a step.
        learning_rate: Largest learning rate.
        seed: Random seed.
        on_step: Called with the step and its loss, nats.

    Returns:
        The autoencoder.
    """
    generator = torch.Generator().manual_seed(seed)
    vae = build_seeded(lambda: PoseVAE(config), seed)

    def loss() -> Tensor:
        pose = bank.sample_plausible(batch, generator)[:, 1 : 1 + N_JOINTS]
        return negative_bound(vae, pose, generator).mean()

    return train_prior_network(vae, loss, steps, learning_rate, 1e-4, on_step)


def negative_bound(vae: PoseVAE, body_pose: Float[Tensor, "b 21 3"], generator: torch.Generator) -> Float[Tensor, "b"]:
    """Negative evidence lower bound: reconstruction loss of a pose, and divergence of its latent vector.

    Args:
        vae: Autoencoder.
        body_pose: (B, 21, 3) axis-angle of joints 1 to 21.
        generator: Source of the encoder's input noise and of the latent vectors.

    Returns:
        (B,) nats, up to a constant.

    Source: Kingma & Welling 2014, equation 10; with a weight, Higgins et al. 2017.
    """
    noise = NOISE_RAD * torch.randn(body_pose.shape, generator=generator)
    noisy, true = roma.rotvec_to_rotmat(body_pose + noise), roma.rotvec_to_rotmat(body_pose)
    mean, log_std = vae.encode(noisy)
    latent = mean + log_std.exp() * torch.randn(mean.shape, generator=generator)
    reconstruction = vae.unlikeness(true, vae.decode(latent)).sum(1) + 1.5 * vae.variance.log().sum()
    divergence = 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(1)
    return reconstruction + DIVERGENCE * divergence
