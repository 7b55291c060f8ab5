"""Camera of a photo: from a file, a focal length, EXIF, or a default."""

from __future__ import annotations

from pathlib import Path

from render_fit.core.cameras import Camera, camera_from_focal, check_camera, default_focal_px, focal_px_from_35mm
from render_fit.core.errors import InputError
from render_fit.core.plausibility import check_focal_35mm
from render_fit.observations.camera_files import read_camera

ASSUMED = "assumed"
"""Source of a camera with the default focal length, the diagonal of the image."""


def resolve_camera(
    image_size: tuple[int, int],
    *,
    camera: Camera | Path | None = None,
    focal_35mm: float | None = None,
    exif_focal_px: float | None = None,
    file_size: tuple[int, int] | None = None,
) -> tuple[Camera, str, tuple[str, ...]]:
    """Determines the camera of a photo from a given camera, else a given focal length, else EXIF, else a default.

    Args:
        image_size: (H, W) of the photo as it was read, pixels.
        camera: Camera for the file of the photo, or the path of a camera JSON file.
        focal_35mm: 35 mm equivalent focal length, millimetres.
        exif_focal_px: Focal length from EXIF, pixels of the photo as it was read.
        file_size: (H, W) of the photo's file, pixels; None if the photo was not resized while reading.

    Returns:
        The camera of the photo as it was read; its source: a file name, ``"given"``, the focal length, ``"EXIF"`` or
        `ASSUMED`; and what is odd about a camera file, sentences.

    Raises:
        InputError: if the camera file cannot be read, the camera is for an image of another size, or not plausible.
    """
    height, width = file_size or image_size
    if isinstance(camera, Path):
        read, notes = read_camera(camera, height, width)
        return read.resize(*image_size), camera.name, notes
    if camera is not None:
        if (camera.height, camera.width) != (height, width):
            raise InputError(
                f"camera: is for an image of {camera.width}×{camera.height} px, but the photo has {width}×{height} px"
            )
        check_camera(camera, "camera")
        return camera.resize(*image_size), "given", ()
    if focal_35mm is not None:
        check_focal_35mm(focal_35mm, f"focal_35mm {focal_35mm:g}")
        focal_px = focal_px_from_35mm(focal_35mm, *image_size)
        return camera_from_focal(focal_px, *image_size), f"focal length {focal_35mm:g} mm", ()
    if exif_focal_px is not None:
        return camera_from_focal(exif_focal_px, *image_size), "EXIF", ()
    return assumed_camera(*image_size), ASSUMED, ()


def assumed_camera(height: int, width: int) -> Camera:
    """Camera with the default focal length (see `default_focal_px`)."""
    return camera_from_focal(default_focal_px(height, width), height, width)
