"""Colours of vertices that no photo shows."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from render_fit.bodies.mesh_operators import uniform_laplacian

REACH = 6.0
"""Edges over which the difference between a mirrored colour and its surroundings fades out."""


def filled(
    colours: Float[np.ndarray, "v 3"],
    seen: Bool[np.ndarray, "v"],
    faces: Int64[Tensor, "f 3"],
    mirror: Int64[Tensor, "v"],
) -> Float[np.ndarray, "v 3"]:
    """Completes colours over a mesh.

    A vertex that is not seen has the colour of its mirror vertex if that is seen; the others are smooth between those
    (harmonic). At the border of what is seen the guess is shifted to meet the colours there, and the shift fades out
    over `REACH` edges, so that light from one side leaves no seam.

    Args:
        colours: (V, 3) of the vertices that are seen; others do not count.
        seen: (V,) which ones, at least one.
        faces: (F, 3) vertex indices.
        mirror: (V,) the vertex on the other side of the body.

    Returns:
        (V, 3) colours of all vertices; those that are seen keep theirs.
    """
    if seen.all():
        return colours
    other = mirror.numpy()
    sparse = uniform_laplacian(faces, len(colours))
    laplacian = scipy.sparse.csr_matrix((sparse.values().numpy(), sparse.indices().numpy()), sparse.shape)
    mirrored = ~seen & seen[other]
    both = seen & seen[other]
    apart = np.where(both[:, None], colours - colours[other], 0.0)
    shift = _extended(apart, seen, laplacian, pull=1 / REACH**2, rest=np.zeros(3))
    colours = np.where(mirrored[:, None], colours[other] + shift, colours)
    known = seen | mirrored
    # pieces of the surface without a known vertex, such as eyes, get the mean
    return _extended(colours, known, laplacian, pull=1e-6, rest=colours[known].mean(axis=0))


def _extended(
    values: Float[np.ndarray, "v 3"],
    known: Bool[np.ndarray, "v"],
    laplacian: scipy.sparse.csr_matrix,
    *,
    pull: float,
    rest: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "v 3"]:
    """Values of all vertices: the others solve Laplace's equation between the known ones, with a pull to a value."""
    if known.all():
        return values
    free = laplacian[~known]
    system = (free[:, ~known] + pull * scipy.sparse.identity(int((~known).sum()))).tocsc()
    solution = scipy.sparse.linalg.spsolve(system, pull * rest - free[:, known] @ values[known])
    values = values.copy()
    values[~known] = solution.reshape(-1, 3)
    return values
