"""Pose correctives as morph targets: what a skin alone cannot do.

SMPL adds displacements that depend on the pose before it skins. Over the frames of one motion they are well described
by their mean and a few directions with a weight for each frame: their principal components. Weights lie between 0 and
1, because Blender clamps others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.export.motion import Motion, as_array

LARGEST_ERROR_M = 0.0005
"""Largest displacement that the morph targets may miss, at any vertex and frame."""


@dataclass(frozen=True)
class CorrectiveTargets:
    """Morph targets.

    Attributes:
        base: (V, 3) displacement of the mesh that the targets are added to, metres, in the zero pose.
        directions: (K, V, 3) metres, in the zero pose; the first ones explain most. None (K = 0) for one frame.
        weights: (N, K) weight of every target in every frame, 0 to 1.
        error_m: Largest distance from the exact displacement over all vertices and frames, metres; skinning does not
            enlarge it.
        left_out_m: Largest displacement, metres: the error of a file without correctives.
    """

    base: Float[np.ndarray, "v 3"]
    directions: Float[np.ndarray, "k v 3"]
    weights: Float[np.ndarray, "n k"]
    error_m: float
    left_out_m: float


@torch.no_grad()
def corrective_targets(motion: Motion, largest_error_m: float = LARGEST_ERROR_M) -> CorrectiveTargets | None:
    """Finds the fewest morph targets that reproduce the pose correctives of a motion.

    Args:
        motion: The motion.
        largest_error_m: Largest error of any vertex in any frame, metres.

    Returns:
        The targets; None if the body has no pose correctives.
    """
    posedirs = motion.body.posedirs
    if posedirs is None:
        return None
    # Displacements are features @ posedirs. With an orthonormal basis of posedirs, their principal components need no
    # matrix of frames by vertices.
    basis, mix = torch.linalg.qr(posedirs.double().flatten(0, 1))
    features = (motion.parameters.rotations[:, 1:].double() - torch.eye(3, dtype=torch.float64)).flatten(1) @ mix.T
    mean = features.mean(0)
    left, scale, right = torch.linalg.svd(features - mean, full_matrices=False)
    weights, directions = left * scale, right @ basis.T
    few, many = 0, len(scale)
    while few < many:  # the error falls with the number of targets
        middle = (few + many) // 2
        if _largest(weights[:, middle:], directions[middle:]) <= largest_error_m:
            many = middle
        else:
            few = middle + 1
    kept, targets = weights[:, :many], directions[:many]
    least, span = kept.amin(0), (kept.amax(0) - kept.amin(0)).clamp(min=1e-12)
    return CorrectiveTargets(
        base=as_array((mean @ basis.T + least @ targets).unflatten(0, (-1, 3))),
        directions=as_array((span[:, None] * targets).unflatten(1, (-1, 3))),
        weights=as_array((kept - least) / span),
        error_m=_largest(weights[:, many:], directions[many:]),
        left_out_m=_largest(features, basis.T),
    )


def _largest(weights: Float[Tensor, "n k"], directions: Float[Tensor, "k c"]) -> float:
    """Largest displacement of any vertex in any frame, a frame at a time."""
    return max(float((one @ directions).unflatten(0, (-1, 3)).norm(dim=-1).max()) for one in weights)
