"""Fits the shipped pose mixture and joint ranges to CMU motion capture.

    python scripts/fit_pose_prior.py ../shared/data [--components 6 8 12 16] [--out render_fit/losses/priors/assets]

The number of components is the smallest whose mean log-likelihood on held-out subjects is within half a nat of
the best. Writes pose_mixture.npz and joint_ranges.npz. The motion capture was obtained from mocap.cs.cmu.edu; the
database was created with funding from NSF EIA-0196217.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.mocap import MocapPoses, load_poses
from render_fit.losses.priors.joint_limits import HINGES, twist_and_swing

CREDIT = "Fitted to motion capture from mocap.cs.cmu.edu, created with funding from NSF EIA-0196217."
FLOOR_RAD = 0.06  # added in every direction: motion-capture noise, and motion that fixed collars and hinges lack
POOLING = 0.07  # covariances are shared between components as if each had this part of all data in common
BALANCE = 0.5  # a subject with n poses counts n ** (1 - BALANCE): 01 alone is half of the poses
WIDENING = 0.15  # share of a joint's range, on each side: people reach further than in these clips
MARGIN_RAD = 0.15  # smallest widening, and the only one on the straight side of elbows and knees
ITERATIONS = 60
STARTS = 3


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


def balanced_weights(poses: MocapPoses) -> np.ndarray:
    """(n,) weights of mean 1, smaller for subjects with many poses."""
    count = Counter(poses.subject)
    weights = np.array([count[subject] ** -BALANCE for subject in poses.subject])
    return weights / weights.mean()


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


def fit_mixture(x: np.ndarray, sample_weights: np.ndarray, components: int, rng: np.random.Generator) -> Mixture:
    """Weighted expectation-maximisation with pooled, floored covariances.

    `x` holds every pose and its mirror image, and the components come in mirror pairs: left and right are alike.
    """
    floor = FLOOR_RAD**2 * np.eye(x.shape[1])
    spread = np.cov(x.T, aweights=sample_weights) + floor
    even = np.full(components, 1 / components)
    mixture = Mixture(first_means(x, components, rng), np.stack([spread] * components), even)
    shared_mass = POOLING * sample_weights.sum()
    previous = -np.inf
    for _ in range(ITERATIONS):
        log_density = log_densities(x, mixture)
        total = np.logaddexp.reduce(log_density, axis=1)
        share = np.exp(log_density - total[:, None]) * sample_weights[:, None]
        mass = share.sum(axis=0) + 1e-9
        means = (share.T @ x) / mass[:, None]
        scatter = np.stack([((x - means[m]) * share[:, m : m + 1]).T @ (x - means[m]) for m in range(components)])
        pooled = scatter.sum(axis=0) / mass.sum()
        covariances = (scatter + shared_mass * pooled) / (mass + shared_mass)[:, None, None] + floor
        mixture = paired(Mixture(means, covariances, mass / mass.sum()))
        score = (total * sample_weights).mean()
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


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared_data", type=Path)
    parser.add_argument("--components", type=int, nargs="+", default=[6, 8, 12, 16])
    parser.add_argument("--out", type=Path, default=Path("render_fit/losses/priors/assets"))
    arguments = parser.parse_args()
    train, held_out = (load_poses(arguments.shared_data, split) for split in ("train", "held_out"))
    x = body_dimensions(train.pose)
    x = np.concatenate([x, mirror_image(x)])
    sample_weights = np.tile(balanced_weights(train), 2)
    unseen = body_dimensions(held_out.pose)
    print(f"{len(train)} poses of {len(set(train.subject))} subjects and their mirror images, {len(held_out)} held out")
    tried: list[tuple[float, Mixture]] = []
    for components in arguments.components:
        candidates = [fit_mixture(x, sample_weights, components, np.random.default_rng(seed)) for seed in range(STARTS)]
        mixture = max(candidates, key=lambda candidate: (log_likelihood(x, candidate) * sample_weights).mean())
        seen_score, unseen_score = (float(log_likelihood(data, mixture).mean()) for data in (x, unseen))
        print(f"{components:3d} components: mean log-likelihood {seen_score:.2f} train, {unseen_score:.2f} held out")
        tried.append((unseen_score, mixture))
    best = max(score for score, _ in tried)
    chosen = min((mixture for score, mixture in tried if score > best - 0.5), key=lambda mixture: len(mixture.weights))
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "pose_mixture.npz"
    arrays = {name: value.astype(np.float32) for name, value in chosen._asdict().items()}
    np.savez_compressed(path, **arrays, credit=np.array(CREDIT))
    print(f"{path}: {len(chosen.weights)} components, {path.stat().st_size / 1000:.0f} kB")
    lower, upper = (array.astype(np.float32) for array in joint_ranges(x))
    np.savez_compressed(arguments.out / "joint_ranges.npz", lower=lower, upper=upper, credit=np.array(CREDIT))


if __name__ == "__main__":
    main()
