"""Arrays of other systems' files: their numbers, shapes and units, checked once for every reader."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from render_fit.core.errors import InputError
from render_fit.core.rotations import roma
from render_fit.core.safe_pickle import PickleFileError, as_array

UNITS: Mapping[str, float] = {"metres": 1.0, "centimetres": 100.0, "millimetres": 1000.0}
"""Units that lengths come in, and how many of them a metre has."""

PERSON_M = 1.3
"""Largest extent of a posed person, metres, between that of one who crouches and of one who stretches the arms up. A
file's unit is the one in which its person is nearest to this: units are ten times apart, people three times at most."""


def numbers(values: Mapping[str, Any], key: str, path: Path, shape: tuple[int | None, ...] | None = None) -> np.ndarray:
    """An entry as floats.

    Args:
        values: Dictionary of one result.
        key: Name of the entry.
        path: File, for messages.
        shape: Expected shape; None: any length. Leading axes of length 1 are dropped to reach it.

    Raises:
        InputError: if the entry is missing, is not of numbers, has another shape, or is not finite.
    """
    if key not in values:
        raise InputError(f"{path}: lacks {key}; it has {listing(values)}")
    try:
        array = as_array(values[key], f"{path}: {key}").astype(np.float64)
    except PickleFileError as error:
        raise InputError(str(error)) from None
    if shape is not None:
        while array.ndim > len(shape) and array.shape[0] == 1:
            array = array[0]
        if array.ndim != len(shape) or any(
            want not in (None, has) for want, has in zip(shape, array.shape, strict=True)
        ):
            wanted = " × ".join("any" if length is None else str(length) for length in shape)
            raise InputError(f"{path}: {key} has the shape {array.shape}; expected {wanted}")
    if not np.isfinite(array).all():
        raise InputError(f"{path}: {key} contains values that are not finite")
    return array


def listing(values: Mapping[str, Any]) -> str:
    """Names of the entries of a file, for messages."""
    names = sorted(map(str, values))
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "") or "nothing"


def rotvecs(array: Float[np.ndarray, "*n"], key: str, path: Path) -> Float[np.ndarray, "j 3"]:
    """Axis-angle vectors from axis-angle or from rotation matrices, whatever the grouping.

    Raises:
        InputError: if the numbers are neither.
    """
    if array.ndim >= 2 and array.shape[-2:] == (3, 3):
        matrices = array.reshape(-1, 3, 3)
        off = np.abs(matrices @ matrices.transpose(0, 2, 1) - np.eye(3)).max(initial=0.0)
        if off < 1e-2 and (np.linalg.det(matrices) > 0).all():
            return roma.rotmat_to_rotvec(torch.from_numpy(matrices)).numpy()
        if array.ndim > 2:
            raise InputError(f"{path}: {key} holds 3 × 3 matrices that are no rotations (off by {off:.2g})")
    if array.size % 3:
        raise InputError(f"{path}: {key} has {array.size} numbers; expected three (axis-angle) for each joint")
    return array.reshape(-1, 3)


def unit_of(vertices: Float[np.ndarray, "v 3"]) -> str:
    """Name in `UNITS` of the unit in which points of a person are given."""
    extent = float(np.ptp(vertices, axis=0).max())
    return min(UNITS, key=lambda name: abs(np.log(max(extent, 1e-9) / (UNITS[name] * PERSON_M))))
