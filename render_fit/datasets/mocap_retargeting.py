"""Retargeting of poses from CMU's skeleton to SMPL's.

Each SMPL joint follows one CMU bone. One constant rotation per joint, its *rest correction*, rotates SMPL's part from
SMPL's zero pose to CMU's base pose. For arms it is the shortest rotation between the bone directions, so that bone
directions are preserved. For other parts it preserves their meaning:

- **Legs**: CMU's are straight from hip to ankle, SMPL's are knock-kneed by 7 degrees. The line from hip to ankle is
  preserved, and SMPL's knee keeps its shape, so that it bends about x alone; thigh and shin deviate by 4 degrees each.
- **Upper arms** are also twisted, so that the axis of SMPL's elbow (y) agrees with CMU's, which is tilted.
- **Feet**: under an upright leg both skeletons' feet are flat, but SMPL's ankle-to-toe line is 12 degrees steeper,
  because its ankle sits higher. Soles stay parallel: the foot rotates with the leg, and only its heading is aligned.
- **Head and neck**: CMU's base pose looks up. The public BVH conversion of the database (cgspeed) adds 16 degrees
  of pitch at the head (5 at the upper neck) to level it; so does this module.
- **Trunk**: upright in both. CMU bends first at the root, SMPL 11 cm higher; so the pelvis takes a share of that bend,
  and the line from hips to neck is preserved.
- **Collars**: CMU's clavicles never move (its own solver froze them). SMPL's collar takes a share of each arm's
  swing, as a shoulder girdle does; the directions of arms do not change.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from render_fit.datasets.mocap_formats import BONES, global_rotations, twist_angle

SMPL_SOURCE = (
    *("root", "lfemur", "rfemur", "lowerback", "ltibia", "rtibia", "upperback", "lfoot", "rfoot", "thorax"),
    *("ltoes", "rtoes", "upperneck", "thorax", "thorax", "head", "lhumerus", "rhumerus", "lradius", "rradius"),
    *("lhand", "rhand", "lhand", "rhand"),
)
"""The CMU bone that each SMPL joint follows, in SMPL's order."""

LEG_ANGLE_DEG = 20.0  # between a leg of CMU's base pose and the vertical: every ASF file's "axis 0 0 20"
LEVEL_HEAD_DEG, LEVEL_NECK_DEG = 16.0, 5.0  # cgspeed's first frame: lowerneck -16, upperneck +21, head +11
PELVIS_SHARE = 0.4  # of the bend at CMU's root: keeps hips-to-neck within 5 degrees of the source (docs/pose_prior.md)
COLLAR_SHARE = 0.2  # of the arm's swing; an arm raised from hanging to overhead lifts the collar by 33 degrees
ELBOW_TILT_DEG = 30.0  # every ASF file's "axis 180 -30 90" of lhumerus; lradius turns about (0, -0.87, 0.5)
FOREARM_SHARE = 0.5  # of the forearm's twist at the elbow, the rest at the wrist: pronation runs along the forearm


def retarget(
    rotations: Float[np.ndarray, "n 31 3 3"],
    rest_offsets_m: Float[np.ndarray, "24 3"],
    parents: Sequence[int],
) -> Float[np.ndarray, "n 24 3"]:
    """SMPL poses with the bone directions of CMU's skeleton.

    Args:
        rotations: (n, 31, 3, 3) local rotations about CMU's base pose (see `read_source`).
        rest_offsets_m: (24, 3) rest-pose bones of SMPL, child minus parent, metres.
        parents: 24 parent indices; -1 for the pelvis.

    Returns:
        (n, 24, 3) local axis-angle, radians; that of the pelvis is in the source's world (y up). Hands (22, 23) are
        zero.
    """
    world = global_rotations(rotations)
    corrections = rest_corrections(rest_offsets_m)
    target = np.stack([world[:, BONES.index(bone)] @ corrections[j] for j, bone in enumerate(SMPL_SOURCE)], axis=1)
    along_x = np.array([1.0, 0.0, 0.0])
    tilt = PELVIS_SHARE * twist_angle(rotations[:, BONES.index("lowerback")], along_x)
    target[:, 0] = target[:, 0] @ Rotation.from_rotvec(tilt[:, None] * along_x).as_matrix()
    for side, collar, elbow in ((1.0, 13, 18), (-1.0, 14, 19)):
        axis = np.array([side, 0.0, 0.0])
        prefix = "l" if side > 0 else "r"
        turn = (1 - FOREARM_SHARE) * -np.radians(ELBOW_TILT_DEG)
        turn = turn + FOREARM_SHARE * twist_angle(rotations[:, BONES.index(prefix + "wrist")], along_x)
        along = Rotation.from_rotvec(turn[:, None] * along_x).as_matrix()
        target[:, elbow] = world[:, BONES.index(prefix + "radius")] @ along @ corrections[elbow]
        thorax = world[:, BONES.index("thorax")]
        shoulder = np.swapaxes(thorax, -1, -2) @ world[:, BONES.index(prefix + "humerus")]
        target[:, collar] = thorax @ _scale_angle(shortest_rotation(axis, shoulder @ axis), COLLAR_SHARE)
    local = target.copy()
    for joint, parent in enumerate(parents):
        if parent >= 0:
            local[:, joint] = np.swapaxes(target[:, parent], -1, -2) @ target[:, joint]
    return Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(-1, 24, 3)


def rest_corrections(rest_offsets_m: Float[np.ndarray, "24 3"]) -> Float[np.ndarray, "24 3 3"]:
    """Rotation of each SMPL part from SMPL's zero pose to CMU's base pose.

    Args:
        rest_offsets_m: (24, 3) rest-pose bones of SMPL, child minus parent, metres.

    Returns:
        (24, 3, 3) rotation matrices.
    """
    corrections = np.tile(np.eye(3), (24, 1, 1))
    angle = np.radians(LEG_ANGLE_DEG)
    for side, hip, knee, ankle, foot in ((1.0, 1, 4, 7, 10), (-1.0, 2, 5, 8, 11)):
        leg = np.array([side * np.sin(angle), -np.cos(angle), 0.0])
        line = rest_offsets_m[knee] + rest_offsets_m[ankle]
        for joint, end in ((hip, knee), (knee, ankle)):
            _, down, forward = rest_offsets_m[end]
            corrections[joint] = shortest_rotation(np.array([line[0] / line[1] * down, down, forward]), leg)
        heading = np.arctan2(rest_offsets_m[foot, 0], rest_offsets_m[foot, 2])  # CMU's is zero in the leg's frame
        turn = Rotation.from_rotvec([0.0, 0.0, side * angle]) * Rotation.from_rotvec([0.0, -heading, 0.0])
        corrections[ankle] = corrections[foot] = turn.as_matrix()
    for side, shoulder, elbow, wrist, hand in ((1.0, 16, 18, 20, 22), (-1.0, 17, 19, 21, 23)):
        along = np.array([side, 0.0, 0.0])
        tilt = Rotation.from_euler("x", -ELBOW_TILT_DEG, degrees=True).as_matrix()
        corrections[shoulder] = tilt @ shortest_rotation(rest_offsets_m[elbow], along)
        corrections[elbow] = shortest_rotation(rest_offsets_m[wrist], along)
        corrections[wrist] = corrections[hand] = shortest_rotation(rest_offsets_m[hand], along)
    corrections[12] = Rotation.from_euler("x", -LEVEL_NECK_DEG, degrees=True).as_matrix()
    corrections[15] = Rotation.from_euler("x", -LEVEL_HEAD_DEG, degrees=True).as_matrix()
    return corrections


def shortest_rotation(source: Float[np.ndarray, "3"], target: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3 3"]:
    """Rotations by the smallest angle between a direction and others.

    Args:
        source: (3,) direction of any length but zero.
        target: (*n, 3) directions of any length but zero, not opposite to `source`.

    Returns:
        (*n, 3, 3) rotation matrices.
    """
    a, b = source / np.linalg.norm(source), target / np.linalg.norm(target, axis=-1, keepdims=True)
    axis = np.cross(a, b)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    return Rotation.from_rotvec(axis / np.maximum(sine, 1e-9) * np.arctan2(sine, b @ a[:, None])).as_matrix()


def _scale_angle(rotations: np.ndarray, share: float) -> np.ndarray:
    return Rotation.from_rotvec(share * Rotation.from_matrix(rotations).as_rotvec()).as_matrix()
