"""The joints of marker-based skeletons as points between the joints and landmarks of a body.

Human3.6M's joints are not SMPL's: its hips lie 27 cm apart on the pelvis's height, its shoulders 26 cm, its head ends
below the crown; a torso from mid-hip to mid-shoulder measures 41 cm where SMPL's clicked points are 51 cm apart.
Used as SMPL's joints, they bend and shrink the fitted body.

Each point is a weighted sum whose weights sum to 1, so it moves with the body like any point of it.

Source: mean positions of the joints of two Human3.6M frames (subjects 1 and 7) in the frames of the pelvis and the
chest, after the open body was put in the ground truth's SMPL pose and its knees, ankles, elbows and wrists aligned by a
similarity; both sides averaged. The residual of those joints after the alignment is 1 to 5 cm. Only the head's end is
set 1 cm above its measured position, towards its distance from the thorax in the two frames (16 and 19 cm).
"""

from __future__ import annotations

from collections.abc import Mapping

from render_fit.core.skeletons import mirrored_name


def _both_sides(name: str, weights: Mapping[str, float]) -> dict[str, Mapping[str, float]]:
    return {name: weights, mirrored_name(name): {mirrored_name(point): weight for point, weight in weights.items()}}


MARKER_JOINTS: Mapping[str, Mapping[str, float]] = {
    "marker_pelvis": {"pelvis": 0.58, "left_hip": 0.21, "right_hip": 0.21},
    **_both_sides("marker_left_hip", {"pelvis": 0.58, "left_hip": 1.16, "right_hip": -0.74}),
    **_both_sides("marker_left_shoulder", {"left_shoulder": 0.7075, "right_shoulder": -0.0275, "neck": 0.32}),
    "marker_spine": {"spine1": 0.3, "spine2": 0.7},
    "marker_thorax": {"spine3": 0.18, "neck": 0.82},
    "marker_nose": {"head": 0.45, "chin": 0.55},
    "marker_head": {"head": 0.55, "head_top": 0.45},
}
"""For each point, the weights of the joints and landmarks that it lies between; they sum to 1."""
