"""Named everyday poses, for scenes without motion capture.

Angles are degrees about the axes of SMPL's zero pose (a T with palms down; x to the person's left, y up,
z forward), relative to the parent joint. `_both` gives both sides the same angles.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.skeletons import SMPL_24

Angles = tuple[int, int, int]

# Signs: a positive x bends the spine forward and a knee backward, a negative x lifts a thigh forward;
# z lowers the left arm when negative; y bends the left elbow forward when negative. `_both` mirrors y and z.


def _both(**joints: Angles) -> dict[str, Angles]:
    """Angles of the left side by joint, and their mirror images for the right side."""
    pose = {}
    for joint, (x, y, z) in joints.items():
        pose[f"left_{joint}"] = (x, y, z)
        pose[f"right_{joint}"] = (x, -y, -z)
    return pose


_ARMS_DOWN = _both(collar=(0, 0, -6), shoulder=(8, -4, -68), elbow=(0, -12, 0))

EVERYDAY_POSES: dict[str, dict[str, Angles]] = {
    "standing": _ARMS_DOWN,
    "attention": _both(collar=(0, 0, -8), shoulder=(5, 0, -76), elbow=(0, -6, 0)),
    "a_pose": _both(shoulder=(0, 0, -42), hip=(0, 0, 6)),
    "t_pose": {},
    "relaxed_weight_on_one_leg": {
        **_ARMS_DOWN,
        "left_hip": (-14, 10, 7),
        "left_knee": (20, 0, 0),
        "right_hip": (0, 0, 3),
        "spine1": (0, 0, -4),
        "spine2": (2, 6, 0),
        "head": (8, 12, 0),
    },
    "walking": {
        **_ARMS_DOWN,
        "left_hip": (-28, 0, 2),
        "left_knee": (12, 0, 0),
        "right_hip": (18, 0, -2),
        "right_knee": (22, 0, 0),
        "right_ankle": (12, 0, 0),
        "left_shoulder": (14, 24, -66),
        "right_shoulder": (14, 26, 66),
        "right_elbow": (0, 24, 0),
        "spine2": (3, 8, 0),
    },
    "striding": {
        "left_hip": (-42, 0, 3),
        "left_knee": (25, 0, 0),
        "right_hip": (26, 0, -2),
        "right_knee": (30, 0, 0),
        "right_ankle": (14, 0, 0),
        "left_collar": (0, 10, -6),
        "left_shoulder": (10, 34, -62),
        "left_elbow": (0, -40, 0),
        "right_collar": (0, 10, 6),
        "right_shoulder": (10, 36, 62),
        "right_elbow": (0, 48, 0),
        "spine1": (6, 0, 0),
        "spine2": (3, -12, 0),
    },
    "arms_up": _both(collar=(0, 0, 18), shoulder=(0, -10, 58), elbow=(0, -14, 0)),
    "arms_forward": _both(collar=(0, -12, 0), shoulder=(0, -68, -8), elbow=(0, -12, 0)),
    "waving": {
        **_ARMS_DOWN,
        "right_collar": (0, 4, -10),
        "right_shoulder": (-72, 14, 8),
        "right_elbow": (0, 82, 0),
        "head": (0, -8, 3),
    },
    "hands_on_hips": {
        **_both(collar=(0, 0, -4), shoulder=(61, -24, -51), elbow=(0, -88, 0)),
        "left_hip": (0, 0, 7),
        "right_hip": (0, 0, -7),
    },
    "arms_crossed_low": _both(collar=(0, -8, -6), shoulder=(20, -32, -60), elbow=(0, -78, 0)),
    "pointing": {
        **_ARMS_DOWN,
        "left_collar": (0, -6, 0),
        "left_shoulder": (0, -36, 6),
        "left_elbow": (0, -8, 0),
        "head": (0, 24, 0),
        "spine3": (0, 8, 0),
    },
    "one_leg_up": {
        **_both(collar=(0, 0, -2), shoulder=(0, -12, -30), elbow=(0, -14, 0)),
        "left_hip": (-78, 0, 6),
        "left_knee": (84, 0, 0),
        "right_hip": (0, 0, -3),
    },
    "side_kick": {
        **_both(shoulder=(0, -24, -38), elbow=(0, -56, 0)),
        "left_hip": (-14, 0, 56),
        "left_knee": (10, 0, 0),
        "spine1": (0, 0, 14),
        "right_hip": (0, 0, -4),
    },
    "lunge": {
        **_both(shoulder=(10, 8, -60), elbow=(0, -30, 0)),
        "left_hip": (-72, 0, 4),
        "left_knee": (76, 0, 0),
        "right_hip": (28, 0, -4),
        "right_knee": (48, 0, 0),
        "right_ankle": (20, 0, 0),
    },
    "squat": {
        **_both(collar=(0, -10, 0), shoulder=(0, -64, -10), elbow=(0, -16, 0)),
        "pelvis": (26, 0, 0),
        **_both(hip=(-106, 12, 14), knee=(112, 0, 0), ankle=(-30, 0, 0)),
        "spine1": (6, 0, 0),
        "spine2": (4, 0, 0),
        "head": (-14, 0, 0),
    },
    "sitting": {
        **_both(collar=(0, 0, -6), shoulder=(-8, -24, -64), elbow=(0, -42, 0)),
        **_both(hip=(-84, 4, 6), knee=(86, 0, 0)),
        "spine1": (6, 0, 0),
    },
    "bowing": {
        **_both(shoulder=(4, -20, -66), elbow=(0, -16, 0)),
        "pelvis": (44, 0, 0),
        **_both(hip=(-44, 0, 2)),
        "spine1": (14, 0, 0),
        "spine2": (10, 0, 0),
        "neck": (8, 0, 0),
    },
    "throwing": {
        "right_collar": (0, 12, -10),
        "right_shoulder": (-62, 8, -10),
        "right_elbow": (0, 78, 0),
        "left_shoulder": (0, -50, -8),
        "left_elbow": (0, -10, 0),
        "left_hip": (-26, 0, 6),
        "left_knee": (16, 0, 0),
        "right_hip": (14, 0, -6),
        "right_knee": (14, 0, 0),
        "spine2": (0, -20, 0),
        "spine3": (0, -10, 0),
    },
    "dancing": {
        "left_shoulder": (0, -14, 34),
        "left_elbow": (0, -36, 0),
        "right_shoulder": (0, 10, 22),
        "right_elbow": (0, 46, 0),
        "left_hip": (-30, 18, 18),
        "left_knee": (48, 0, 0),
        "right_hip": (0, 0, -6),
        "spine1": (0, 0, -8),
        "spine2": (0, 12, -4),
    },
}


def everyday_pose(name: str) -> Float[Tensor, "24 3"]:
    """Axis-angle of one of ``EVERYDAY_POSES``.

    Args:
        name: Key of ``EVERYDAY_POSES``.

    Returns:
        (24, 3) radians, SMPL-24 order; the angles of a joint are one rotation vector. The pelvis is in the body's own
        axes and leans in poses that do (bowing).
    """
    pose = torch.zeros(24, 3)
    for joint, angles in EVERYDAY_POSES[name].items():
        pose[SMPL_24.index(joint)] = torch.tensor([math.radians(angle) for angle in angles])
    return pose
