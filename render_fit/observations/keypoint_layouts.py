"""Orders in which tools list a person's keypoints, and which of them a list of numbers is in.

The number of points rarely tells the order alone: OpenPose's BODY_25 and BODY_25B both have 25, COCO and Human3.6M 17.
Bones do: read in a wrong order, they run all over the person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.skeletons import BODY_25, COCO_17, H36M_17, LSP_14, MEDIAPIPE_33, SMPL_24, Skeleton

MUCH_SHORTER = 0.8
"""Ratio of mean bone lengths from which another order than the commonest one is taken. For COCO's people in every known
order, the right one has 0.43 to 0.86 of the next, but COCO's own up to 1.12 of Human3.6M's: it is the commonest."""

MIN_BONES = 4
"""Bones that an order needs to be judged by."""

LINE = 0.05
"""Ratio of the extents of points that lie on a line."""

_BONES = [
    pair
    for side in ("left", "right")
    for chain in (f"{side}_shoulder {side}_elbow {side}_wrist", f"{side}_hip {side}_knee {side}_ankle")
    for pair in pairwise(chain.split())
] + [
    *(("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("left_eye", "right_eye")),
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (("shoulder", "hip"), ("eye", "ear"))),
    *(("nose", f"{side}_eye") for side in ("left", "right")),
]  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """An order of keypoints.

    Attributes:
        name: What its tool calls it.
        skeleton: Skeleton that its points are read into.
        joints: Joint of the skeleton for each point; empty for points that the skeleton lacks.
    """

    name: str
    skeleton: Skeleton
    joints: tuple[str, ...]

    def read(self, rows: Float[Tensor, "n 3"]) -> Float[Tensor, "k 3"]:
        """Rows x, y, score in the skeleton's order; score 0 for joints that this order lacks."""
        placed = torch.zeros(len(self.skeleton), 3)
        for row, joint in zip(rows, self.joints, strict=True):
            if joint:
                placed[self.skeleton.index(joint)] = row
        return placed

    def mean_bone(self, rows: Float[Tensor, "n 3"]) -> float | None:
        """Mean length of the observed bones in this order, as a share of the person's longer side; None if too few, or
        all on one line."""
        observed = {
            j: xy for j, (xy, score) in zip(self.joints, ((r[:2], r[2]) for r in rows), strict=True) if score > 0
        }
        lengths = [float((observed[a] - observed[b]).norm()) for a, b in _BONES if a in observed and b in observed]
        seen = rows[rows[:, 2] > 0, :2]
        if len(lengths) < MIN_BONES or _on_a_line(seen):
            return None
        return sum(lengths) / len(lengths) / max(1e-6, float((seen.amax(0) - seen.amin(0)).max()))


def _on_a_line(points: Float[Tensor, "n 2"]) -> bool:
    """Whether points have next to no extent across their longest direction, which leaves any order possible."""
    extents = torch.linalg.svdvals(points - points.mean(dim=0))
    return float(extents[-1]) < LINE * float(extents[0])


def _layout(name: str, skeleton: Skeleton, joints: Sequence[str]) -> Layout:
    return Layout(name, skeleton, tuple(joint if joint in skeleton.joints else "" for joint in joints))


_FEET = [f"{side}_{point}" for side in ("left", "right") for point in ("big_toe", "small_toe", "heel")]
_FEET_BY_POINT = [f"{side}_{point}" for point in ("big_toe", "small_toe", "heel") for side in ("left", "right")]
_HALPE = [*COCO_17.joints, "", "neck", "mid_hip", *_FEET_BY_POINT]
_ARMS = [f"{side}_{point}" for side in ("right", "left") for point in ("shoulder", "elbow", "wrist")]
_LEGS = [f"{side}_{point}" for side in ("right", "left") for point in ("hip", "knee", "ankle")]
_OPENPOSE_18 = ["nose", "neck", *_ARMS, *_LEGS, "right_eye", "left_eye", "right_ear", "left_ear"]

_ALL = (
    _layout("COCO", COCO_17, COCO_17.joints),
    _layout("Human3.6M", H36M_17, H36M_17.joints),
    _layout("OpenPose's COCO-18", BODY_25, _OPENPOSE_18),
    _layout("COCO with the neck at the end", BODY_25, [*COCO_17.joints, "neck"]),
    _layout("OpenPose's BODY_25", BODY_25, BODY_25.joints),
    # openpose, output.md and poseParameters.cpp: POSE_BODY_25B_BODY_PARTS; its neck lies higher than BODY_25's
    _layout("OpenPose's BODY_25B", BODY_25, [*COCO_17.joints, "", "", *_FEET]),
    _layout("Halpe 26", BODY_25, _HALPE),  # AlphaPose, docs/output.md
    _layout("Halpe 136", BODY_25, [*_HALPE, *[""] * 110]),
    _layout("COCO-WholeBody", BODY_25, [*COCO_17.joints, *_FEET, *[""] * 110]),
    _layout("MediaPipe", MEDIAPIPE_33, MEDIAPIPE_33.joints),
    _layout("LSP", LSP_14, LSP_14.joints),
    _layout("OpenPose's MPI", LSP_14, ["head_top", "neck", *_ARMS, *_LEGS, ""]),
    _layout(
        "MPII",
        LSP_14,
        [*LSP_14.joints[:6], "", "", "neck", "head_top", *LSP_14.joints[6:12]],
    ),
    _layout("SMPL", SMPL_24, SMPL_24.joints),
)

LAYOUTS: dict[int, tuple[Layout, ...]] = {
    count: tuple(layout for layout in _ALL if len(layout.joints) == count)
    for count in sorted({len(layout.joints) for layout in _ALL})
}
"""Known orders by their number of points, the commonest first."""


def likely_layout(rows: Float[Tensor, "n 3"]) -> tuple[Layout, str]:
    """The order that a person's keypoints are in.

    Args:
        rows: (N, 3) x, y, score as the file lists them, N a key of `LAYOUTS`.

    Returns:
        The commonest order of so many points, or one in which the bones are much shorter; and a sentence if it is not
        the commonest.
    """
    usual, *others = LAYOUTS[len(rows)]
    length = usual.mean_bone(rows)
    found = [(other.mean_bone(rows), other) for other in others]
    best = min(((bone, other) for bone, other in found if bone is not None), default=None, key=lambda pair: pair[0])
    if length is None or best is None or best[0] > MUCH_SHORTER * length:
        return usual, ""
    layout = best[1]
    order = f"{layout.name}, in which the limbs hang together, not of {usual.name}"
    return layout, f"its keypoints were read in the order of {order}"
