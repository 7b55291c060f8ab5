"""Regressors of joints from meshes, by which published tables define Human3.6M's joints on SMPL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.errors import InputError

REGRESSED_17 = (
    *("pelvis", "left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle", "spine", "neck"),
    *("jaw", "head_top", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist"),
)
"""Joints of the rows of ``J_regressor_h36m.npy``, by the names of SPIN's joint sets (SPIN, constants.py:
H36M_TO_J17)."""


def read_joint_regressor(path: Path) -> Float[Tensor, "17 v"]:
    """Reads ``J_regressor_h36m.npy``.

    Args:
        path: .npy file of shape (17, V).

    Returns:
        (17, V) weights of the vertices.

    Raises:
        InputError: if it is missing, damaged, or of another shape.
    """
    try:
        weights = np.load(path, allow_pickle=False)
    except Exception as error:  # numpy reads the header as Python, which fails in many ways
        raise InputError(f"--joint-regressor {path}: not a readable .npy file ({error})") from None
    if not isinstance(weights, np.ndarray) or weights.ndim != 2 or len(weights) != len(REGRESSED_17):
        shape = getattr(weights, "shape", "none")
        raise InputError(f"--joint-regressor {path}: expected the shape (17, vertices), got {shape}")
    return torch.from_numpy(weights.astype(np.float32))
