"""Camera files of other tools: intrinsics in the spellings that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.cameras import Camera, check_camera
from render_fit.core.errors import InputError
from render_fit.core.text_files import number, read_json
from render_fit.observations.image_sizes import PADDED_PX, same_shape

EXPECTED = '{"K": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]} in pixels'

_MATRIX_KEYS = (
    "K", "intrinsics", "intrinsic", "intrinsic_matrix", "camera_matrix", "cameraMatrix", "cam_intrinsics", "cam_K",
    "camera_intrinsics", "camera_intrinsic",
)  # fmt: skip
_FOCAL_KEYS = (
    ("fx", "fy"),
    ("fl_x", "fl_y"),
    ("f_x", "f_y"),
    ("f", "f"),
    ("focal", "focal"),
    ("focal_length", "focal_length"),
)
_CENTRE_KEYS = (("cx", "cy"), ("ppx", "ppy"), ("c_x", "c_y"), ("px", "py"))
_SIZE_KEYS = (("height", "width"), ("h", "w"), ("image_height", "image_width"), ("img_height", "img_width"), ("H", "W"))
_NESTED_KEYS = ("camera", "intrinsics", "intrinsic", "K", "calibration", "cameras")
_DISTORTION_KEYS = (
    "distortion", "dist", "dist_coeffs", "distortion_coefficients", "distCoeffs", "coeffs",
    "k1", "k2", "k3", "p1", "p2",
)  # fmt: skip

CENTRED = 0.12
"""Deviation of the principal point from the middle, as a share of the image, that cameras have."""

AT_CORNER = 0.03
"""Shares of the image up to which the principal point counts as missing, or in other units than pixels."""

SAME_PICTURE = (0.32, 0.7)
"""Positions of the principal point, as shares of the image, at which K can be about this picture."""

AT_CORNER = 0.03
"""Shares of the image up to which the principal point counts as missing, or in other units than pixels."""

SAME_PICTURE = (0.32, 0.7)
"""Positions of the principal point in a picture of about the same size, as shares of the image."""


def read_camera(path: Path, height: int, width: int) -> tuple[Camera, tuple[str, ...]]:
    """Reads the camera of a JSON file.

    Args:
        path: JSON file: a matrix under ``K`` or another of its usual names, alone, flat or by columns; or focal lengths
            and principal point as numbers (``fx, fy, cx, cy``). If it states the size of the image that it is about, K
            is scaled to the photo.
        height: Height of the photo's file, pixels.
        width: Width of the photo's file, pixels.

    Returns:
        The camera of the photo's file, and what is odd about the file, sentences.

    Raises:
        InputError: if the file is missing or contains no such matrix, or K is not plausible for the photo.
    """
    content = read_json(path, EXPECTED)
    K = _matrix(content)
    if K is None:
        raise InputError(f"{path}: expected {EXPECTED}, or fx, fy, cx and cy as numbers")
    size = next((size for part in _parts(content) for size in _pairs(part, _SIZE_KEYS)), None)
    notes: tuple[str, ...] = ()
    if size is not None and max(abs(size[0] - height), abs(size[1] - width)) > PADDED_PX:
        sizes = f"an image of {size[1]:g}×{size[0]:g} px, but the photo has {width}×{height} px"
        if not same_shape(size, (height, width)):
            turned = " (rotated by its EXIF data?)" if same_shape(size, (height, width), turned=True) else ""
            raise InputError(f"{path}: K is about {sizes}{turned}; expected the camera of this photo")
        K = torch.diag(torch.tensor([width / size[1], height / size[0], 1.0])) @ K
        notes += (f"{path.name} is about {sizes}; K was scaled",)
    camera = Camera(K[None], height, width)
    check_camera(camera, str(path))
    if any(_is_distorted(part.get(key)) for part in _parts(content) for key in _DISTORTION_KEYS):
        notes += (f"{path.name}: lens distortion is not modelled; undistort the photo if it is strong",)
    return camera, notes + _about_principal_point(path, camera, is_stated=size is not None)


def _about_principal_point(path: Path, camera: Camera, is_stated: bool) -> tuple[str, ...]:
    """A sentence about a principal point that is not near the middle of the image.

    Raises:
        InputError: if it lies in the middle of another picture, whose size the file does not state.
    """
    cx, cy = camera.K[0, :2, 2].tolist()
    height, width = camera.height, camera.width
    across, down = cx / width, cy / height
    if max(abs(across - 0.5), abs(down - 0.5)) <= CENTRED:
        return ()
    point = f"the principal point ({cx:g}, {cy:g}) is not in the middle of the image of {width}×{height} px"
    state = 'state the size in the file, {"K": …, "width": …, "height": …}'
    if not is_stated:
        if 0 <= across < AT_CORNER and 0 <= down < AT_CORNER:
            raise InputError(
                f"{path}: {point}: expected cx and cy, K's third column, in pixels as well; {state} of a crop"
            )
        if abs(across - down) <= CENTRED * (across + down) and not SAME_PICTURE[0] < across < SAME_PICTURE[1]:
            other = f"{2 * cx:.0f}×{2 * cy:.0f} px"
            raise InputError(f"{path}: {point}: K seems to be about a picture of about {other}; {state}")
        if max(abs(cx / height - 0.5), abs(cy / width - 0.5)) <= CENTRED:
            raise InputError(f"{path}: {point}: K seems to be about the picture before its rotation; {state}")
    return (f"{path.name}: {point}, as in a crop",)


def _parts(content: Any) -> Iterator[Mapping[str, Any]]:
    """The file's mapping, and those in it that can describe a camera."""
    if isinstance(content, dict):
        yield content
        for key in _NESTED_KEYS:
            inner = content.get(key)
            if isinstance(inner, list) and len(inner) == 1:
                inner = inner[0]
            if isinstance(inner, dict):
                yield inner


def _pairs(part: Mapping[str, Any], names: tuple[tuple[str, str], ...]) -> Iterator[tuple[float, float]]:
    """Pairs of numbers above zero that a mapping has under some pairs of names."""
    for keys in names:
        first, second = (number(part.get(key)) for key in keys)
        if first and second and first > 0 and second > 0:
            yield first, second


def _matrix(content: Any) -> Float[Tensor, "3 3"] | None:
    """K of any known spelling, last row 0, 0, 1; None if there is none."""
    if isinstance(content, list):
        return _square(content)
    for part in _parts(content):
        found = next((K for key in _MATRIX_KEYS if (K := _square(part.get(key))) is not None), None)
        if found is not None:
            return found
        focal = next(_pairs(part, _FOCAL_KEYS), None)
        centre = next(_pairs(part, _CENTRE_KEYS), None)
        if focal is not None and centre is not None:
            return torch.tensor([[focal[0], 0.0, centre[0]], [0.0, focal[1], centre[1]], [0.0, 0.0, 1.0]])
    return None


def _square(value: Any) -> Float[Tensor, "3 3"] | None:
    """A 3×3 matrix from nested or flat numbers, of 3×4 its left part, by rows or by columns."""
    if isinstance(value, dict):  # OpenCV: rows, cols, data
        value = value.get("data")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, list):
        return None
    rows = [row if isinstance(row, list) else [row] for row in value]
    numbers = [number(one) for row in rows for one in row]
    if len(numbers) not in (9, 12) or any(one is None for one in numbers):
        return None
    K = torch.tensor(numbers, dtype=torch.float64).reshape(3, -1)[:, :3]
    if len(numbers) == 9 and bool((K[:2, 2] == 0).all()) and bool((K[2, :2] != 0).all()):
        K = K.T  # by columns, as Open3D writes it
    return K.float()


def _is_distorted(value: Any) -> bool:
    """Whether distortion coefficients contain one that is not 0."""
    if isinstance(value, dict):
        value = value.get("data")
    values = value if isinstance(value, list) else [value]
    flat = [one for row in values for one in (row if isinstance(row, list) else [row])]
    return any(number(one) not in (None, 0.0) for one in flat)
