"""Morph targets: what a skin alone cannot do.

SMPL adds displacements that depend on the pose before it skins, and a program that reads four joints a vertex leaves
out those beyond. Over the frames of one motion such displacements are well described by their mean and a few
directions with a weight for each frame: their principal components. Weights lie between 0 and 1, because Blender
clamps others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.export.motion import Motion, as_array
from render_fit.export.skin_weights import first_set, several_joints

LARGEST_ERROR_M = 0.0005
"""Largest displacement that the morph targets may miss, at any vertex and frame."""

LEAST_STRETCH = 0.05
"""Joints that are turned against each other flatten what lies between them; no displacement is enlarged by more than
the inverse of this."""


@dataclass(frozen=True)
class MorphTargets:
    """Morph targets of one mesh.

    Attributes:
        base: (V, 3) displacement of the mesh that the targets are added to, metres, in the zero pose.
        directions: (K, V, 3) metres, in the zero pose; the first ones explain most. None (K = 0) for one frame.
        weights: (N, K) weight of every target in every frame, 0 to 1.
        error_m: Largest distance from the exact displacement over all vertices and frames, metres; skinning does not
            enlarge it.
        left_out_m: Largest displacement, metres: about the error of a file without the targets.
    """

    base: Float[np.ndarray, "v 3"]
    directions: Float[np.ndarray, "k v 3"]
    weights: Float[np.ndarray, "n k"]
    error_m: float
    left_out_m: float

    def __add__(self, other: MorphTargets) -> MorphTargets:
        """The sum of two displacements of one mesh."""
        return MorphTargets(
            self.base + other.base,
            np.concatenate([self.directions, other.directions]),
            np.concatenate([self.weights, other.weights], axis=1),
            self.error_m + other.error_m,
            self.left_out_m + other.left_out_m,
        )


@torch.no_grad()
def pose_correctives(motion: Motion, largest_error_m: float = LARGEST_ERROR_M) -> MorphTargets | None:
    """The pose correctives of a body as the fewest morph targets.

    Args:
        motion: The motion.
        largest_error_m: Largest error of any vertex in any frame, metres.

    Returns:
        The targets; None if the body has no pose correctives.
    """
    if motion.body.posedirs is None:
        return None
    # Displacements are features @ posedirs. With an orthonormal basis of posedirs, their principal components need no
    # matrix of frames by vertices.
    basis, mix = torch.linalg.qr(motion.body.posedirs.double().flatten(0, 1))
    return _principal(_pose_features(motion) @ mix.T, basis.T, None, motion.body.n_vertices, largest_error_m)


@torch.no_grad()
def beyond_four_joints(motion: Motion, largest_error_m: float = LARGEST_ERROR_M) -> MorphTargets | None:
    """What joints beyond the first four of a vertex do, as the fewest morph targets.

    Args:
        motion: The motion, with the clothes of the mesh.
        largest_error_m: Largest error of any vertex in any frame, metres.

    Returns:
        The targets, for a mesh that is skinned with `skin_weights.first_set`; None if no vertex has more joints.
    """
    body, parameters = motion.body, motion.parameters
    vertices = several_joints(body.weights)
    if not len(vertices):
        return None
    weights = body.weights[vertices].double()
    offsets = None if parameters.offsets is None else parameters.offsets[:1]
    rest = body.rest_vertices(parameters.betas[:1], offsets)[:, vertices].double()
    if body.posedirs is not None:
        rest = rest + (_pose_features(motion) @ body.posedirs[vertices].double().flatten(0, 1).T).unflatten(1, (-1, 3))
    transforms = body.kinematics(parameters).transforms.double()
    blended = weights @ transforms  # (n, v, 12): a rotation's rows, then the shift
    posed = (blended[..., :9].unflatten(-1, (3, 3)) @ rest[..., None])[..., 0] + blended[..., 9:]
    # the displacement in the zero pose that four joints turn into what is missing
    blended = first_set(weights) @ transforms
    matrices, shifts = blended[..., :9].unflatten(-1, (3, 3)), blended[..., 9:]
    missing = posed - shifts - (matrices @ rest[..., None])[..., 0]
    moved = (torch.linalg.pinv(matrices, rtol=LEAST_STRETCH) @ missing[..., None])[..., 0]
    out_of_reach = float((missing - (matrices @ moved[..., None])[..., 0]).norm(dim=-1).max())
    targets = _principal(moved.flatten(1), None, vertices, body.n_vertices, largest_error_m)
    return replace(targets, error_m=targets.error_m + out_of_reach)


def _pose_features(motion: Motion) -> Float[Tensor, "n p"]:
    """What SMPL's pose correctives are linear in."""
    rotations = motion.parameters.rotations[:, 1:].double()
    return (rotations - torch.eye(3, dtype=torch.float64)).flatten(1)


def _principal(
    features: Float[Tensor, "n p"],
    basis: Float[Tensor, "p c"] | None,
    vertices: Int64[Tensor, "m"] | None,
    n_vertices: int,
    largest_error_m: float,
) -> MorphTargets:
    """Principal components of the displacements ``features @ basis``.

    Args:
        features: Coefficients of every frame.
        basis: Orthonormal rows, each a displacement of all coordinates; None: the features are displacements.
        vertices: The vertices that the coordinates are of; None: all.
        n_vertices: Number of vertices of the mesh.
        largest_error_m: Largest error, metres.
    """
    basis = torch.eye(features.shape[1], dtype=features.dtype) if basis is None else basis
    mean = features.mean(0)
    left, scale, right = torch.linalg.svd(features - mean, full_matrices=False)
    weights, directions = left * scale, right @ basis
    few, many = 0, len(scale)
    while few < many:  # the error falls with the number of targets
        middle = (few + many) // 2
        if _largest(weights[:, middle:], directions[middle:]) <= largest_error_m:
            many = middle
        else:
            few = middle + 1
    kept, targets = weights[:, :many], directions[:many]
    least, span = kept.amin(0), (kept.amax(0) - kept.amin(0)).clamp(min=1e-12)

    def whole(coordinates: Float[Tensor, "*k c"]) -> Float[np.ndarray, "*k v 3"]:
        moved = coordinates.unflatten(-1, (-1, 3))
        if vertices is None:
            return as_array(moved)
        return as_array(moved.new_zeros(*moved.shape[:-2], n_vertices, 3).index_copy(-2, vertices, moved))

    return MorphTargets(
        base=whole(mean @ basis + least @ targets),
        directions=whole(span[:, None] * targets),
        weights=as_array((kept - least) / span),
        error_m=_largest(weights[:, many:], directions[many:]),
        left_out_m=_largest(features, basis),
    )


def _largest(weights: Float[Tensor, "n k"], directions: Float[Tensor, "k c"]) -> float:
    """Largest displacement of any vertex in any frame, a frame at a time."""
    return max(float((one @ directions).unflatten(0, (-1, 3)).norm(dim=-1).max()) for one in weights)
