"""Observations made wrong in the ways that observers and files are: by degrees, on purpose and repeatably."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy import ndimage

from render_fit.observations.observation import Observation, box_of_keypoints, box_of_mask, box_union


def keypoint_jitter(seen: Observation, share: float, rng: np.random.Generator) -> Observation:
    """Gaussian noise on the keypoints; its deviation per axis is a share of the box's longer side."""
    assert seen.keypoints_px is not None
    noise = torch.from_numpy(rng.standard_normal(seen.keypoints_px.shape)).to(seen.keypoints_px)
    return replace(seen, keypoints_px=seen.keypoints_px + share * max(seen.box[2:]) * noise)


def sides_swapped(seen: Observation) -> Observation:
    """Left and right exchanged in all keypoints."""
    assert seen.keypoints_px is not None and seen.confidence is not None and seen.skeleton is not None
    swap = list(seen.skeleton.left_right_swap)
    return replace(seen, keypoints_px=seen.keypoints_px[swap], confidence=seen.confidence[swap])


def limb_on_other_side(seen: Observation, rng: np.random.Generator) -> Observation:
    """The lower two keypoints of an arm or a leg moved onto those of the other side, the better seen one."""
    assert seen.keypoints_px is not None and seen.confidence is not None and seen.skeleton is not None
    skeleton, confidence = seen.skeleton, seen.confidence
    limb = (("elbow", "wrist"), ("knee", "ankle"))[int(rng.integers(2))]
    sides = [[skeleton.index(f"{side}_{joint}") for joint in limb] for side in ("left", "right")]
    moved, onto = sorted(sides, key=lambda joints: float(confidence[joints].sum()))
    points, confidence = seen.keypoints_px.clone(), confidence.clone()
    points[moved], confidence[moved] = points[onto], confidence[onto]
    return replace(seen, keypoints_px=points, confidence=confidence)


def keypoints_missing(seen: Observation, rng: np.random.Generator) -> Observation:
    """Half of the annotated keypoints, drawn by lot, not annotated."""
    assert seen.confidence is not None
    annotated = torch.nonzero(seen.confidence > 0).flatten().numpy()
    confidence = seen.confidence.clone()
    confidence[torch.from_numpy(rng.choice(annotated, len(annotated) // 2, replace=False))] = 0.0
    return replace(seen, confidence=confidence)


def mask_shifted(seen: Observation, share: float, rng: np.random.Generator) -> Observation:
    """The mask moved, along both axes and either way, by a share of its box's width and height."""
    assert seen.mask is not None
    right, down = (round(int(rng.choice((-1, 1))) * share * side) for side in seen.box[2:])
    mask = ndimage.shift(seen.mask.numpy(), (down, right), order=0)
    return replace(seen, mask=torch.from_numpy(mask))


def lower_half_cut(seen: Observation) -> Observation:
    """The mask without what lies under the middle of its box."""
    assert seen.mask is not None
    mask = seen.mask.clone()
    mask[round(seen.box[1] + seen.box[3] / 2) :] = 0.0
    return replace(seen, mask=mask)


def mask_dilated(seen: Observation, share: float) -> Observation:
    """The mask grown on all sides by a share of its box's longer side, as by a loose coat."""
    assert seen.mask is not None
    distance_px = np.asarray(ndimage.distance_transform_edt(seen.mask.numpy() < 0.5))
    return replace(seen, mask=torch.from_numpy((distance_px <= share * max(seen.box[2:])).astype(np.float32)))


PERTURBATIONS: dict[str, Callable[[Observation, Observation, np.random.Generator], Observation]] = {
    "nothing": lambda seen, other, rng: seen,
    "keypoints 3 % off": lambda seen, other, rng: keypoint_jitter(seen, 0.03, rng),
    "keypoints 6 % off": lambda seen, other, rng: keypoint_jitter(seen, 0.06, rng),
    "keypoints 12 % off": lambda seen, other, rng: keypoint_jitter(seen, 0.12, rng),
    "left and right swapped": lambda seen, other, rng: sides_swapped(seen),
    "limb on the other": lambda seen, other, rng: limb_on_other_side(seen, rng),
    "keypoints of another": lambda seen, other, rng: replace(
        seen, keypoints_px=other.keypoints_px, confidence=other.confidence
    ),
    "half of the keypoints": lambda seen, other, rng: keypoints_missing(seen, rng),
    "mask shifted": lambda seen, other, rng: mask_shifted(seen, 0.25, rng),
    "mask without lower half": lambda seen, other, rng: lower_half_cut(seen),
    "mask of another": lambda seen, other, rng: replace(seen, mask=other.mask),
    "mask 6 % wider": lambda seen, other, rng: mask_dilated(seen, 0.06),
}
"""Name → the observation made wrong, from itself, that of another view and a source of chance."""


def perturb(kind: str, seen: Observation, other: Observation, rng: np.random.Generator) -> Observation:
    """An observation with one of the `PERTURBATIONS`, and the box that `observe` would give it."""
    made = PERTURBATIONS[kind](seen, other, rng)
    assert made.mask is not None and made.keypoints_px is not None and made.confidence is not None
    box = box_union(box_of_mask(made.mask), box_of_keypoints(made.keypoints_px, made.confidence))
    return replace(made, box=box or seen.box)
