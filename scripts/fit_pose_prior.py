"""Fits the shipped pose mixture and joint ranges to CMU motion capture.

    python scripts/fit_pose_prior.py ../shared/data [--components 6 8 12 16] [--out render_fit/losses/priors/assets]

The number of components is the one with the best log-likelihood on held-out subjects. Writes pose_mixture.npz and
joint_ranges.npz. The data used was obtained from mocap.cs.cmu.edu; the database was created with funding from NSF EIA-0196217.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from render_fit.evaluation.mocap import load_poses
from render_fit.losses.priors.joint_limits import HINGES
from render_fit.skeletons import SMPL_24

CREDIT = "Fitted to motion capture from mocap.cs.cmu.edu, created with funding from NSF EIA-0196217."
FLOOR_RAD = (
    0.05  # added to every direction's standard deviation: mocap noise and the simplified collars are of that size
)
SHRINKAGE = 0.02  # of each covariance towards its diagonal
WIDENING = 0.15  # of a joint's range, on each side: people reach further than these takes
MARGIN_RAD = 0.1  # at least; and at most on the straight side of elbows and knees
ITERATIONS = 100
SEED = 0


def body_dimensions(pose: np.ndarray) -> np.ndarray:
    """(n, 24, 3) poses as (n, 63): joints 1 to 21."""
    return pose[:, 1:22].reshape(len(pose), 63).astype(np.float64)


def mirrored(pose: np.ndarray) -> np.ndarray:
    """(n, 24, 3) poses seen in a mirror: sides swapped, rotation vectors reflected in the plane x = 0."""
    return pose[:, list(SMPL_24.left_right_swap)] * np.array([1.0, -1.0, -1.0])


def log_densities(x: np.ndarray, means: np.ndarray, covariances: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(n, m) log(weight x density) of each component."""
    result = np.empty((len(x), len(means)))
    for m, (mean, covariance, weight) in enumerate(zip(means, covariances, weights, strict=True)):
        lower = np.linalg.cholesky(covariance)
        whitened = np.linalg.solve(lower, (x - mean).T)
        log_det = np.log(np.diagonal(lower)).sum()
        result[:, m] = np.log(weight) - log_det - 0.5 * (whitened**2).sum(axis=0) - 0.5 * x.shape[1] * np.log(2 * np.pi)
    return result


def regularised(covariance: np.ndarray) -> np.ndarray:
    """A covariance shrunk towards its diagonal, with a floor in every direction."""
    diagonal = np.diag(np.diagonal(covariance))
    return (1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal + FLOOR_RAD**2 * np.eye(len(covariance))


def plus_plus_centres(x: np.ndarray, components: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++ seeds, then ten rounds of k-means."""
    centres = x[rng.integers(len(x))][None]
    while len(centres) < components:
        distance = ((x[:, None] - centres[None]) ** 2).sum(-1).min(axis=1)
        centres = np.concatenate([centres, x[rng.choice(len(x), p=distance / distance.sum())][None]])
    for _ in range(10):
        nearest = ((x**2).sum(1)[:, None] - 2 * x @ centres.T + (centres**2).sum(1)).argmin(axis=1)
        centres = np.stack(
            [x[nearest == m].mean(axis=0) if (nearest == m).any() else centres[m] for m in range(components)]
        )
    return centres


def joint_ranges(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper (21, 3): the middle 99 % of every component, widened; hinges' straight side by less."""
    low, high = (np.percentile(x, q, axis=0).reshape(21, 3) for q in (0.5, 99.5))
    margin = np.maximum(WIDENING * (high - low), MARGIN_RAD)
    lower, upper = low - margin, high + margin
    for joint, axis, sign in HINGES:
        if sign > 0:
            lower[joint - 1, axis] = low[joint - 1, axis] - MARGIN_RAD
        else:
            upper[joint - 1, axis] = high[joint - 1, axis] + MARGIN_RAD
    return lower, upper


def fit_mixture(x: np.ndarray, components: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expectation-maximisation; returns means (m, d), covariances (m, d, d), weights (m,)."""
    means = plus_plus_centres(x, components, rng)
    covariances = np.stack([regularised(np.cov(x.T))] * components)
    weights = np.full(components, 1 / components)
    previous = -np.inf
    for _ in range(ITERATIONS):
        log_density = log_densities(x, means, covariances, weights)
        total = np.logaddexp.reduce(log_density, axis=1)
        share = np.exp(log_density - total[:, None])
        mass = share.sum(axis=0) + 1e-9
        weights = mass / mass.sum()
        means = (share.T @ x) / mass[:, None]
        for m in range(components):
            centred = x - means[m]
            covariances[m] = regularised((centred * share[:, m : m + 1]).T @ centred / mass[m])
        if total.mean() - previous < 1e-3:
            break
        previous = total.mean()
    return means, covariances, weights


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared_data", type=Path)
    parser.add_argument("--components", type=int, nargs="+", default=[6, 8, 12, 16])
    parser.add_argument("--out", type=Path, default=Path("render_fit/losses/priors/assets"))
    arguments = parser.parse_args()
    train = load_poses(arguments.shared_data, "train").pose
    x = body_dimensions(np.concatenate([train, mirrored(train)]))
    held_out = body_dimensions(load_poses(arguments.shared_data, "held_out").pose)
    best: tuple[float, tuple[np.ndarray, ...]] | None = None
    for components in arguments.components:
        mixture = fit_mixture(x, components, np.random.default_rng(SEED))
        scores = [np.logaddexp.reduce(log_densities(data, *mixture), axis=1).mean() for data in (x, held_out)]
        print(
            f"{components:3d} components: mean log-likelihood {scores[0]:.2f} train, {scores[1]:.2f} held-out subjects"
        )
        if best is None or scores[1] > best[0]:
            best = (float(scores[1]), mixture)
    assert best is not None
    means, covariances, weights = (array.astype(np.float32) for array in best[1])
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "pose_mixture.npz"
    np.savez_compressed(path, means=means, covariances=covariances, weights=weights, credit=np.array(CREDIT))
    print(f"{path}: {len(weights)} components, {path.stat().st_size / 1000:.0f} kB")
    lower, upper = (array.astype(np.float32) for array in joint_ranges(x))
    np.savez_compressed(arguments.out / "joint_ranges.npz", lower=lower, upper=upper, credit=np.array(CREDIT))


if __name__ == "__main__":
    main()
