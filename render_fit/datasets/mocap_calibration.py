"""Knee angles of motion capture, calibrated per person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from render_fit.core.skeletons import SMPL_24

STRAIGHTEST = 10
"""Percentile of a subject's straighter knee that counts as straight."""

FLIGHT = ("expmap_running",)
"""Actions in which no knee is ever straight; their straightest knee is bent by `FLIGHT_RAD`."""

FLIGHT_RAD = np.radians(12.0)
"""Set by hand."""

MAX_SHIFT_RAD = np.radians(20.0)
"""Largest shift: footballers, who are never seen to stand straight, would be shifted by more."""

HYPEREXTENDED_RAD = np.radians(-6.0)
"""Knees are not shifted below this angle: the smallest that CMU's skeletons allow, in SMPL's axes."""

SOLVER_LIMIT_RAD = np.radians(-4.4)
"""Knees below this angle rest on CMU's own limit; they do not say where the subject's straight knee is."""


def calibrate_knees(
    pose: Float[np.ndarray, "n 24 3"], subject: Sequence[str], upright: Bool[np.ndarray, "n"]
) -> Float[np.ndarray, "n 24 3"]:
    """Removes each subject's constant offset of the knee angle.

    CMU's skeletons place knees by markers, and the angle of a straight leg differs between subjects by 25°. Some people
    direct traffic with knees bent by 14 to 25°, and walkers keep 8 to 15° in late stance, where gait laboratories
    measure about 5°. SMPL's zero pose is the mean stance of scanned people, so a straight leg has angle 0. Each
    subject's straightest knees are shifted there. Thigh and foot follow, so that the ankle stays in the leg's line and
    the sole keeps its direction.

    Args:
        pose: (N, 24, 3) axis-angle of SMPL's joints, radians.
        subject: N names. One subject has one offset.
        upright: (N,) True where the trunk is upright: only these poses determine the offset.

    Returns:
        (N, 24, 3) calibrated poses.
    """
    result = pose.copy()
    knees = [SMPL_24.index(f"{side}_knee") for side in ("left", "right")]
    names = np.asarray(subject)
    for name in sorted(set(subject)):
        own = names == name
        straighter = pose[own & upright][:, knees, 0].min(axis=1)
        measured = straighter[(straighter > SOLVER_LIMIT_RAD) | (straighter < HYPEREXTENDED_RAD)]
        if len(measured) == 0:
            continue
        target = FLIGHT_RAD if name in FLIGHT else 0.0
        offset = float(np.clip(np.percentile(measured, STRAIGHTEST) - target, -MAX_SHIFT_RAD, MAX_SHIFT_RAD))
        for knee in knees:
            room = np.maximum(pose[own, knee, 0] - HYPEREXTENDED_RAD, 0.0)
            result[own] = bend_knee(result[own], knee, -np.minimum(offset, room))
    return result


def bend_knee(
    pose: Float[np.ndarray, "n 24 3"], knee: int, angle_rad: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n 24 3"]:
    """Bends one knee further; hip and ankle turn by half of it, so that ankle and sole keep their directions.

    Args:
        pose: (N, 24, 3) axis-angle of SMPL's joints, radians.
        knee: Index of the left or right knee.
        angle_rad: (N,) added flexion, radians; negative straightens.

    Returns:
        (N, 24, 3) poses.
    """
    hip, ankle = knee - 3, knee + 3
    sideways = np.zeros((len(pose), 2))
    full = Rotation.from_rotvec(np.column_stack([angle_rad, sideways]))
    half = Rotation.from_rotvec(np.column_stack([-angle_rad / 2, sideways]))
    result = pose.copy()
    result[:, hip] = (Rotation.from_rotvec(pose[:, hip]) * half).as_rotvec()
    result[:, knee] = (full * Rotation.from_rotvec(pose[:, knee])).as_rotvec()
    result[:, ankle] = (half * Rotation.from_rotvec(pose[:, ankle])).as_rotvec()
    return result
