"""Training of the adversarial prior alone, against implausible poses and shapes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.rotations import roma
from render_fit.losses.priors.adversarial import (
    DiscriminatorConfig,
    PoseShapeDiscriminators,
    fake_target_loss,
    real_target_loss,
)
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.synthesis.poses.implausible import implausible_poses
from render_fit.training.priors.steps import OnStep, build_seeded, train_prior_network

STEPS = 4000
"""About a minute on one core."""

NOISE_RAD = 0.03
"""Standard deviation of the rotation noise of every joint, in real and implausible poses: motion-capture noise."""


def train_adversarial_prior(
    bank: PoseBank,
    *,
    config: DiscriminatorConfig | None = None,
    steps: int = STEPS,
    batch: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> PoseShapeDiscriminators:
    """Trains discriminators to separate plausible from implausible poses and shapes.

    Args:
        bank: Real poses, of SMPL's 24 joints.
        config: Sizes of the networks.
        steps: Number of steps.
        batch: Real poses in a step, and as many implausible ones.
        learning_rate: Largest learning rate.
        seed: Random seed.
        on_step: Called with the step and its loss.

    Returns:
        The discriminators.
    """
    generator = torch.Generator().manual_seed(seed)
    prior = build_seeded(lambda: PoseShapeDiscriminators(config), seed)

    def loss() -> Tensor:
        real = _rotations(bank.sample_plausible(batch, generator), generator)
        fake = _rotations(implausible_poses(bank.sample_plausible(batch, generator), generator), generator)
        shapes = real_shapes(batch, prior.config.n_betas, generator)
        others = impossible_shapes(batch, prior.config.n_betas, generator)
        return (real_target_loss(prior.score(real, shapes)) + fake_target_loss(prior.score(fake, others))).mean()

    return train_prior_network(prior, loss, steps, learning_rate, 1e-3, on_step)


def real_shapes(count: int, n_betas: int, generator: torch.Generator) -> Float[Tensor, "n s"]:
    """Plausible shapes: the body's coefficients are standard normal over real adults."""
    return torch.randn(count, n_betas, generator=generator)


def impossible_shapes(count: int, n_betas: int, generator: torch.Generator) -> Float[Tensor, "n s"]:
    """Implausible shapes: all coefficients 2 to 4 times too large, or one to three of them between ±3 and ±6."""
    usual = torch.randn(count, n_betas, generator=generator)
    large = (2 + 2 * torch.rand(count, 1, generator=generator)) * usual
    few = torch.rand(count, n_betas, generator=generator).argsort(1).argsort(1)
    few = few < torch.randint(1, 4, (count, 1), generator=generator)
    far = (3 + 3 * torch.rand(count, n_betas, generator=generator)) * usual.sign()
    return torch.where(torch.rand(count, 1, generator=generator) < 0.5, large, torch.where(few, far, usual))


def _rotations(pose: Float[Tensor, "n 24 3"], generator: torch.Generator) -> Float[Tensor, "n 23 3 3"]:
    """Rotations of all joints but the pelvis, with noise."""
    noise = NOISE_RAD * torch.randn(pose.shape, generator=generator)
    return roma.rotvec_to_rotmat((pose + noise)[:, 1:])
