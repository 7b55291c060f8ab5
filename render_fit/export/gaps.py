"""Frames of a motion in which nobody was found: bridged from those beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool

from render_fit.bodies import BodyParameters
from render_fit.core.rotations import roma


def bridged(parameters: BodyParameters, found: Bool[np.ndarray, "n"]) -> BodyParameters:
    """Replaces the frames that were not found: between others by even rotation and motion, else by the nearest.

    Splines through more frames follow a motion without errors closer (half the error over ten frames), but errors of
    the fits of 3 mm and 0.6° already make them worse than this.

    Args:
        parameters: N bodies of one shape; what those that were not found contain is not used.
        found: (N,) which were found, at least one.
    """
    frames = np.arange(len(found))
    known = frames[found]
    after = known[np.searchsorted(known, frames).clip(max=len(known) - 1)]
    before = known[(np.searchsorted(known, frames, side="right") - 1).clip(min=0)]
    share = torch.from_numpy((frames - before) / np.maximum(after - before, 1)).float()[:, None]
    first, last = parameters[torch.from_numpy(before)], parameters[torch.from_numpy(after)]
    turns = roma.rotmat_to_rotvec(first.rotations.mT @ last.rotations)
    return replace(
        parameters,
        rotations=first.rotations @ roma.rotvec_to_rotmat(share[..., None] * turns),
        transl=torch.lerp(first.transl, last.transl, share),
    )
