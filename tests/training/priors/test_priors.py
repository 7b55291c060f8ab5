"""Short trainings of priors: the loss decreases, and a seed makes them repeatable."""

import pytest
import roma
import torch

from render_fit.evaluation.pose_priors import area_under_curve
from render_fit.losses.priors import default_joint_limits
from render_fit.losses.priors.adversarial import DiscriminatorConfig, real_target_loss
from render_fit.losses.priors.vae import PoseVAEConfig
from render_fit.synthesis.poses.bank import PoseAugmentation, PoseBank, mirrored
from render_fit.training.priors.discriminators import impossible_shapes, real_shapes, train_adversarial_prior
from render_fit.training.priors.vae import train_pose_vae

SMALL = PoseVAEConfig(latent=8, width=32)


def test_real_poses_are_those_of_the_bank_or_mirrored_with_random_hands(bank: PoseBank) -> None:
    drawn = bank.sample_real(40, torch.Generator().manual_seed(0))
    known = torch.cat([bank.pose, mirrored(bank.pose)])[:, :22].flatten(1)
    nearest = torch.cdist(drawn[:, :22].flatten(1), known, compute_mode="donot_use_mm_for_euclid_dist").min(1)
    assert nearest.values.max() < 1e-5
    assert (nearest.indices < len(bank)).any() and (nearest.indices >= len(bank)).any()
    assert 0.1 < drawn[:, 22:].std() < 0.3


def test_half_of_the_plausible_poses_are_augmented_within_joint_limits(bank: PoseBank) -> None:
    drawn = bank.sample_plausible(200, torch.Generator().manual_seed(0))
    known = torch.cat([bank.pose, mirrored(bank.pose)])[:, 1:22].flatten(1)
    nearest = torch.cdist(drawn[:, 1:22].flatten(1), known, compute_mode="donot_use_mm_for_euclid_dist").min(1).values
    assert nearest[:100].max() < 1e-5
    assert (nearest[100:] > 0.1).float().mean() > 0.4  # a third of limbs swapped, one in five seated or stooped
    limits = default_joint_limits()
    assert (
        limits(drawn[100:, 1:22]).max()
        <= max(PoseAugmentation().limit_penalty, float(limits(bank.pose[:, 1:22]).max())) + 1e-4
    )


def test_the_autoencoder_learns_to_reconstruct_poses_and_is_repeatable(bank: PoseBank) -> None:
    losses: list[float] = []
    options = {"config": SMALL, "steps": 150, "batch": 64}
    vae = train_pose_vae(bank, **options, on_step=lambda step, loss: losses.append(loss))
    assert len(losses) == 150
    assert sum(losses[-10:]) < sum(losses[:10]) - 100
    again, other = train_pose_vae(bank, **options), train_pose_vae(bank, **options, seed=1)
    pose = bank.pose[:50, 1:22].flatten(1)
    assert torch.equal(vae(pose), again(pose)) and not torch.equal(vae(pose), other(pose))
    assert area_under_curve(vae(pose), vae(torch.randn(50, 63))) > 0.95


def test_training_does_not_change_the_global_random_state(bank: PoseBank) -> None:
    state = torch.get_rng_state()
    train_pose_vae(bank, config=SMALL, steps=2, batch=4)
    train_adversarial_prior(bank, steps=2, batch=8)
    assert torch.equal(torch.get_rng_state(), state)


def test_discriminators_learn_poses_and_shapes(bank: PoseBank) -> None:
    prior = train_adversarial_prior(bank, config=DiscriminatorConfig(features=8, width=32), steps=300, batch=64)
    generator = torch.Generator().manual_seed(9)
    usual, far = (make(200, 10, generator) for make in (real_shapes, impossible_shapes))
    assert area_under_curve(real_target_loss(prior.shape_score(usual)), real_target_loss(prior.shape_score(far))) > 0.9

    real = roma.rotvec_to_rotmat(bank.sample_real(100, generator)[:, 1:])
    assert area_under_curve(prior(real), prior(roma.random_rotmat((100, 23)))) > 0.99


def test_impossible_shapes_are_far_out() -> None:
    betas = impossible_shapes(1000, 10, torch.Generator().manual_seed(0))
    assert (betas.abs().amax(1) > 2.5).float().mean() > 0.95


@pytest.mark.parametrize("train", [train_pose_vae, train_adversarial_prior])
def test_trained_priors_have_no_gradients(train, bank: PoseBank) -> None:
    assert not any(p.requires_grad for p in train(bank, steps=1, batch=8).parameters())
