"""The autoencoder of poses: rotations come back, usual poses are near the middle, files that are none are named."""

from importlib import resources
from pathlib import Path

import pytest
import roma
import torch
from safetensors import safe_open

from render_fit.core.errors import InputError
from render_fit.losses.priors import PoseVAE, default_joint_limits, default_pose_prior, load_pose_vae
from render_fit.losses.priors.vae import FLOOR_RAD, PoseVAEConfig
from render_fit.synthesis import everyday_pose
from render_fit.synthesis.poses.bank import mirrored

ASSET = Path(str(resources.files("render_fit.losses.priors") / "assets" / "pose_vae.safetensors"))
EVERYDAY = ("standing", "attention", "a_pose", "relaxed_weight_on_one_leg", "walking", "striding", "waving", "lunge")


def everyday() -> torch.Tensor:
    return torch.stack([everyday_pose(name) for name in EVERYDAY])


def body(pose: torch.Tensor) -> torch.Tensor:
    return pose[:, 1:22].flatten(1)


def angles_deg(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return torch.rad2deg(roma.rotmat_geodesic_distance(first, second))


def test_asset_is_small_and_credits_its_source() -> None:
    assert ASSET.stat().st_size < 1_500_000
    with safe_open(ASSET, framework="pt") as file:
        credit = file.metadata()["credit"]
    assert "mocap.cs.cmu.edu" in credit and "EIA-0196217" in credit


def test_poses_come_back() -> None:
    """Mean angles measured on poses written by hand and on the mixture's samples: 5.9 and 5.9 degrees, where the pose
    in the middle is 20 away."""
    vae = load_pose_vae()
    for poses in (body(everyday()), default_pose_prior().sample(200, torch.Generator())):
        turns = roma.rotvec_to_rotmat(poses.view(-1, 21, 3))
        lost = angles_deg(turns, vae.decode(vae.encode(turns).mean)).mean()
        middle = angles_deg(turns, vae.decode(torch.zeros(1, 32)).expand_as(turns)).mean()
        assert lost < 10.0 and lost < 0.5 * middle


def test_what_the_decoder_gives_are_rotations() -> None:
    turns = load_pose_vae().decode(3 * torch.randn(50, 32))
    torch.testing.assert_close(turns @ turns.mT, torch.eye(3).expand_as(turns), atol=1e-5, rtol=0)
    assert (torch.linalg.det(turns) > 0.99).all()


def test_samples_are_poses_that_joints_allow_and_repeat() -> None:
    vae = load_pose_vae()
    drawn = vae.sample(300, torch.Generator().manual_seed(1))
    assert torch.equal(drawn, vae.sample(300, torch.Generator().manual_seed(1)))
    limits = default_joint_limits()
    assert float((limits(drawn) < 0.1).float().mean()) > 0.95
    assert float((limits(0.5 * torch.randn(300, 63)) < 0.1).float().mean()) < 0.05
    assert drawn.std(0).max() > 0.3  # and not all the same


def test_usual_poses_cost_less_than_broken_ones() -> None:
    vae, poses = load_pose_vae(), everyday()
    usual = vae(body(poses))
    for joint, degrees in ((18, (0.0, 70.0, 0.0)), (4, (-70.0, 0.0, 0.0)), (15, (0.0, 120.0, 0.0))):
        broken = poses.clone()
        broken[:, joint] = torch.deg2rad(torch.tensor(degrees))
        assert (vae(body(broken)) > usual + 5).all(), joint
    assert vae(torch.randn(50, 63)).min() > usual.max()


def test_left_and_right_are_nearly_alike() -> None:
    vae, poses = load_pose_vae(), everyday()
    torch.testing.assert_close(vae(body(mirrored(poses))), vae(body(poses)), rtol=0.6, atol=10.0)


def test_energy_is_latent_length_and_what_is_lost() -> None:
    """By hand: with a decoder that says the zero pose and an encoder that says a constant, only those two are left."""
    vae = PoseVAE(PoseVAEConfig(latent=2, width=4)).requires_grad_(False)
    with torch.no_grad():
        for layer in (vae.encoder[-1], vae.decoder[-1]):
            layer.weight.zero_()
            layer.bias.zero_()
        vae.encoder[-1].bias[:2] = torch.tensor([3.0, 4.0])
        vae.log_noise.fill_(-30.0)
    pose = torch.zeros(1, 63)
    assert float(vae(pose)) == pytest.approx(12.5, abs=1e-5)
    pose[0, 5] = 0.012
    assert float(vae(pose)) == pytest.approx(12.5 + 0.5 * (0.012 / FLOOR_RAD) ** 2, rel=1e-3)


def test_gradients_are_right_and_finite() -> None:
    vae = PoseVAE(PoseVAEConfig(latent=3, width=8)).double()
    pose = (0.3 * torch.randn(2, 63, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(vae, (pose,), atol=1e-5)
    latent = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(vae.decode, (latent,), atol=1e-5)
    for value in (0.0, 3.14159265, 30.0):
        start = torch.full((1, 63), value, requires_grad=True)
        (gradient,) = torch.autograd.grad(load_pose_vae()(start).sum(), start)
        assert gradient.isfinite().all()


def test_images_do_not_couple() -> None:
    vae, poses = load_pose_vae(), body(everyday())
    torch.testing.assert_close(vae(poses), torch.cat([vae(pose[None]) for pose in poses]), rtol=1e-4, atol=1e-4)


def test_written_and_read_again(tmp_path: Path) -> None:
    vae = PoseVAE(PoseVAEConfig(latent=3, width=8))
    vae.save(tmp_path / "own.safetensors", "made up")
    again = load_pose_vae(str(tmp_path / "own.safetensors"))
    assert again.config == vae.config
    pose = 0.3 * torch.randn(4, 63)
    torch.testing.assert_close(again(pose), vae(pose).detach(), rtol=2e-2, atol=1e-2)  # float16 has 11 bits
    assert [path.name for path in tmp_path.iterdir()] == ["own.safetensors"]


def test_files_that_are_no_autoencoder_are_named(tmp_path: Path) -> None:
    other = ASSET.with_name("pose_adversarial.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(ASSET.read_bytes()[:1000])
    for path, says in (
        (tmp_path / "missing.safetensors", "no such file"),
        (tmp_path / "cut.safetensors", "cut off"),
        (other, "not an autoencoder of poses"),
    ):
        with pytest.raises(InputError, match=says):
            PoseVAE.from_file(path)
