"""Stand-ins for bodies that may not be shipped: bodies as other builders would make them, from the open body.

They differ from it in mean, shape space, skinning and the order of vertices, or in topology.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from render_fit.bodies import Body, load_smpl_file, open_body, smpl_arrays
from render_fit.core.array_files import write_arrays

N_BETAS = 10


def write_smpl_stand_in(path: Path) -> Path:
    """Writes a model file in SMPL's form.

    Its mean is a taller and stouter body, its ten directions are mixtures of the open body's sixteen, so that it lacks
    six of them; weights are sharper, and the vertices come in another order.
    """
    rng = np.random.default_rng(0)
    arrays = smpl_arrays(open_body(16))
    directions = arrays["shapedirs"]
    mixed, _ = np.linalg.qr(rng.standard_normal((16, 16)))
    order = rng.permutation(len(arrays["v_template"]))
    place = np.argsort(order)
    weights = arrays["weights"] ** 1.3
    content = {
        "v_template": (arrays["v_template"] + directions[..., :3] @ np.array([0.3, 0.3, 0.2], np.float32))[order],
        "shapedirs": (directions @ mixed[:, :N_BETAS].astype(np.float32))[order],
        "J_regressor": arrays["J_regressor"][:, order],
        "weights": (weights / weights.sum(1, keepdims=True))[order],
        "kintree_table": arrays["kintree_table"],
        "f": place[arrays["f"]].astype(np.uint32),
    }
    return write_arrays(path, **content)


def nearest_betas(path: Path, betas: Float[torch.Tensor, "s"]) -> tuple[Body, Float[torch.Tensor, "10"]]:
    """The stand-in, and its coefficients for a shape of the open body, by least squares over the zero pose."""
    body = load_smpl_file(path, n_betas=N_BETAS)
    order = np.random.default_rng(0)
    order.standard_normal((16, 16))
    permutation = torch.from_numpy(order.permutation(body.n_vertices))
    shaped = open_body(len(betas)).rest_vertices(betas[None])[0][permutation]
    directions = body.shapedirs.reshape(-1, N_BETAS)
    away = (shaped - body.v_template).reshape(-1, 1)
    found = torch.linalg.lstsq(directions, away, driver="gelsd").solution
    return body, found[:, 0]


def remeshed(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> tuple[Float[np.ndarray, "w 3"], Int[np.ndarray, "g 3"]]:
    """The surface on another topology, none of whose vertices is where an old one was.

    The new vertices are the middles of the edges, and for each old vertex the mean of those around it.
    """
    corners = faces.astype(np.int64)
    edges = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), axis=1)
    unique, number = np.unique(edges, axis=0, return_inverse=True)
    number = number.reshape(3, -1).T  # (f, 3) edges 01, 12, 20 of each face
    middles = vertices[unique].mean(1)
    sums, counts = np.zeros_like(vertices), np.zeros((len(vertices), 1))
    for end in range(2):
        np.add.at(sums, unique[:, end], middles)
        np.add.at(counts, unique[:, end], 1.0)
    centres = len(middles) + corners
    inner = number
    outer = [np.stack([centres[:, c], number[:, c], number[:, c - 1]], axis=1) for c in range(3)]
    return np.concatenate([middles, sums / np.maximum(counts, 1)]), np.concatenate([inner, *outer])
