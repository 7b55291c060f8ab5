"""Which values of a quantity can be true: one check for each quantity, called wherever such a value enters.

Without torch, so that mistakes in options are told at once. `core.cameras.check_camera` checks intrinsics by these
limits.
"""

from __future__ import annotations

from render_fit.core.errors import InputError

FOCAL_35MM = (8.0, 2000.0)
"""35 mm equivalent focal lengths of cameras, mm: from below the widest lenses without fisheye distortion (9 mm) to
telescopes. EXIF's ``FocalLength`` of phones, 3 to 7 mm of a small sensor, lies below."""

HEIGHT_M = (0.4, 2.8)
"""Standing heights of people, m: from newborns to above the tallest man on record (2.72 m)."""

WEIGHT_KG = (1.0, 650.0)
"""Weights of people, kg: from newborns to above the heaviest man on record (635 kg)."""

BODY_MASS_INDEX = (7.0, 200.0)
"""Weight over squared height of people who lived, kg/m²."""

LENGTH_M = (0.05, 4.0)
"""Girths and lengths of people, m: from a wrist of a newborn to above the largest waist on record (3.02 m)."""

LEAST_SCORE = 0.05
"""Scores under which a keypoint counts as not observed. OpenPose draws keypoints from this score on
(``--render_threshold``); what lies below is noise, at places that have nothing to do with the person."""

ASPECTS = (0.5, 2.0)
"""Ratio fy / fx of real cameras and of pictures that were stretched."""

HIGHEST_FPS = 10_000.0
"""Frames a second that no recording of a person exceeds."""


def check_fps(fps: float, name: str) -> None:
    """Raises InputError if a recording cannot have this number of frames a second; ``name`` begins the message."""
    if not 0 < fps <= HIGHEST_FPS:  # not a number fails too
        raise InputError(f"{name}: expected frames a second, above 0 and at most {HIGHEST_FPS:g}, got {fps:g}")


def check_height(height_m: float, name: str) -> None:
    """Raises InputError if no person is that high.

    Args:
        height_m: Standing height, m.
        name: Argument or file that it comes from, for the message.
    """
    low, high = HEIGHT_M
    if not low <= height_m <= high:  # not a number fails too
        raise InputError(f"{name}: expected the person's height in metres, between {low:g} and {high:g}")


def check_weight(weight_kg: float, name: str, height_m: float | None = None) -> None:
    """Raises InputError if no person weighs so much.

    Args:
        weight_kg: Weight, kg.
        name: Argument or file that it comes from, for the message.
        height_m: Standing height of the same person, m, if known.
    """
    low, high = WEIGHT_KG
    if not low <= weight_kg <= high:  # not a number fails too
        raise InputError(f"{name}: expected the person's weight in kilograms, between {low:g} and {high:g}")
    low, high = BODY_MASS_INDEX
    if height_m is not None and not low <= weight_kg / height_m**2 <= high:
        raise InputError(
            f"{name}: nobody of {height_m:g} m weighs so much; expected the person's weight in kilograms, for this "
            f"height between {low * height_m**2:.0f} and {high * height_m**2:.0f}"
        )


def check_length(length_m: float, name: str) -> None:
    """Raises InputError if no girth or length of a person is that long, m; ``name`` begins the message."""
    low, high = LENGTH_M
    if not low <= length_m <= high:  # not a number fails too
        raise InputError(f"{name}: expected metres, between {low:g} and {high:g}")


def is_focal_35mm(focal_35mm: float) -> bool:
    """Whether a camera can have this 35 mm equivalent focal length, mm."""
    return FOCAL_35MM[0] <= focal_35mm <= FOCAL_35MM[1]


def check_focal_35mm(focal_35mm: float, name: str) -> None:
    """Raises InputError if no camera has this 35 mm equivalent focal length, mm; ``name`` begins the message."""
    if not is_focal_35mm(focal_35mm):
        raise InputError(
            f"{name}: expected the focal length on 35 mm film, {FOCAL_35MM[0]:g} to {FOCAL_35MM[1]:g} mm; the "
            "lens's own focal length on a small sensor is several times shorter (see FocalLengthIn35mmFilm in EXIF)"
        )
