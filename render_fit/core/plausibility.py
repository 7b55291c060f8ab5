"""Which values of a quantity can be true: one check for each quantity, called wherever such a value enters."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.cameras import FULL_FRAME_DIAGONAL_MM, Camera
from render_fit.core.errors import InputError

FOCAL_35MM = (8.0, 2000.0)
"""35 mm equivalent focal lengths of cameras, mm: from below the widest lenses without fisheye distortion (9 mm) to
telescopes. EXIF's ``FocalLength`` of phones, 3 to 7 mm of a small sensor, lies below."""

HEIGHT_M = (0.4, 2.8)
"""Standing heights of people, m: from newborns to above the tallest man on record (2.72 m)."""

LEAST_SCORE = 0.05
"""Scores under which a keypoint counts as not observed. OpenPose draws keypoints from this score on
(``--render_threshold``); what lies below is noise, at places that have nothing to do with the person."""

ASPECTS = (0.5, 2.0)
"""Ratio fy / fx of real cameras and of pictures that were stretched."""


def check_height(height_m: float, name: str) -> None:
    """Raises InputError if no person is that high.

    Args:
        height_m: Standing height, m.
        name: Argument or file that it comes from, for the message.
    """
    low, high = HEIGHT_M
    if not low <= height_m <= high:  # not a number fails too
        raise InputError(f"{name}: expected the person's height in metres, between {low:g} and {high:g}")


def is_focal_35mm(focal_35mm: float) -> bool:
    """Whether a camera can have this 35 mm equivalent focal length, mm."""
    return FOCAL_35MM[0] <= focal_35mm <= FOCAL_35MM[1]


def check_focal_35mm(focal_35mm: float, name: str) -> None:
    """Raises InputError if no camera has this 35 mm equivalent focal length, mm; ``name`` begins the message."""
    if not is_focal_35mm(focal_35mm):
        raise InputError(
            f"{name}: expected the focal length on 35 mm film, {FOCAL_35MM[0]:g} to {FOCAL_35MM[1]:g} mm; the lens's own "
            "focal length on a small sensor is several times shorter (see FocalLengthIn35mmFilm in EXIF)"
        )


def check_camera(camera: Camera, name: str) -> None:
    """Checks intrinsics against the image that they belong to.

    Args:
        camera: Camera of any batch size.
        name: Argument or file that it comes from, for the message.

    Raises:
        InputError: if K is not finite, is no pinhole camera's, or its focal lengths are no plausible number of pixels.
    """
    K, diagonal = camera.K.detach(), math.hypot(camera.height, camera.width)
    if not bool(K.isfinite().all()):
        raise InputError(f"{name}: K is not finite")
    last = K.new_tensor([0.0, 0.0, 1.0])
    if not bool((K[:, 2] == last).all()) or bool((K[:, 1, 0] != 0).any()):
        raise InputError(f"{name}: expected K = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels")
    for fx, fy in K[:, (0, 1), (0, 1)].tolist():
        equivalents = [f / diagonal * FULL_FRAME_DIAGONAL_MM for f in (fx, fy)]
        if not all(map(is_focal_35mm, equivalents)) or not ASPECTS[0] <= fy / fx <= ASPECTS[1]:
            low, high = (limit / FULL_FRAME_DIAGONAL_MM * diagonal for limit in FOCAL_35MM)
            raise InputError(
                f"{name}: focal lengths of {fx:g} and {fy:g} are no plausible number of pixels for an image of "
                f"{camera.width}×{camera.height} px (expected {low:.0f} to {high:.0f}, nearly equal); {_likely_unit(fx)}"
            )


def _likely_unit(fx: float) -> str:
    if fx <= 0:
        return "focal lengths are above zero"
    if fx < 3:
        return "is K normalised by the image's size? Multiply it by the width and height"
    if fx < 60:
        return "is K in millimetres? Convert it to pixels"
    return "is K about an image of another size? State it with width and height in the file"


def observed_scores(scores: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Scores with those of keypoints that were not observed set to 0: not finite, or under `LEAST_SCORE`."""
    known = scores.isfinite() & (scores >= LEAST_SCORE)
    return torch.where(known, scores.nan_to_num(0.0), torch.zeros_like(scores)).clamp(max=1.0)
