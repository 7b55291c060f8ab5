"""Part map without a parser: the mask, divided into parts along the bones between keypoints.

Each pixel of the mask is assigned to the nearest bone, in units of the bone's thickness. The result is rough: there is
no depth order (arms before and behind the torso are treated alike) and no clothing outline. Part terms can then be used
without a parser; `Observation.source` names this origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from render_fit.core.parts import NBF_12
from render_fit.core.skeletons import Skeleton

MIN_CONFIDENCE = 0.3
"""Keypoints with less confidence are not used: most detections with scores below a third are wrong."""

# Lengths of SMPL's neutral rest pose, metres. The scale of the person in the image is computed from the least
# foreshortened bones.
_LENGTHS_M = {
    ("left_hip", "left_knee"): 0.38,
    ("right_hip", "right_knee"): 0.38,
    ("left_knee", "left_ankle"): 0.40,
    ("right_knee", "right_ankle"): 0.40,
    ("left_shoulder", "left_elbow"): 0.26,
    ("right_shoulder", "right_elbow"): 0.26,
    ("left_elbow", "left_wrist"): 0.25,
    ("right_elbow", "right_wrist"): 0.25,
    ("neck", "mid_hip"): 0.50,
}


@dataclass(frozen=True)
class _Bone:
    """Segment of a part between two points, extended beyond the second, with a thickness."""

    label: str
    start: str
    end: str
    radius_m: float
    beyond: float = 0.0


# Radii: half the limb breadths of ANSUR II's median adult, rounded to the centimetre. Hands and feet extend their limb
# by about half; the torso has bones along both sides and the middle.
_BONES = (
    _Bone("head", "face", "crown", 0.10),
    _Bone("neck", "neck", "face", 0.05, -0.6),
    *(_Bone("upper torso", f"{a}_shoulder", f"{a}_waist", 0.07) for a in ("left", "right")),
    _Bone("upper torso", "neck", "waist", 0.12),
    *(_Bone("lower torso", f"{a}_waist", f"{a}_hip", 0.08, -0.1) for a in ("left", "right")),
    _Bone("lower torso", "waist", "mid_hip", 0.13),
    *(_Bone(f"{a} upper arm", f"{a}_shoulder", f"{a}_elbow", 0.05) for a in ("left", "right")),
    *(_Bone(f"{a} lower arm", f"{a}_elbow", f"{a}_wrist", 0.04, 0.6) for a in ("left", "right")),
    *(_Bone(f"{a} upper leg", f"{a}_hip", f"{a}_knee", 0.08) for a in ("left", "right")),
    *(_Bone(f"{a} lower leg", f"{a}_knee", f"{a}_ankle", 0.055, 0.2) for a in ("left", "right")),
    *(_Bone(f"{a} lower leg", f"{a}_ankle", f"{a}_toes", 0.045, 0.3) for a in ("left", "right")),
)


def parts_from_keypoints(
    mask: Float[Tensor, "h w"],
    keypoints_px: Float[Tensor, "k 2"],
    confidence: Float[Tensor, "k"],
    skeleton: Skeleton,
) -> Int[Tensor, "h w"] | None:
    """Divides a mask into the 12 parts of NBF along the bones between keypoints.

    Args:
        mask: (H, W) in [0, 1].
        keypoints_px: (K, 2) pixels.
        confidence: (K,) in [0, 1].
        skeleton: Skeleton of the keypoints.

    Returns:
        (H, W) labels of `NBF_12`; None if too few keypoints are known to compute the scale of the person.
    """
    points = _points(keypoints_px, confidence, skeleton)
    sizes = sorted(
        float((points[a] - points[b]).norm()) / length
        for (a, b), length in _LENGTHS_M.items()
        if a in points and b in points
    )
    if not sizes or sizes[-1] <= 0:
        return None
    # the second largest: one bone may be wrong
    px_per_m = sizes[-2] if len(sizes) > 1 else sizes[-1]
    rows, columns = torch.nonzero(mask >= 0.5, as_tuple=True)
    pixels = torch.stack([columns, rows], dim=1).to(keypoints_px) + 0.5
    bones = [bone for bone in _BONES if bone.start in points and bone.end in points]
    if not bones or len(pixels) == 0:
        return None
    distances = torch.stack(
        [_distance(pixels, points[b.start], points[b.end], b.beyond) / (b.radius_m * px_per_m) for b in bones]
    )
    names = torch.tensor([NBF_12.labels.index(bone.label) for bone in bones])
    labels = torch.zeros(mask.shape, dtype=torch.long)
    labels[rows, columns] = names[distances.argmin(dim=0)]
    return labels


def _points(keypoints_px: Tensor, confidence: Tensor, skeleton: Skeleton) -> dict[str, Tensor]:
    """Usable keypoints by name, and the points derived from them."""
    known = {
        joint: keypoints_px[i] for i, joint in enumerate(skeleton.joints) if float(confidence[i]) >= MIN_CONFIDENCE
    }

    def add_mean(name: str, *others: str) -> None:
        there = [known[other] for other in others if other in known]
        if name not in known and len(there) == len(others):
            known[name] = torch.stack(there).mean(dim=0)

    add_mean("neck", "left_shoulder", "right_shoulder")
    add_mean("mid_hip", "left_hip", "right_hip")
    add_mean("waist", "neck", "mid_hip")
    for side in ("left", "right"):
        add_mean(f"{side}_waist", f"{side}_shoulder", f"{side}_hip")
        for toes in ("big_toe", "foot_index", "foot"):
            add_mean(f"{side}_toes", f"{side}_{toes}")
    ears = ("left_ear", "right_ear")
    for face in (ears, *(("nose", ear) for ear in ears), *((ear,) for ear in ears), ("nose",), ("jaw",), ("head",)):
        add_mean("face", *face)
    if "face" not in known and "head_top" in known:
        add_mean("face", "head_top", "neck")
    if "face" in known:
        add_mean("crown", "head_top")
        # the centre of the head is about 2.5 times nearer to its top than to the root of the neck
        known.setdefault("crown", known["face"] + 0.4 * (known["face"] - known.get("neck", known["face"])))
    return known


def _distance(pixels: Tensor, start: Tensor, end: Tensor, beyond: float) -> Tensor:
    """Distances of pixels to a segment that is extended beyond its end by a share of its length."""
    along = (end - start) * (1 + beyond)
    share = ((pixels - start) @ along / along.square().sum().clamp(min=1e-6)).clamp(0, 1)
    return (pixels - start - share[:, None] * along).norm(dim=1)
