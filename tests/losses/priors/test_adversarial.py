"""The adversarial prior: what discriminators look at, what they say of usual and broken bodies, and their files."""

from importlib import resources
from pathlib import Path

import pytest
import roma
import torch
from safetensors import safe_open

from render_fit.core.errors import InputError
from render_fit.evaluation.pose_priors import area_under_curve
from render_fit.losses.priors import PoseShapeDiscriminators, default_pose_prior, load_adversarial_prior
from render_fit.losses.priors.adversarial import DiscriminatorConfig, fake_target_loss, real_target_loss
from render_fit.synthesis import everyday_pose

ASSET = Path(str(resources.files("render_fit.losses.priors") / "assets" / "pose_adversarial.safetensors"))


def turns(pose: torch.Tensor) -> torch.Tensor:
    return roma.rotvec_to_rotmat(pose[:, 1:])


def test_asset_is_small_and_credits_its_source() -> None:
    assert ASSET.stat().st_size < 1_000_000
    with safe_open(ASSET, framework="pt") as file:
        credit = file.metadata()["credit"]
    assert "mocap.cs.cmu.edu" in credit and "EIA-0196217" in credit


def test_each_joint_has_a_verdict_of_its_own() -> None:
    prior, pose = load_adversarial_prior(), everyday_pose("walking")[None]
    assert prior.score(turns(pose), torch.zeros(1, 10)).shape == (1, 25)
    bent = pose.clone()
    bent[0, 4] = torch.tensor([-1.2, 0.0, 0.0])  # the left knee, backwards
    before, after = prior.pose_score(turns(pose))[0], prior.pose_score(turns(bent))[0]
    changed = (before - after).abs() > 1e-6
    assert changed.nonzero()[:, 0].tolist() == [3, 23]  # itself, and the discriminator that sees all joints
    assert after[3] < before[3] - 0.3 and after[23] < before[23]


def test_usual_bodies_look_more_real_than_broken_ones() -> None:
    prior = load_adversarial_prior()
    usual = torch.zeros(200, 24, 3)
    usual[:, 1:22] = default_pose_prior().sample(200, torch.Generator().manual_seed(0)).view(-1, 21, 3)
    assert area_under_curve(prior(turns(usual)), prior(turns(0.7 * torch.randn(200, 24, 3)))) > 0.99
    shape = real_target_loss(
        prior.shape_score(torch.tensor([[0.0] * 10, [1.0, -1.0] * 5, [5.0] + [0.0] * 9, [3.0, -3.0] * 5]))
    )
    assert shape[:2].max() < 0.2 and shape[2:].min() > 2 * shape[:2].max()


def test_least_squares() -> None:
    verdicts = torch.tensor([[1.0, 1.0], [0.0, 0.5]])
    assert real_target_loss(verdicts).tolist() == [0.0, 1.25]
    assert fake_target_loss(verdicts).tolist() == [2.0, 0.25]


def test_gradients_are_right() -> None:
    prior = PoseShapeDiscriminators(DiscriminatorConfig(features=4, width=8)).double()
    pose = torch.randn(2, 23, 3, 3, dtype=torch.float64, requires_grad=True)
    betas = torch.randn(2, 10, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, b: real_target_loss(prior.score(p, b)), (pose, betas))


def test_written_and_read_again(tmp_path: Path) -> None:
    prior = PoseShapeDiscriminators(DiscriminatorConfig(features=4, width=8))
    prior.save(tmp_path / "own.safetensors", "made up")
    again = load_adversarial_prior(str(tmp_path / "own.safetensors"))
    pose, betas = roma.random_rotmat((3, 23)), torch.randn(3, 10)
    torch.testing.assert_close(again.score(pose, betas), prior.score(pose, betas).detach(), rtol=1e-2, atol=1e-2)
    with pytest.raises(InputError, match="not an adversarial prior"):
        PoseShapeDiscriminators.from_file(ASSET.with_name("pose_vae.safetensors"))
