"""Camera of a photo: from a file, a focal length, EXIF, or a default."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.cameras import Camera, camera_from_focal, default_focal_px, focal_px_from_35mm
from render_fit.core.errors import InputError

ASSUMED = "assumed"
"""Source of a camera with the default focal length, the diagonal of the image."""


def resolve_camera(
    image_size: tuple[int, int],
    *,
    camera: Camera | Path | None = None,
    focal_35mm: float | None = None,
    exif_focal_px: float | None = None,
    file_size: tuple[int, int] | None = None,
) -> tuple[Camera, str]:
    """Determines the camera of a photo from a given camera, else a given focal length, else EXIF, else a default.

    Args:
        image_size: (H, W) of the photo as it was read, pixels.
        camera: Camera for the file of the photo, or the path of a camera JSON file.
        focal_35mm: 35 mm equivalent focal length, millimetres.
        exif_focal_px: Focal length from EXIF, pixels of the photo as it was read.
        file_size: (H, W) of the photo's file, pixels; None if the photo was not resized while reading.

    Returns:
        The camera of the photo as it was read, and its source: a file name, ``"given"``, the focal length, ``"EXIF"``
        or `ASSUMED`.

    Raises:
        InputError: if the camera file cannot be read, or the camera is for an image of another size.
    """
    height, width = file_size or image_size
    if isinstance(camera, Path):
        return read_camera(camera, height, width).resize(*image_size), camera.name
    if camera is not None:
        if (camera.height, camera.width) != (height, width):
            raise InputError(
                f"camera: is for an image of {camera.width}×{camera.height} px, but the photo has {width}×{height} px"
            )
        return camera.resize(*image_size), "given"
    if focal_35mm is not None:
        return camera_from_focal(focal_px_from_35mm(focal_35mm, *image_size), *image_size), (
            f"focal length {focal_35mm:g} mm"
        )
    if exif_focal_px is not None:
        return camera_from_focal(exif_focal_px, *image_size), "EXIF"
    return assumed_camera(*image_size), ASSUMED


def assumed_camera(height: int, width: int) -> Camera:
    """Camera with the default focal length (see `default_focal_px`)."""
    return camera_from_focal(default_focal_px(height, width), height, width)


def read_camera(path: Path, height: int, width: int) -> Camera:
    """Reads the camera of a JSON file ``{"K": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]}``.

    Args:
        path: JSON file.
        height: Height of the photo's file, pixels.
        width: Width of the photo's file, pixels.

    Raises:
        InputError: if the file is missing or contains no such matrix.
    """
    expected = '{"K": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]} in pixels'
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        K = torch.tensor(content["K"], dtype=torch.float32)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path}: expected {expected} ({type(error).__name__}: {error})") from None
    if K.shape != (3, 3) or not bool(torch.isfinite(K).all()) or K[0, 0] <= 0 or K[1, 1] <= 0 or not _affine(K):
        raise InputError(f"{path}: expected {expected}, focal lengths above zero, last row 0, 0, 1")
    return Camera(K[None], height, width)


def _affine(K: Float[Tensor, "3 3"]) -> bool:
    return K[2].tolist() == [0.0, 0.0, 1.0] and float(K[1, 0]) == 0.0
