"""Skin weights in glTF's sets of four joints per vertex, and what programs lose that read only the first set."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.export.motion import Motion, as_array

INFLUENCES = 4
"""Joints in one set (``JOINTS_0``, ``JOINTS_1``, ...)."""


def influences(weights: Float[Tensor, "v j"]) -> list[tuple[np.ndarray, Float[np.ndarray, "v 4"]]]:
    """Splits skin weights into sets, the largest weights first.

    Args:
        weights: Skinning weights; rows sum to 1.

    Returns:
        As many sets as the vertex with most joints needs: indices of joints (V, 4), uint8 or with many joints uint16,
        and their weights, together equal to ``weights``. Unused places have joint 0 and weight 0, as glTF wants.
    """
    values = as_array(weights)
    order = np.argsort(-values, axis=1, kind="stable")
    largest = np.take_along_axis(values, order, axis=1)
    order[largest == 0] = 0
    n_sets = -(-int((values > 0).sum(axis=1).max()) // INFLUENCES)
    missing = max(0, n_sets * INFLUENCES - values.shape[1])
    order, largest = (np.pad(array, ((0, 0), (0, missing))) for array in (order, largest))
    kind = np.uint8 if values.shape[1] <= 256 else np.uint16
    columns = [slice(INFLUENCES * number, INFLUENCES * (number + 1)) for number in range(n_sets)]
    return [(order[:, one].astype(kind), np.ascontiguousarray(largest[:, one])) for one in columns]


def several_joints(weights: Float[Tensor, "v j"]) -> Int64[Tensor, "m"]:
    """Vertices with more joints than one set holds."""
    return torch.nonzero((weights > 0).sum(1) > INFLUENCES)[:, 0]


def first_set(weights: Float[Tensor, "v j"]) -> Float[Tensor, "v j"]:
    """The weights of the first set alone, scaled to sum to 1: what programs use that read only that."""
    if weights.shape[1] <= INFLUENCES:
        return weights
    kept = weights.topk(INFLUENCES, dim=1)
    first = torch.zeros_like(weights).scatter(1, kept.indices, kept.values)
    return first / first.sum(1, keepdim=True)


@torch.no_grad()
def first_set_error_m(motion: Motion) -> float:
    """Largest error of a program that reads only the first set.

    Args:
        motion: The motion.

    Returns:
        Largest distance of a vertex from its place over all frames, metres; 0 if no vertex has more than four joints.
    """
    parameters = motion.parameters
    vertices = several_joints(motion.body.weights)
    if not len(vertices):
        return 0.0
    weights = motion.body.weights[vertices]
    offsets = None if parameters.offsets is None else parameters.offsets[:1]
    rest = motion.body.rest_vertices(parameters.betas[:1], offsets)[0, vertices]
    difference, largest = first_set(weights) - weights, 0.0
    for transforms in motion.body.kinematics(parameters).transforms:
        blended = difference @ transforms  # (v, 12): a rotation's rows, then the shift
        moved = (blended[:, :9].unflatten(1, (3, 3)) @ rest[..., None])[..., 0] + blended[:, 9:]
        largest = max(largest, float(moved.norm(dim=-1).max()))
    return largest
