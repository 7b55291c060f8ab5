"""Checks of a body file's arrays: shapes, and values that a body can have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from render_fit.core.plausibility import HEIGHT_M

SUM_TOLERANCE = 1e-2
"""Deviation of the sums of skinning weights from 1; published files are within 1e-3."""

JOINT_ROOM_M = 0.1
"""Distance of a joint from the box of the mean shape that counts as rounding, metres."""


class BodyFileError(ValueError):
    """Error: a file is not a body model, or is unsafe to read."""


def check_shapes(arrays: Mapping[str, np.ndarray], file: Path) -> None:
    """Raises BodyFileError if the arrays of a file do not belong together."""
    if arrays["weights"].ndim != 2:
        raise BodyFileError(f"{file}: weights must be vertices × joints, got shape {arrays['weights'].shape}")
    v, j = arrays["weights"].shape
    expected = {
        "v_template": (v, 3),
        "J_regressor": (j, v),
        "shapedirs": (v, 3, arrays["shapedirs"].shape[-1] if arrays["shapedirs"].ndim else 1),
        "kintree_table": (2, j),
        "posedirs": (v, 3, 9 * (j - 1)),
    }
    for key, shape in expected.items():
        if key in arrays and arrays[key].shape != shape:
            raise BodyFileError(f"{file}: {key} must have shape {shape} for {v} vertices, got {arrays[key].shape}")
    f = arrays["f"]
    if f.ndim != 2 or f.shape[1] != 3 or f.size == 0 or f.min() < 0 or f.max() >= v:
        raise BodyFileError(f"{file}: f must be triangles of vertices 0 to {v - 1}, got shape {f.shape}")
    parents = arrays["kintree_table"][0, 1:].astype(np.int64)
    if bool((parents < 0).any()) or bool((parents >= np.arange(1, j)).any()):
        raise BodyFileError(f"{file}: kintree_table must name for each joint a parent before it")


def check_values(arrays: Mapping[str, np.ndarray], file: Path) -> None:
    """Raises BodyFileError if values are not finite, not in metres with y up, or weights do not sum to 1."""
    broken = [key for key, array in arrays.items() if not np.isfinite(array).all()]
    if broken:
        raise BodyFileError(f"{file}: {', '.join(broken)} contain values that are not finite (NaN or infinite)")
    x, y, z = (float(extent) for extent in np.ptp(arrays["v_template"].astype(np.float64), axis=0))
    low, high = HEIGHT_M
    if not low <= y <= high:
        others = max(x, z)
        hint = (
            "is y its up axis?"
            if low <= others <= high
            else "are its units metres, not millimetres, centimetres or inches?"
        )
        raise BodyFileError(f"{file}: the body is {y:.4g} m high along y; expected {low:g} to {high:g} m: {hint}")
    largest = float(np.abs(arrays["shapedirs"]).max())
    if largest > high:
        raise BodyFileError(
            f"{file}: shapedirs moves a vertex by {largest:.4g} m per standard deviation; expected metres"
        )
    sums = arrays["weights"].sum(axis=1, dtype=np.float64)
    if float(np.abs(sums - 1).max()) > SUM_TOLERANCE:
        raise BodyFileError(f"{file}: rows of weights must sum to 1, got {sums.min():.4g} to {sums.max():.4g}")
    template = arrays["v_template"].astype(np.float64)
    joints = arrays["J_regressor"].astype(np.float64) @ template
    outside = max(float((template.min(axis=0) - joints).max()), float((joints - template.max(axis=0)).max()))
    if outside > JOINT_ROOM_M:
        raise BodyFileError(f"{file}: J_regressor places a joint {outside:.4g} m outside of the body")
