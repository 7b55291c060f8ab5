"""Fits the shipped pose mixture and joint ranges to CMU motion capture with the frequencies of photos.

    python scripts/fit_pose_prior.py ../shared/data [--out render_fit/losses/priors/assets]

Each activity (`synthesis.poses.everyday.FREQUENCIES`) gets components of its own, so that people who stand are not
averaged with people who walk. Writes pose_mixture.npz and joint_ranges.npz. The motion capture was obtained from
mocap.cs.cmu.edu; the database was created with funding from NSF EIA-0196217.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.mocap import load_poses
from render_fit.losses.priors.gmm import GaussianMixturePrior
from render_fit.losses.priors.joint_limits import HINGES, twist_and_swing
from render_fit.synthesis.poses.everyday import FREQUENCIES, EverydayPoses, PhotoActivity

CREDIT = "Fitted to motion capture from mocap.cs.cmu.edu, created with funding from NSF EIA-0196217."
FLOOR_RAD = 0.06  # added in every direction: motion-capture noise, and motion that fixed collars and hinges lack
POOLING = 0.07  # covariances are shared between components as if each had this part of all data in common
VOLUME = 0.3  # see `GaussianMixturePrior`: chosen by the bias of fits to 2D keypoints (docs/pose_prior.md)
SAMPLES = 12_000
WIDENING = 0.15  # share of a joint's range, on each side: people reach further than in these clips
MARGIN_RAD = 0.15  # smallest widening, and the only one on the straight side of elbows and knees
ITERATIONS = 40
COMPONENTS: dict[PhotoActivity, int] = {
    "standing": 4,
    "weight on one leg": 4,
    "walking": 6,
    "sitting": 2,
    "sitting on the ground": 4,
    "crouching": 2,
    "bending": 4,
    "other": 4,
}


class Mixture(NamedTuple):
    """Means (m, d), covariances (m, d, d), weights (m,)."""

    means: np.ndarray
    covariances: np.ndarray
    weights: np.ndarray


def body_dimensions(pose: np.ndarray) -> np.ndarray:
    """(n, 24, 3) poses as (n, 63): joints 1 to 21."""
    return pose[:, 1:22].reshape(len(pose), 63).astype(np.float64)


def mirror_image(x: np.ndarray) -> np.ndarray:
    """(n, 63) mirrored poses: sides swapped, rotation vectors reflected in the plane x = 0."""
    swap = [joint - 1 for joint in SMPL_24.left_right_swap[1:22]]
    return (x.reshape(-1, 21, 3)[:, swap] * np.array([1.0, -1.0, -1.0])).reshape(-1, 63)


def log_densities(x: np.ndarray, mixture: Mixture) -> np.ndarray:
    """(n, m) log(weight x density) of each component."""
    result = np.empty((len(x), len(mixture.means)))
    for m, (mean, covariance, weight) in enumerate(zip(*mixture, strict=True)):
        lower = np.linalg.cholesky(covariance)
        whitened = np.linalg.solve(lower, (x - mean).T)
        half_log_det = np.log(np.diagonal(lower)).sum() + 0.5 * x.shape[1] * np.log(2 * np.pi)
        result[:, m] = np.log(weight) - half_log_det - 0.5 * (whitened**2).sum(axis=0)
    return result


def log_likelihood(x: np.ndarray, mixture: Mixture) -> np.ndarray:
    """(n,) log-density of each pose."""
    return np.logaddexp.reduce(log_densities(x, mixture), axis=1)


def first_means(x: np.ndarray, components: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++ seeds in mirror pairs, then ten rounds of k-means."""
    means = np.empty((0, x.shape[1]))
    distance = np.ones(len(x))
    while len(means) < components:
        seed = x[rng.choice(len(x), p=distance / distance.sum())][None]
        means = np.concatenate([means, seed, mirror_image(seed)])
        distance = ((x**2).sum(1)[:, None] - 2 * x @ means.T + (means**2).sum(1)).min(axis=1).clip(min=0)
    for _ in range(10):
        nearest = ((x**2).sum(1)[:, None] - 2 * x @ means.T + (means**2).sum(1)).argmin(axis=1)
        means = np.stack([x[nearest == m].mean(0) if (nearest == m).any() else means[m] for m in range(components)])
    return means


def paired(mixture: Mixture) -> Mixture:
    """Makes components 2i and 2i + 1 exact mirror images of each other: rounding would let them drift apart."""
    swap = np.arange(len(mixture.weights)) ^ 1
    mirrored_rows = np.stack([mirror_image(covariance) for covariance in mixture.covariances])
    mirrored = np.stack([mirror_image(rows.T) for rows in mirrored_rows])
    return Mixture(
        (mixture.means + mirror_image(mixture.means[swap])) / 2,
        (mixture.covariances + mirrored[swap]) / 2,
        (mixture.weights + mixture.weights[swap]) / 2,
    )


def fit_mixture(x: np.ndarray, components: int, rng: np.random.Generator) -> Mixture:
    """Expectation-maximisation with pooled, floored covariances.

    `x` holds every pose and its mirror image, and the components come in mirror pairs: left and right are alike.
    """
    floor = FLOOR_RAD**2 * np.eye(x.shape[1])
    spread = np.cov(x.T) + floor
    even = np.full(components, 1 / components)
    mixture = Mixture(first_means(x, components, rng), np.stack([spread] * components), even)
    shared_mass = POOLING * len(x)
    previous = -np.inf
    for _ in range(ITERATIONS):
        log_density = log_densities(x, mixture)
        total = np.logaddexp.reduce(log_density, axis=1)
        share = np.exp(log_density - total[:, None])
        mass = share.sum(axis=0) + 1e-9
        means = (share.T @ x) / mass[:, None]
        scatter = np.stack([((x - means[m]) * share[:, m : m + 1]).T @ (x - means[m]) for m in range(components)])
        pooled = scatter.sum(axis=0) / mass.sum()
        covariances = (scatter + shared_mass * pooled) / (mass + shared_mass)[:, None, None] + floor
        mixture = paired(Mixture(means, covariances, mass / mass.sum()))
        score = total.mean()
        if score - previous < 2e-3:
            break
        previous = score
    return mixture


def joint_ranges(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper (21, 3): the middle 99 % of every twist and swing, widened; straight hinges by less."""
    angles = twist_and_swing(torch.from_numpy(x).unflatten(1, (21, 3))).numpy()
    low, high = np.percentile(angles, (0.5, 99.5), axis=0)
    margin = np.maximum(WIDENING * (high - low), MARGIN_RAD)
    lower, upper = low - margin, high + margin
    for joint, axis, sign in HINGES:
        if sign > 0:
            lower[joint - 1, axis] = min(low[joint - 1, axis], 0.0) - MARGIN_RAD
        else:
            upper[joint - 1, axis] = max(high[joint - 1, axis], 0.0) + MARGIN_RAD
    return lower, upper


def fit_activities(poses: EverydayPoses, generator: torch.Generator) -> Mixture:
    """One mixture per activity, weighted by `FREQUENCIES`, in one."""
    found = []
    for activity, frequency in FREQUENCIES.items():
        x = body_dimensions(poses.sample_activity(activity, round(SAMPLES * frequency), generator).numpy())
        x = np.concatenate([x, mirror_image(x)])
        own = fit_mixture(x, COMPONENTS[activity], np.random.default_rng(0))
        found.append(own._replace(weights=own.weights * frequency))
        knees = np.degrees(own.means[:, [9, 12]]).round().tolist()
        print(f"{activity}: log-likelihood {log_likelihood(x, own).mean():.1f}, knees of the components {knees}")
    return Mixture(*(np.concatenate(values) for values in zip(*found, strict=True)))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared_data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("render_fit/losses/priors/assets"))
    arguments = parser.parse_args()
    train, held_out = (load_poses(arguments.shared_data, split) for split in ("train", "held_out"))
    print(f"{len(train)} poses of {len(set(train.subject))} subjects, {len(held_out)} held out")
    mixture = fit_activities(EverydayPoses(train), torch.Generator().manual_seed(0))
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "pose_mixture.npz"
    arrays = {name: value.astype(np.float32) for name, value in mixture._asdict().items()}
    np.savez_compressed(path, **arrays, volume=np.float32(VOLUME), credit=np.array(CREDIT))
    print(f"{path}: {len(mixture.weights)} components, {path.stat().st_size / 1000:.0f} kB")
    unseen, activities = EverydayPoses(held_out).sample(2_000, torch.Generator().manual_seed(1))
    x, prior = body_dimensions(unseen.numpy()), GaussianMixturePrior.from_file(path)
    likelihood, energy = log_likelihood(x, mixture), prior(torch.from_numpy(x).float()).numpy()
    print(f"held out: mean log-likelihood {likelihood.mean():.2f}")
    for activity in FREQUENCIES:
        own = np.array(activities) == activity
        low, middle, high = np.percentile(energy[own], (5, 50, 95))
        print(f"  {activity}: {likelihood[own].mean():.1f}; energy {low:.0f}, {middle:.0f}, {high:.0f} (5, 50, 95 %)")
    moved = body_dimensions(train.pose)
    lower, upper = (value.astype(np.float32) for value in joint_ranges(np.concatenate([moved, mirror_image(moved)])))
    np.savez_compressed(arguments.out / "joint_ranges.npz", lower=lower, upper=upper, credit=np.array(CREDIT))


if __name__ == "__main__":
    main()
