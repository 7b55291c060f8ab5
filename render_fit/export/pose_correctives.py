"""Pose correctives as morph targets: what a skin alone cannot do.

SMPL adds displacements that depend on the pose before it skins. Over the frames of one motion they are well described
by a few directions with a weight for each frame: a principal component analysis without a mean.
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
        directions: (K, V, 3) metres, in the zero pose; the first ones explain most.
        weights: (N, K) weight of every target in every frame.
        error_m: Largest distance from the exact displacement over all vertices and frames, metres; skinning does not
            enlarge it.
        left_out_m: Largest displacement, metres: the error of a file without the targets.
    """

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
    rotations = motion.parameters.rotations[:, 1:].double()
    features = (rotations - torch.eye(3, dtype=torch.float64)).flatten(1)
    # The displacements are features @ directions. Their decomposition needs no matrix of frames by vertices.
    basis, mix = torch.linalg.qr(posedirs.double().flatten(0, 1))
    left, scale, right = torch.linalg.svd(features @ mix.T, full_matrices=False)
    weights, directions = left * scale, right @ basis.T
    few, many = 0, len(scale)
    while few < many:  # the error falls with the number of targets
        middle = (few + many) // 2
        if _largest(weights[:, middle:], directions[middle:]) <= largest_error_m:
            many = middle
        else:
            few = middle + 1
    # a weight of 1 is then the largest displacement of a target over the motion
    size = weights[:, :many].abs().amax(0).clamp(min=1e-12)
    return CorrectiveTargets(
        directions=as_array((directions[:many] * size[:, None]).unflatten(1, (-1, 3))),
        weights=as_array(weights[:, :many] / size),
        error_m=_largest(weights[:, many:], directions[many:]),
        left_out_m=_largest(weights, directions),
    )


def _largest(weights: Float[Tensor, "n k"], directions: Float[Tensor, "k c"]) -> float:
    """Largest displacement of any vertex in any frame, a frame at a time."""
    return max(float((one @ directions).unflatten(0, (-1, 3)).norm(dim=-1).max()) for one in weights)
