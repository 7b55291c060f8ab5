"""An observer's label map beside a mask that was given: the mask says where the person is."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from render_fit.core.parts import PartSpace

LEAST_SHARE = 0.3
"""Share of the mask that must have labels of a person; below, the label map is of somebody else."""


def labels_within(
    labels: Int[Tensor, "h w"], mask: Float[Tensor, "h w"], part_space: PartSpace
) -> Int[Tensor, "h w"] | None:
    """Restricts a label map to a mask. Pixels of the mask that have no label take the nearest one inside it.

    Args:
        labels: (H, W) index into the labels of the space.
        mask: (H, W) share of each pixel that the person covers.
        part_space: Label space.

    Returns:
        (H, W) labels: 0 outside of the mask; None if it covers too little of the mask to be of the same person.
    """
    inside = mask >= 0.5
    person = torch.isin(labels, torch.tensor(part_space.person_labels)) & inside
    if not inside.any() or float(person.sum() / inside.sum()) < LEAST_SHARE:
        return None
    indices = distance_transform_edt((~person).numpy(), return_distances=False, return_indices=True)
    rows, columns = torch.from_numpy(np.asarray(indices)).long()
    nearest = labels[rows, columns]
    unlabelled = inside & (labels == 0)
    return torch.where(inside, torch.where(unlabelled, nearest, labels), 0)
