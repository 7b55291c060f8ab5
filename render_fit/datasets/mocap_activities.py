"""Activities of motion-capture poses, by geometry."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from render_fit.core.skeletons import SMPL_24

Activity = Literal["standing", "walking", "crouching", "bending", "other"]
ACTIVITIES: tuple[Activity, ...] = get_args(Activity)


def knee_flexion(positions_m: Float[np.ndarray, "n 24 3"]) -> Float[np.ndarray, "n 2"]:
    """Angles between thigh and shin, left and right.

    Args:
        positions_m: (N, 24, 3) joint positions in any frame, metres.

    Returns:
        (N, 2) radians, 0 for a straight line. In SMPL's zero pose it is 0.16 (9°).
    """
    sides = [[SMPL_24.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle")] for side in ("left", "right")]
    hip, knee, ankle = (positions_m[:, list(joints)] for joints in zip(*sides, strict=True))
    return angle_between(knee - hip, ankle - knee)


def trunk_tilt(positions_m: Float[np.ndarray, "n 24 3"]) -> Float[np.ndarray, "n"]:
    """Angle of the trunk (middle of the hips to neck) from the vertical.

    Args:
        positions_m: (N, 24, 3) joint positions, y up, metres.

    Returns:
        (N,) radians.
    """
    left, right, neck = (positions_m[:, SMPL_24.index(joint)] for joint in ("left_hip", "right_hip", "neck"))
    return angle_between(neck - (left + right) / 2, np.array([0.0, 1.0, 0.0]))


def classify(positions_m: Float[np.ndarray, "n 24 3"]) -> tuple[Activity, ...]:
    """Names the activity of poses.

    Standing: trunk within 20° of the vertical, both knees within 28° of straight, feet level and less than 0.42 leg
    lengths apart. Walking: trunk within 30°, one knee within 35°, feet at most 1.1 leg lengths apart. Crouching: both
    knees bent by 55° or more, hips low. Bending: trunk 45° or more from the vertical. The last that applies counts.

    Args:
        positions_m: (N, 24, 3) joint positions of people who stand upright in y, metres.

    Returns:
        N names.
    """
    left_hip, right_hip, knee, left_ankle, right_ankle = (
        positions_m[:, SMPL_24.index(joint)]
        for joint in ("left_hip", "right_hip", "left_knee", "left_ankle", "right_ankle")
    )
    leg = np.linalg.norm(knee - left_hip, axis=1) + np.linalg.norm(left_ankle - knee, axis=1)
    height = (left_hip[:, 1] + right_hip[:, 1]) / 2 - np.minimum(left_ankle[:, 1], right_ankle[:, 1])
    raised, steps = height / leg, (left_ankle - right_ankle) / leg[:, None]
    apart, uneven = np.linalg.norm(steps[:, [0, 2]], axis=1), np.abs(steps[:, 1])
    straighter, bent = np.degrees(np.sort(knee_flexion(positions_m), axis=1)).T
    tilt = np.degrees(trunk_tilt(positions_m))
    found = np.full(len(positions_m), "other", dtype="<U9")
    found[(tilt < 30) & (straighter < 35) & (bent < 80) & (raised > 0.85) & (apart < 1.1) & (uneven < 0.45)] = "walking"
    found[(tilt < 20) & (bent < 28) & (apart < 0.42) & (uneven < 0.08)] = "standing"
    found[(straighter > 55) & (raised < 0.8) & (tilt < 90)] = "crouching"
    found[tilt >= 45] = "bending"
    return tuple(found.tolist())


def angle_between(a: Float[np.ndarray, "*#n 3"], b: Float[np.ndarray, "*#n 3"]) -> Float[np.ndarray, "*n"]:
    """Angles between vectors, radians; both arguments are broadcast."""
    cosine = (a * b).sum(axis=-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    return np.arccos(cosine.clip(-1, 1))
