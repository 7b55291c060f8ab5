"""Kinds of implausible poses, and how well the shipped priors separate them from poses of held-out subjects."""

import pytest
import torch

from render_fit.datasets.mocap import load_poses
from render_fit.evaluation.pose_priors import area_under_curve, pose_energies, separation
from render_fit.losses.priors import default_joint_limits
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.synthesis.poses.implausible import HELD_OUT, SEEN_IN_TRAINING, implausible_poses

MADE = SEEN_IN_TRAINING | HELD_OUT


@pytest.fixture(scope="module")
def pose() -> torch.Tensor:
    """Poses of the mixture that ships: they need no data."""
    return PoseBank.from_prior(300, seed=3).pose


def test_area_under_the_curve_by_hand() -> None:
    low = torch.tensor([0.0, 1.0, 2.0])
    assert area_under_curve(low, torch.tensor([3.0, 4.0])) == 1.0
    assert area_under_curve(low, torch.tensor([-1.0])) == 0.0
    assert area_under_curve(low, torch.tensor([1.0])) == pytest.approx(0.5)  # above one, tied with one
    assert area_under_curve(low, low) == pytest.approx(0.5)


@pytest.mark.parametrize("kind", MADE)
def test_implausible_poses_are_repeatable_and_leave_their_input_unchanged(kind: str, pose: torch.Tensor) -> None:
    before = pose.clone()
    made, again = (MADE[kind](pose, torch.Generator().manual_seed(1)) for _ in range(2))
    assert made.shape == pose.shape and made.isfinite().all()
    assert torch.equal(made, again) and torch.equal(pose, before)
    assert ((made - pose).abs().amax((1, 2)) > 0.01).float().mean() > 0.95


def test_over_bent_poses_exceed_joint_limits(pose: torch.Tensor) -> None:
    limits, generator = default_joint_limits(), torch.Generator().manual_seed(0)
    for kind in ("over-bent", "hinge backwards"):
        assert (limits(MADE[kind](pose, generator)[:, 1:22]) > 0.05).float().mean() > 0.9, kind


def test_each_mixed_joint_is_that_of_a_real_pose(pose: torch.Tensor) -> None:
    made = SEEN_IN_TRAINING["mixed joints"](pose, torch.Generator().manual_seed(0))
    for joint in (1, 9, 18):
        assert (made[:, None, joint] == pose[None, :, joint]).all(-1).any(1).all()
    assert torch.cdist(made[:, 1:22].flatten(1), pose[:, 1:22].flatten(1)).min() > 0.1


def test_implausible_poses_contain_all_kinds(pose: torch.Tensor) -> None:
    assert implausible_poses(pose[:10], torch.Generator().manual_seed(0)).shape == (10, 24, 3)


@pytest.mark.parametrize("name", ["pose_vae", "pose_adversarial"])
def test_poses_of_the_mixture_have_lower_energy_than_implausible_ones(name: str, pose: torch.Tensor) -> None:
    """Samples of the mixture are harder to separate than real poses of held-out subjects (docs/pose_prior.md)."""
    result = separation(pose_energies()[name], pose)
    assert result.auc["random"] > 0.99
    assert result.auc["over-bent"] > 0.9
    assert result.auc["exaggerated"] > 0.85


# Measured with `render-fit prior compare` (docs/pose_prior.md), less 0.02.
HELD_OUT = {
    "pose_vae": {
        "random": 0.98,
        "mixed joints": 0.954,
        "zero mean": 0.933,
        "over-bent": 0.979,
        "hinge backwards": 0.979,
        "limb reversed": 0.91,
        "exaggerated": 0.978,
    },
    "pose_adversarial": {
        "random": 0.98,
        "mixed joints": 0.903,
        "zero mean": 0.948,
        "over-bent": 0.968,
        "hinge backwards": 0.977,
        "limb reversed": 0.927,
        "exaggerated": 0.979,
    },
}


@pytest.mark.parametrize("name", HELD_OUT)
def test_held_out_poses_have_lower_energy_than_implausible_ones(name: str, shared_data) -> None:
    real = torch.from_numpy(load_poses(shared_data, "held_out").pose)
    result = separation(pose_energies()[name], real)
    for kind, least in HELD_OUT[name].items():
        assert result.auc[kind] > least, kind
