"""The pose mixture: its formula against scipy's densities, and what it thinks of real, mixed-up and broken poses."""

import math
import pickle
from importlib import resources

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from render_fit.core.errors import InputError
from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.mocap import load_poses
from render_fit.losses.priors import GaussianMixturePrior, default_pose_prior

ASSET = resources.files("render_fit.losses.priors") / "assets" / "pose_mixture.npz"

ARMS_DOWN = {
    "left_shoulder": (0, 0, -68),
    "right_shoulder": (0, 0, 68),
    "left_elbow": (0, -15, 0),
    "right_elbow": (0, 15, 0),
}
SITTING_LEGS = {"left_hip": (-85, 0, 5), "right_hip": (-85, 0, -5), "left_knee": (85, 0, 0), "right_knee": (85, 0, 0)}
CROSSED = {
    "left_shoulder": (20, -32, -60),
    "right_shoulder": (20, 32, 60),
    "left_elbow": (0, -78, 0),
    "right_elbow": (0, 78, 0),
}
STRIDE = {"left_hip": (-25, 0, 0), "left_knee": (12, 0, 0), "right_hip": (15, 0, 0), "right_knee": (25, 0, 0)}
SQUAT = {
    "left_hip": (-100, 10, 10),
    "right_hip": (-100, -10, -10),
    "left_knee": (110, 0, 0),
    "right_knee": (110, 0, 0),
    "left_ankle": (-25, 0, 0),
    "right_ankle": (-25, 0, 0),
    "spine1": (20, 0, 0),
}
ORDINARY = {  # degrees about SMPL's axes, written by hand
    "standing": ARMS_DOWN,
    "sitting": ARMS_DOWN | SITTING_LEGS,
    "walking": ARMS_DOWN | STRIDE,
    "arms crossed": CROSSED,
    "squatting": ARMS_DOWN | SQUAT,
}
BROKEN = {
    "left_elbow": (0, 70, 0),
    "right_elbow": (0, -70, 0),
    "left_knee": (-70, 0, 0),
    "right_knee": (-70, 0, 0),
    "head": (0, 120, 0),
    "spine2": (-60, 0, 0),
    "left_ankle": (80, 0, 0),
    "right_hip": (90, 0, 0),
}


def body(angles: dict[str, tuple[float, float, float]]) -> torch.Tensor:
    pose = torch.zeros(24, 3)
    for joint, degrees in angles.items():
        pose[SMPL_24.index(joint)] = torch.tensor(degrees) * math.pi / 180
    return pose[1:22].reshape(1, 63)


def mirror(pose: torch.Tensor) -> torch.Tensor:
    swap = [joint - 1 for joint in SMPL_24.left_right_swap[1:22]]
    return (pose.view(-1, 21, 3)[:, swap] * torch.tensor([1.0, -1.0, -1.0])).flatten(1)


def random_mixture(dimensions: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(3, dimensions, dimensions)) / np.sqrt(dimensions)
    covariances = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(dimensions)
    return rng.normal(size=(3, dimensions)), covariances, np.array([0.5, 0.3, 0.2])


@pytest.mark.parametrize("dimensions", [63, 69])
def test_energies_are_scipys_log_densities(dimensions: int) -> None:
    means, covariances, weights = random_mixture(dimensions)
    prior = GaussianMixturePrior(means, covariances, weights)
    x = np.random.default_rng(1).normal(size=(5, 63))
    # a marginal of a Gaussian drops rows and columns
    log_density = np.stack(
        [
            np.log(w) + multivariate_normal(m[:63], c[:63, :63]).logpdf(x)
            for m, c, w in zip(means, covariances, weights, strict=True)
        ],
        axis=1,
    )
    peaks = [
        np.log(w) + multivariate_normal(m[:63], c[:63, :63]).logpdf(m[:63])
        for m, c, w in zip(means, covariances, weights, strict=True)
    ]
    tensor = torch.tensor(x, dtype=torch.float32)
    assert prior(tensor).numpy() == pytest.approx(max(peaks) - log_density.max(axis=1), rel=1e-4)
    mixture = np.logaddexp.reduce(log_density, axis=1)
    assert prior(tensor, mode="logsumexp").numpy() == pytest.approx(max(peaks) - mixture, rel=1e-4)


def test_volume_takes_the_normalisers_out_of_the_energy() -> None:
    """A wide component and a narrow one at the same place: far outside, the wide one; at their mean, by the weights."""
    means, weights = np.zeros((2, 63)), np.array([0.5, 0.5])
    covariances = np.stack([np.eye(63), 1e-4 * np.eye(63)])
    density, none = (GaussianMixturePrior(means, covariances, weights, volume) for volume in (1.0, 0.0))
    wide = 0.5 * torch.ones(1, 63)
    assert float(none(wide)) == pytest.approx(0.5 * 63 * 0.25, rel=1e-4)
    assert float(density(wide)) == pytest.approx(0.5 * 63 * 0.25 + 63 * math.log(100), rel=1e-4)
    assert float(none(torch.zeros(1, 63))) == pytest.approx(0, abs=1e-5)


def test_best_mode_is_zero_and_all_else_is_above() -> None:
    prior = default_pose_prior()
    at_means = prior(prior.means)
    assert float(at_means.min()) == pytest.approx(0, abs=1e-3)
    assert (at_means >= -1e-3).all()
    assert (prior(torch.randn(50, 63)) > 0).all()


def test_asset_is_small_and_credits_its_source() -> None:
    assert len(ASSET.read_bytes()) < 500_000
    with ASSET.open("rb") as file, np.load(file) as data:
        assert "mocap.cs.cmu.edu" in str(data["credit"]) and "EIA-0196217" in str(data["credit"])
        assert data["means"].shape[1] == 63


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_poses_beat_broken_ones(name: str) -> None:
    """One hinge bent backwards by 70 degrees must cost: 5 nats is a factor of 150 in probability."""
    prior, pose = default_pose_prior(), ORDINARY[name]
    score = float(prior(body(pose)))
    assert score < 75  # the worst twentieth of held-out real poses begins at 55
    for joint, angle in BROKEN.items():
        assert float(prior(body(pose | {joint: angle}))) > score + 5, joint


def test_random_and_scrambled_poses_are_unlikely() -> None:
    prior = default_pose_prior()
    ordinary = torch.cat([prior(body(pose)) for pose in ORDINARY.values()])
    assert float(prior(0.5 * torch.randn(200, 63)).quantile(0.05)) > 3 * float(ordinary.max())
    joints = torch.cat([body(pose) for pose in ORDINARY.values()]).view(-1, 21, 3)
    upside_down = joints.flip(1).flatten(1)  # the feet's rotations at the wrists and so on
    assert (prior(upside_down) > ordinary + 50).all()


def test_left_and_right_are_alike() -> None:
    prior = default_pose_prior()
    poses = torch.cat([body(ORDINARY["walking"]), prior.sample(20, torch.Generator().manual_seed(2))])
    torch.testing.assert_close(prior(poses), prior(mirror(poses)), rtol=0.02, atol=0.5)


def test_samples_have_the_mixtures_mean_and_covariance_and_repeat() -> None:
    means, covariances, weights = random_mixture(63)
    prior = GaussianMixturePrior(means, covariances, weights)
    draws = prior.sample(20_000, torch.Generator().manual_seed(5)).double().numpy()
    mean = weights @ means
    spread = np.einsum("m,mij->ij", weights, covariances + np.einsum("mi,mj->mij", means - mean, means - mean))
    assert np.abs(draws.mean(axis=0) - mean).max() < 0.05  # five standard errors
    assert np.abs(np.cov(draws.T) - spread).max() < 0.15
    again = prior.sample(20_000, torch.Generator().manual_seed(5))
    assert torch.equal(again, torch.tensor(draws, dtype=torch.float32))


def test_spread_zero_gives_the_means() -> None:
    prior = default_pose_prior()
    draws = prior.sample(10, torch.Generator().manual_seed(0), spread=0.0)
    assert (draws[:, None] - prior.means).norm(dim=2).min(dim=1).values.max() < 1e-6


@pytest.mark.parametrize("mode", ["min", "logsumexp"])
def test_gradient(mode: str) -> None:
    prior = GaussianMixturePrior(*random_mixture(63)).double()
    pose = torch.randn(2, 63, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: prior(x, mode=mode), (pose,))
    for start in (torch.zeros(1, 63), 30 * torch.ones(1, 63)):
        start.requires_grad_()
        (gradient,) = torch.autograd.grad(default_pose_prior()(start, mode=mode).sum(), start)
        assert gradient.isfinite().all() and gradient.abs().max() > 0


def test_images_do_not_couple() -> None:
    prior, poses = default_pose_prior(), torch.randn(3, 63)
    assert torch.allclose(prior(poses), torch.cat([prior(pose[None]) for pose in poses]), rtol=1e-5)


def test_reads_smplifys_layout(tmp_path) -> None:
    means, covariances, weights = random_mixture(69)
    file = tmp_path / "gmm_08.pkl"
    file.write_bytes(pickle.dumps({"means": means, "covars": covariances, "weights": weights}, protocol=2))
    x = torch.randn(4, 63)
    assert torch.equal(GaussianMixturePrior.from_file(file)(x), GaussianMixturePrior(means, covariances, weights)(x))


class _Hostile:
    def __reduce__(self):
        return (open, ("ran.txt", "w"))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("prior.pkl", pickle.dumps({"means": np.zeros((8, 69)), "weights": np.ones(8)}), "covariances"),
        ("prior.pkl", pickle.dumps({"means": _Hostile()}), "open"),
        ("prior.npz", b"", "prior.npz"),
        ("prior.json", b"{}", ".npz or .pkl"),
        ("missing.npz", None, "no such file"),
    ],
)
def test_files_that_are_no_mixture_are_named(
    tmp_path, monkeypatch, name: str, content: bytes | None, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        GaussianMixturePrior.from_file(tmp_path / name)
    assert not (tmp_path / "ran.txt").exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"means": np.zeros(63)},
        {"covariances": np.eye(63)},
        {"weights": np.ones(2)},
        {"weights": np.float64(1)},
        {"weights": -np.ones(1)},
        {"means": np.full((1, 63), np.nan)},
        {"volume": np.ones(3)},
        {"volume": np.array("x")},
    ],
)
def test_arrays_that_are_no_mixtures_are_refused(tmp_path, changed) -> None:
    sound = {"means": np.zeros((1, 63)), "covariances": np.eye(63)[None], "weights": np.ones(1), "volume": np.ones(())}
    np.savez(tmp_path / "prior.npz", **sound)
    GaussianMixturePrior.from_file(tmp_path / "prior.npz")
    np.savez(tmp_path / "prior.npz", **{**sound, **changed})
    with pytest.raises(InputError, match=r"prior\.npz"):
        GaussianMixturePrior.from_file(tmp_path / "prior.npz")


def test_covariance_that_is_not_positive_is_refused(tmp_path) -> None:
    np.savez(tmp_path / "prior.npz", means=np.zeros((1, 63)), covariances=-np.eye(63)[None], weights=np.ones(1))
    with pytest.raises(InputError, match="not a pose mixture"):
        GaussianMixturePrior.from_file(tmp_path / "prior.npz")


def test_held_out_people_beat_scrambled_and_random_ones(shared_data) -> None:
    """Medians measured when the mixture was fitted: real 28, joints shuffled between real poses 60, random 940."""
    prior = default_pose_prior()
    real = torch.from_numpy(load_poses(shared_data, "held_out").pose)[:, 1:22]
    generator = torch.Generator().manual_seed(0)
    shuffled = torch.stack([real[torch.randperm(len(real), generator=generator), j] for j in range(21)], dim=1)
    scores = {name: prior(pose.flatten(1)) for name, pose in {"real": real, "shuffled": shuffled}.items()}
    assert float(scores["real"].median()) < 35
    assert float(scores["shuffled"].median()) > float(scores["real"].median()) + 25
    assert float((scores["shuffled"] > scores["real"]).float().mean()) > 0.85
