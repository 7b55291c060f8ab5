"""Clothing as smooth displacements of the zero-pose body: D = B c.

B's columns are the lowest-frequency Laplacian eigenfunctions of the body's surface with face, hands and soles fixed,
each along the surface normal. They are smooth, few, and ordered from coarse to fine: usable in early fitting stages.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse.linalg
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.mesh_operators import cotangent_laplacian, vertex_normals
from render_fit.core.errors import InputError
from render_fit.core.files import cache_folder, write_bytes
from render_fit.core.skeletons import SMPL_24

UNIT_M = 0.01  # a coefficient of 1 displaces by 1 cm, root mean square over the surface
VERSION = 1  # version of the computation; part of the cache's key
SOLE_COSINE = 0.6  # soles: vertices of the foot whose normal is within 53 degrees of straight down


@dataclass(frozen=True)
class ClothingBasis:
    """A linear basis of clothing offsets.

    Attributes:
        directions: Displacement per coefficient, metres; a coefficient of 1 is 1 cm root mean square.
        eigenvalues: Squared spatial frequency of every column, 1/m²; for priors that damp fine detail.
        fixed: Vertices that no coefficient moves: face, hands, soles.
    """

    directions: Float[Tensor, "v 3 m"]
    eigenvalues: Float[Tensor, "m"]
    fixed: Bool[Tensor, "v"]

    def __call__(self, coefficients: Float[Tensor, "b m"]) -> Float[Tensor, "b v 3"]:
        """Computes clothing offsets for `BodyParameters.offsets`.

        Args:
            coefficients: Clothing coefficients (b, m), one per column of the basis.

        Returns:
            Zero-pose displacements (b, v, 3), metres.

        Differentiability: linear.
        """
        flat = self.directions.flatten(0, 1)
        return (coefficients @ flat.T).unflatten(1, (-1, 3))

    def at(self, vertices: Int64[Tensor, "n"]) -> ClothingBasis:
        """The basis restricted to some vertices."""
        return ClothingBasis(self.directions[vertices], self.eigenvalues, self.fixed[vertices])

    def to(self, device: torch.device | str) -> ClothingBasis:
        """The basis on another device."""
        return ClothingBasis(self.directions.to(device), self.eigenvalues.to(device), self.fixed.to(device))


def fixed_vertices(body: Body) -> Bool[Tensor, "v"]:
    """Computes which vertices clothing does not displace.

    Args:
        body: Body model.

    Returns:
        True on hands from the wrist on, on the front half of the head, and on the soles.
    """
    parts = body.vertex_parts
    points, normals = body.v_template, vertex_normals(body.v_template, body.faces)

    def on(*names: str) -> Tensor:
        return torch.isin(parts, torch.tensor([SMPL_24.index(name) for name in names], device=parts.device))

    hands = on("left_wrist", "right_wrist", "left_hand", "right_hand")
    head = on("head")
    face = head & (points[:, 2] > points[head, 2].mean())
    feet = on("left_ankle", "right_ankle", "left_foot", "right_foot")
    return hands | face | (feet & (normals[:, 1] < -SOLE_COSINE))


def clothing_basis(body: Body, n: int = 48, cache: Path | None = None) -> ClothingBasis:
    """Computes the smooth clothing basis of a body.

    Args:
        body: Body model.
        n: Number of columns.
        cache: Folder of computed bases; default: the platform's cache folder. It need not be writable.

    Returns:
        The basis, on the body's device.

    Raises:
        ValueError: If ``n`` is not 1 to 200.

    Source: manifold harmonics (Vallet and Levy 2008) with fixed vertices as Dirichlet boundary.
    """
    if not 1 <= n <= 200:
        raise ValueError(f"n must be 1 to 200 columns, got {n}")
    vertices = body.v_template.detach().cpu().double().numpy()
    faces = body.faces.cpu().numpy()
    fixed = fixed_vertices(body)
    key = hashlib.sha256(np.float32(vertices).tobytes() + faces.tobytes() + fixed.cpu().numpy().tobytes())
    folder = cache_folder() if cache is None else cache
    file = None if folder is None else folder / f"clothing-{VERSION}-{n}-{key.hexdigest()[:16]}.npz"
    stored = None if file is None else _read(file, len(vertices), n)
    if stored is None:
        stored = _harmonics(vertices, faces, fixed.cpu().numpy(), n)
        if file is not None:
            _write(file, *stored)
    functions, eigenvalues = (torch.from_numpy(array).to(body.v_template) for array in stored)
    normals = vertex_normals(body.v_template, body.faces)
    return ClothingBasis(UNIT_M * normals[..., None] * functions[:, None], eigenvalues, fixed)


def _harmonics(vertices: np.ndarray, faces: np.ndarray, fixed: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The n smoothest functions (v, n) that vanish on fixed vertices, of mean square 1, and eigenvalues (n,)."""
    laplacian, mass = cotangent_laplacian(vertices, faces)
    free = np.flatnonzero(~fixed)
    inner = laplacian[free][:, free]
    weights = mass.diagonal()[free]
    eigenvalues, vectors = scipy.sparse.linalg.eigsh(
        inner, k=n, M=scipy.sparse.diags(weights).tocsc(), sigma=0.0, v0=np.ones(len(free))
    )
    functions = np.zeros((len(vertices), n))
    functions[free] = vectors * np.sqrt(mass.diagonal().sum())
    functions *= np.where((mass @ functions).sum(0) >= 0, 1.0, -1.0)
    return functions.astype(np.float32), eigenvalues.astype(np.float32)


def _read(file: Path, n_vertices: int, n: int) -> tuple[np.ndarray, np.ndarray] | None:
    """A computed basis; None if there is none, or the file is damaged."""
    try:
        with np.load(file, allow_pickle=False) as data:
            functions, eigenvalues = data["functions"], data["eigenvalues"]
    except Exception:  # whatever is wrong with a cache, it is computed again
        return None
    whole = functions.shape == (n_vertices, n) and eigenvalues.shape == (n,)
    return (functions, eigenvalues) if whole and bool(np.isfinite(functions).all()) else None


def _write(file: Path, functions: np.ndarray, eigenvalues: np.ndarray) -> None:
    content = io.BytesIO()
    np.savez(content, functions=functions, eigenvalues=eigenvalues)
    with suppress(OSError, InputError):  # the cache folder may be read-only
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, content.getvalue())
