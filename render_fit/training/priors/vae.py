"""Training of the autoencoder of poses."""

from __future__ import annotations

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.losses.priors.vae import N_JOINTS, PoseVAE, PoseVAEConfig
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training.priors.steps import Watch, build_seeded, train_prior_network

STEPS = 5000
"""About two minutes on one core."""

NOISE_RAD = 0.06
"""Standard deviation of the turns of every joint that the encoder has to see through: the mixture's floor, the noise
level of the motion capture."""

DIVERGENCE = 0.1
"""Weight of the divergence from the standard normal, under 1 as in VPoser: poses come back twice as exactly, and the
latent vectors of the training poses still have a deviation of 1."""


def train_pose_vae(
    bank: PoseBank,
    *,
    config: PoseVAEConfig | None = None,
    steps: int = STEPS,
    batch: int = 256,
    learning_rate: float = 2e-3,
    seed: int = 0,
    watch: Watch | None = None,
) -> PoseVAE:
    """Fits an autoencoder to poses, varied ones among them (`PoseBank.plausible`).

    Args:
        bank: The poses.
        config: The network's size.
        steps: Of AdamW, the rate rising and falling.
        batch: Poses in a step.
        learning_rate: The highest.
        seed: Of everything random.
        watch: Called with the step and its loss, nats.

    Returns:
        The autoencoder.
    """
    generator = torch.Generator().manual_seed(seed)
    vae = build_seeded(lambda: PoseVAE(config), seed)

    def loss() -> Tensor:
        pose = bank.plausible(batch, generator)[:, 1 : 1 + N_JOINTS]
        return negative_bound(vae, pose, generator).mean()

    return train_prior_network(vae, loss, steps, learning_rate, 1e-4, watch)


def negative_bound(vae: PoseVAE, body_pose: Float[Tensor, "b 21 3"], generator: torch.Generator) -> Float[Tensor, "b"]:
    """What the autoencoder is trained to lower: how badly a pose comes back from its latent vector, and what telling
    it takes.

    Args:
        vae: What learns.
        body_pose: (B, 21, 3) axis-angle of joints 1 to 21.
        generator: Source of the noise that the encoder sees, and of latent vectors.

    Returns:
        (B,) nats, up to a constant.

    Source: Kingma & Welling 2014, equation 10; with a weight, Higgins et al. 2017.
    """
    noise = NOISE_RAD * torch.randn(body_pose.shape, generator=generator)
    seen, true = roma.rotvec_to_rotmat(body_pose + noise), roma.rotvec_to_rotmat(body_pose)
    mean, log_std = vae.encode(seen)
    latent = mean + log_std.exp() * torch.randn(mean.shape, generator=generator)
    lost = vae.unlikeness(true, vae.decode(latent)).sum(1) + 1.5 * vae.variance.log().sum()
    told = 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(1)
    return lost + DIVERGENCE * told
