"""Colours of vertices that no photo shows."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jaxtyping import Bool, Float

from render_fit.bodies import Body
from render_fit.bodies.mesh_operators import mirror_vertices
from render_fit.core.skeletons import SMPL_24

REACH = 6.0
"""Edges over which the difference between a mirrored colour and its surroundings fades out."""

ALONG = 0.04
"""Weight of an edge along a limb, where one around it has 1: sleeves and trousers end at a place along the limb, and go
around it."""


def filled(colours: Float[np.ndarray, "v 3"], seen: Bool[np.ndarray, "v"], body: Body) -> Float[np.ndarray, "v 3"]:
    """Completes colours over a body.

    A vertex that is not seen has the colour of its mirror vertex if that is seen; the others are smooth between those
    (harmonic, and more so around limbs than along them). Where mirrored colours meet seen ones they are shifted to have
    the same colour, and the shift fades out over `REACH` edges, so that light from one side leaves no seam.

    Args:
        colours: (V, 3) of the vertices that are seen; others do not count.
        seen: (V,) which ones, at least one.
        body: The body.

    Returns:
        (V, 3) colours of all vertices; those that are seen keep theirs.
    """
    if seen.all():
        return colours
    other = mirror_vertices(body.v_template).numpy()
    laplacian = around_limbs(body)
    mirrored = ~seen & seen[other]
    both = seen & seen[other]
    apart = np.where(both[:, None], colours - colours[other], 0.0)
    shift = _extended(apart, seen, laplacian, pull=1 / REACH**2, rest=np.zeros(3))
    colours = np.where(mirrored[:, None], colours[other] + shift, colours)
    known = seen | mirrored
    # pieces of the surface without a known vertex, such as eyes, get the mean
    return _extended(colours, known, laplacian, pull=1e-6, rest=colours[known].mean(axis=0))


def around_limbs(body: Body) -> scipy.sparse.csr_matrix:
    """(V, V) Laplacian I - D^-1 A of a body at rest: a vertex minus the weighted mean of its neighbours.

    An edge has the weight 1 around a limb and `ALONG` along it.
    """
    points, faces = body.v_template.double().numpy(), body.faces.numpy()
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    sides = points[edges[:, 1]] - points[edges[:, 0]]
    sides /= np.linalg.norm(sides, axis=1, keepdims=True).clip(1e-9)
    axes = _axes(body)[body.vertex_parts.numpy()]
    along = np.abs((sides * axes[edges[:, 0]]).sum(axis=1)) ** 2
    weights = ALONG + (1 - ALONG) * (1 - along)
    half = scipy.sparse.csr_matrix((weights, (edges[:, 0], edges[:, 1])), (len(points), len(points)))
    joined = half + half.T
    degree = np.asarray(joined.sum(axis=1)).ravel()
    return (scipy.sparse.identity(len(points)) - scipy.sparse.diags(1 / degree.clip(1e-9)) @ joined).tocsr()


def _axes(body: Body) -> Float[np.ndarray, "24 3"]:
    """Direction of each SMPL part's limb: the main axis of the bones that meet at its joint."""
    joints = body.rest_joints(body.zero_parameters().betas)[0].double().numpy()
    spread = np.zeros((len(joints), 3, 3))
    for joint, parent in enumerate(body.parents):
        if parent >= 0:
            bone = joints[joint] - joints[parent]
            spread[[joint, parent]] += bone[:, None] * bone
    # bodies with fingers have no joint of the hand but the wrist
    names = [name if name in body.joint_names else name.replace("hand", "wrist") for name in SMPL_24.joints]
    return np.linalg.eigh(spread)[1][[list(body.joint_names).index(name) for name in names], :, -1]


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
