"""Fits the shipped prior of the smooth clothing coefficients to synthetic people.

    python scripts/fit_clothing_prior.py [--people 150] [--out render_fit/losses/priors/assets]

Each person is dressed at rest, and the coefficients are those whose surface is nearest to the outer one; bags are left
out. Then the person is dressed in an everyday pose and seen from four sides, for the shares of labels in each view.
Writes clothing.npz. Nothing but the wardrobe of `synthesis.garments` and the open body enters it. About a second a
person.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import KDTree

from render_fit.bodies import open_body
from render_fit.bodies.body import Body
from render_fit.bodies.clothing import UNIT_M, fixed_vertices
from render_fit.bodies.mesh_operators import vertex_normals
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.parts import ATR, LIP, PartSpace
from render_fit.evaluation.surfaces import outer_points, outer_samples
from render_fit.losses.priors.clothing import basis_functions, label_shares
from render_fit.synthesis.garments.dressing import DressedPerson, dress
from render_fit.synthesis.garments.wardrobe import Clothes, sample_clothes
from render_fit.synthesis.independent_rasterizer import rasterize
from render_fit.synthesis.poses.named import everyday_pose
from render_fit.synthesis.scene import sample_betas

SPACES: tuple[PartSpace, ...] = (ATR, LIP)
POSES = ("standing", "a_pose", "attention", "relaxed_weight_on_one_leg", "walking")
FIRST_SEED = 10_000  # far from the seeds of the experiments' people
TIGHT_SHARE = 0.15  # of people who wear nothing wide, who are rare in the wardrobe
VIEWS = 4
FOCAL_PX = 160 * 4 / 2.4  # 2.4 m, 4 m away, fill a view
ROBUST_M = 0.01  # distances beyond this count linearly
NEAREST_RIDGE = 2e-6  # of the coefficients of one person, so that what no point tells stays small
RIDGE = 100.0  # of the regression, in people: chosen by cross-validation
FLOOR = 0.02  # standard deviation that is added to the covariance in every direction, as a coefficient
N_VERTICES = 192  # whose displacements tell which basis the prior is of


@dataclass(frozen=True)
class Example:
    """One person: nearest coefficients (M,), and label shares (VIEWS, L) by label space."""

    coefficients: np.ndarray
    shares: Mapping[str, np.ndarray]


def nearest_coefficients(
    body: Body, functions: np.ndarray, rest: np.ndarray, vertices: np.ndarray, faces: np.ndarray
) -> np.ndarray:
    """Coefficients (M,) whose surface is nearest to an outer surface: iterated closest points, along the normal.

    Args:
        body: Body model.
        functions: (V, M) displacement per coefficient, metres.
        rest: (V, 3) the bare body.
        vertices: (W, 3) the outer surface in the same pose.
        faces: (G, 3) its faces.
    """
    normals = vertex_normals(body.v_template, body.faces).double().numpy()
    bare_faces = body.faces.numpy()
    goal = outer_points(vertices, faces)
    goal_tree = KDTree(goal)
    found = np.zeros(functions.shape[1])
    for _ in range(8):
        worn = rest + normals * (functions @ found)[:, None]
        seen = np.unique(bare_faces[np.unique(outer_samples(worn, bare_faces)[1])])
        there, near = KDTree(worn[seen]).query(goal)
        back, nearest = goal_tree.query(worn[seen])
        at = np.concatenate([seen[near], seen])
        towards = np.concatenate([goal, goal[nearest]])
        weights = np.concatenate([1 / (there + ROBUST_M) / len(there), 1 / (back + ROBUST_M) / len(back)])
        design = functions[at]
        wanted = ((towards - worn[at]) * normals[at]).sum(axis=1) + design @ found
        normal = (design * weights[:, None]).T @ design + NEAREST_RIDGE * np.eye(len(found))
        found = np.linalg.solve(normal, (design * weights[:, None]).T @ wanted)
    return found


def example(body: Body, functions: np.ndarray, seed: int) -> Example:
    """A random person."""
    rng = np.random.default_rng(seed)
    betas, clothes = sample_betas(body, rng).reshape(1, -1), replace(sample_clothes(rng), bag="none", heel_m=0.0)
    if rng.random() < TIGHT_SHARE:
        clothes = Clothes(tight=True, hair=clothes.hair, hat=clothes.hat, seed=clothes.seed)

    def dressed(pose: torch.Tensor) -> DressedPerson:
        parameters = BodyParameters.from_rotvec(pose[None], betas, torch.zeros(1, 3))
        return dress(body, parameters, clothes, np.eye(3))

    outer = dressed(torch.zeros(24, 3)).layers
    coefficients = nearest_coefficients(
        body,
        functions,
        body.rest_vertices(betas)[0].double().numpy(),
        outer.vertices_camera.astype(np.float64),
        outer.faces,
    )
    posed = dressed(everyday_pose(POSES[rng.integers(len(POSES))]))
    return Example(coefficients, shares_from_around(posed, rng.uniform(0, 2 * np.pi)))


def shares_from_around(person: DressedPerson, first_yaw: float) -> dict[str, np.ndarray]:
    """Shares of labels in views from all sides, (VIEWS, L) by label space."""
    vertices = person.layers.vertices_camera.astype(np.float64)
    vertices = vertices - 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
    K = np.array([[FOCAL_PX, 0, 60], [0, FOCAL_PX, 80], [0, 0, 1]])
    found: dict[str, list[np.ndarray]] = {space.name: [] for space in SPACES}
    for yaw in first_yaw + np.arange(VIEWS) * (2 * np.pi / VIEWS):
        cosine, sine = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]) @ np.diag([1.0, -1.0, -1.0])
        seen = rasterize(vertices @ turn + (0, 0, 4.0), person.layers.faces, K, 160, 120).face_index
        for space in SPACES:
            labels = np.where(seen >= 0, person.face_labels(space)[seen], 0)
            found[space.name].append(label_shares(torch.from_numpy(labels), space).numpy())
    return {name: np.stack(views) for name, views in found.items()}


def regression(shares: np.ndarray, coefficients: np.ndarray) -> dict[str, np.ndarray]:
    """The Gaussian of coefficients (N, M) given shares (N, L), as the arrays of `GaussianOfLabels`."""
    centre, spread = shares.mean(axis=0), shares.std(axis=0) + 1e-3
    features = np.concatenate([np.ones((len(shares), 1)), (shares - centre) / spread], axis=1)
    penalty = RIDGE * np.diag([0.0, *[1.0] * shares.shape[1]])
    scale = np.ones(len(shares))
    for _ in range(10):
        weighted = features / scale[:, None]
        mean = np.linalg.solve(weighted.T @ features + penalty, weighted.T @ coefficients)
        away = coefficients - features @ mean
        covariance = (away / scale[:, None]).T @ away / len(away) + FLOOR**2 * np.eye(coefficients.shape[1])
        precision = np.linalg.inv(covariance)
        distance = np.einsum("ni,ij,nj->n", away, precision, away) / coefficients.shape[1]
        log_scale = np.linalg.solve(features.T @ features + penalty, features.T @ np.log(distance))
        scale = np.exp(features @ log_scale)
        scale *= np.exp(-np.log(scale).mean())
        # of a Gaussian the mean of the logarithm is below that of the logarithm of the mean: set the level by the mean
        log_scale[0] += np.log((distance / np.exp(features @ log_scale)).mean())

    def by_share(rows: np.ndarray) -> np.ndarray:
        slopes = rows[1:] / (spread[:, None] if rows.ndim == 2 else spread)
        return np.concatenate([rows[:1] - np.tensordot(centre, slopes, 1)[None], slopes])

    low, high = shares.min(axis=0), shares.max(axis=0)
    return {
        "lowest": low, "highest": high, "mean": by_share(mean), "precision": precision, "log_scale": by_share(log_scale)
    }  # fmt: skip


def fit(examples: list[Example], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """All Gaussians, as arrays of `ClothingPrior.from_file`; each person is seen in one, two and four views."""
    coefficients = np.stack([one.coefficients for one in examples])
    arrays = {}
    for space in SPACES:
        counts = (1, 2, VIEWS)
        rows = [
            one.shares[space.name][rng.choice(VIEWS, count, replace=False)].mean(axis=0)
            for count in counts
            for one in examples
        ]
        found = regression(np.stack(rows), np.tile(coefficients, (len(counts), 1)))
        arrays |= {f"{space.name}.{member}": array.astype(np.float32) for member, array in found.items()}
    return arrays


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=150)
    parser.add_argument("--out", type=Path, default=Path("render_fit/losses/priors/assets"))
    arguments = parser.parse_args()
    body = open_body()
    functions = basis_functions(body, 48)
    metres = UNIT_M * functions.double().numpy()
    examples = [example(body, metres, FIRST_SEED + number) for number in range(arguments.people)]
    write(body, functions, examples, arguments.out / "clothing.npz")


def write(body: Body, functions: torch.Tensor, examples: list[Example], path: Path) -> None:
    """Writes the prior that is fitted to examples."""
    rng = np.random.default_rng(0)
    vertices = rng.choice(np.flatnonzero(~fixed_vertices(body).numpy()), N_VERTICES, replace=False)
    np.savez_compressed(
        path, **fit(examples, rng), n_vertices=np.int64(body.n_vertices), vertices=vertices,
        functions=functions[vertices].numpy(),
    )  # fmt: skip
    print(f"{path}: {len(examples)} people, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
