"""Priors trained for a moment: they learn, and a seed repeats them."""

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


def test_real_poses_are_the_banks_or_their_mirror_images_with_loose_hands(bank: PoseBank) -> None:
    drawn = bank.real(40, torch.Generator().manual_seed(0))
    known = torch.cat([bank.pose, mirrored(bank.pose)])[:, :22].flatten(1)
    nearest = torch.cdist(drawn[:, :22].flatten(1), known, compute_mode="donot_use_mm_for_euclid_dist").min(1)
    assert nearest.values.max() < 1e-5
    assert (nearest.indices < len(bank)).any() and (nearest.indices >= len(bank)).any()
    assert 0.1 < drawn[:, 22:].std() < 0.3


def test_half_of_the_plausible_poses_are_varied_ones_that_joints_allow(bank: PoseBank) -> None:
    drawn = bank.plausible(200, torch.Generator().manual_seed(0))
    known = torch.cat([bank.pose, mirrored(bank.pose)])[:, 1:22].flatten(1)
    nearest = torch.cdist(drawn[:, 1:22].flatten(1), known, compute_mode="donot_use_mm_for_euclid_dist").min(1).values
    assert nearest[:100].max() < 1e-5
    assert (nearest[100:] > 0.1).float().mean() > 0.4  # a third of limbs swapped, one in five seated or stooped
    limits = default_joint_limits()
    assert (
        limits(drawn[100:, 1:22]).max()
        <= max(PoseAugmentation().excess, float(limits(bank.pose[:, 1:22]).max())) + 1e-4
    )


def test_the_autoencoder_learns_to_give_poses_back_and_repeats(bank: PoseBank) -> None:
    told: list[float] = []
    options = {"config": SMALL, "steps": 150, "batch": 64}
    vae = train_pose_vae(bank, **options, watch=lambda step, loss: told.append(loss))
    assert len(told) == 150
    assert sum(told[-10:]) < sum(told[:10]) - 100
    again, other = train_pose_vae(bank, **options), train_pose_vae(bank, **options, seed=1)
    pose = bank.pose[:50, 1:22].flatten(1)
    assert torch.equal(vae(pose), again(pose)) and not torch.equal(vae(pose), other(pose))
    assert area_under_curve(vae(pose), vae(torch.randn(50, 63))) > 0.95


def test_training_leaves_the_global_random_state_alone(bank: PoseBank) -> None:
    state = torch.get_rng_state()
    train_pose_vae(bank, config=SMALL, steps=2, batch=4)
    train_adversarial_prior(bank, steps=2, batch=8)
    assert torch.equal(torch.get_rng_state(), state)


def test_discriminators_learn_poses_and_shapes(bank: PoseBank) -> None:
    prior = train_adversarial_prior(bank, config=DiscriminatorConfig(features=8, width=32), steps=300, batch=64)
    generator = torch.Generator().manual_seed(9)
    usual, far = (make(200, 10, generator) for make in (real_shapes, impossible_shapes))
    assert area_under_curve(real_target_loss(prior.judge_shape(usual)), real_target_loss(prior.judge_shape(far))) > 0.9

    real = roma.rotvec_to_rotmat(bank.real(100, generator)[:, 1:])
    assert area_under_curve(prior(real), prior(roma.random_rotmat((100, 23)))) > 0.99


def test_impossible_shapes_are_far_out() -> None:
    betas = impossible_shapes(1000, 10, torch.Generator().manual_seed(0))
    assert (betas.abs().amax(1) > 2.5).float().mean() > 0.95


@pytest.mark.parametrize("train", [train_pose_vae, train_adversarial_prior])
def test_what_was_trained_no_longer_learns(train, bank: PoseBank) -> None:
    assert not any(p.requires_grad for p in train(bank, steps=1, batch=8).parameters())
