"""The joints of marker-based skeletons as points between the joints and landmarks of a body.

Human3.6M's joints are not SMPL's: its hips lie 27 cm apart on the pelvis's height, its shoulders 26 cm, its head ends
below the crown; a torso from mid-hip to mid-shoulder measures 41 cm where SMPL's clicked points are 51 cm apart.
Taken for SMPL's, they bend and shrink the body that is fitted to them.

Each point is a weighted sum whose weights sum to 1, so it moves with the body like any point of it.

Source: median positions of the joints of two Human3.6M frames (subjects 1 and 7) in the frames of the pelvis and the
chest, after the ground truth's SMPL pose was put on the open body and its limbs aligned; both sides averaged. What is
left of the limbs' joints after that alignment is 2 to 4 cm.
"""

from __future__ import annotations

from collections.abc import Mapping


def _both_sides(name: str, left: Mapping[str, float]) -> dict[str, Mapping[str, float]]:
    swap = {"left": "right", "right": "left"}
    right = {"_".join(swap.get(word, word) for word in point.split("_")): weight for point, weight in left.items()}
    return {f"left_{name}": left, f"right_{name}": right}


MARKER_JOINTS: Mapping[str, Mapping[str, float]] = {
    "marker_pelvis": {"pelvis": 0.58, "left_hip": 0.21, "right_hip": 0.21},
    **_both_sides("marker_hip", {"pelvis": 0.58, "left_hip": 1.16, "right_hip": -0.74}),
    **_both_sides("marker_shoulder", {"left_shoulder": 0.7075, "right_shoulder": -0.0275, "neck": 0.32}),
    "marker_spine": {"spine1": 0.3, "spine2": 0.7},
    "marker_thorax": {"spine3": 0.18, "neck": 0.82},
    "marker_nose": {"head": 0.45, "chin": 0.55},
    "marker_head": {"head": 0.55, "head_top": 0.45},
}
"""Name of the point to the weights of the joints and landmarks that it lies between; weights sum to 1."""
