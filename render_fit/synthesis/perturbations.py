"""Perturbations of one observation, graded and repeatable: the typical errors of observers and files, for evaluation.

For random errors of training batches see `observation_noise`. Distances come from scipy: they are exact and Euclidean,
and no gradient is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from kornia.geometry.transform import translate
from scipy import ndimage

from render_fit.observations.observation import Observation, box_of_keypoints, box_of_mask, box_union


def jitter_keypoints(original: Observation, share: float, rng: np.random.Generator) -> Observation:
    """Adds Gaussian noise to keypoints; the standard deviation per axis is a share of the box's longer side."""
    assert original.keypoints_px is not None
    noise = torch.from_numpy(rng.standard_normal(original.keypoints_px.shape)).to(original.keypoints_px)
    return replace(original, keypoints_px=original.keypoints_px + share * max(original.box[2:]) * noise)


def swap_sides(original: Observation) -> Observation:
    """Exchanges left and right in all keypoints."""
    assert original.keypoints_px is not None and original.confidence is not None and original.skeleton is not None
    swap = list(original.skeleton.left_right_swap)
    return replace(original, keypoints_px=original.keypoints_px[swap], confidence=original.confidence[swap])


def move_limb_to_other_side(original: Observation, rng: np.random.Generator) -> Observation:
    """Moves the lower two keypoints of an arm or a leg onto those of the side with the higher confidence."""
    assert original.keypoints_px is not None and original.confidence is not None and original.skeleton is not None
    skeleton, confidence = original.skeleton, original.confidence
    limb = (("elbow", "wrist"), ("knee", "ankle"))[int(rng.integers(2))]
    sides = [[skeleton.index(f"{side}_{joint}") for joint in limb] for side in ("left", "right")]
    moved, onto = sorted(sides, key=lambda joints: float(confidence[joints].sum()))
    points, confidence = original.keypoints_px.clone(), confidence.clone()
    points[moved], confidence[moved] = points[onto], confidence[onto]
    return replace(original, keypoints_px=points, confidence=confidence)


def drop_keypoints(original: Observation, rng: np.random.Generator) -> Observation:
    """Removes a random half of the annotated keypoints."""
    assert original.confidence is not None
    annotated = torch.nonzero(original.confidence > 0).flatten().numpy()
    confidence = original.confidence.clone()
    confidence[torch.from_numpy(rng.choice(annotated, len(annotated) // 2, replace=False))] = 0.0
    return replace(original, confidence=confidence)


def shift_mask(original: Observation, share: float, rng: np.random.Generator) -> Observation:
    """Moves the mask along both axes, in a random direction, by a share of its box's width and height."""
    assert original.mask is not None
    right, down = (round(int(rng.choice((-1, 1))) * share * side) for side in original.box[2:])
    offset = torch.tensor([[right, down]], dtype=original.mask.dtype)
    return replace(original, mask=translate(original.mask[None, None], offset, mode="nearest")[0, 0])


def cut_lower_half(original: Observation) -> Observation:
    """Removes the part of the mask below the middle of its box."""
    assert original.mask is not None
    mask = original.mask.clone()
    mask[round(original.box[1] + original.box[3] / 2) :] = 0.0
    return replace(original, mask=mask)


def dilate_mask(original: Observation, share: float) -> Observation:
    """Dilates the mask on all sides by a share of its box's longer side, as a loose coat does."""
    assert original.mask is not None
    distance_px = np.asarray(ndimage.distance_transform_edt(original.mask.numpy() < 0.5))
    return replace(original, mask=torch.from_numpy((distance_px <= share * max(original.box[2:])).astype(np.float32)))


PERTURBATIONS: dict[str, Callable[[Observation, Observation, np.random.Generator], Observation]] = {
    "nothing": lambda own, other, rng: own,
    "keypoints 3 % off": lambda own, other, rng: jitter_keypoints(own, 0.03, rng),
    "keypoints 6 % off": lambda own, other, rng: jitter_keypoints(own, 0.06, rng),
    "keypoints 12 % off": lambda own, other, rng: jitter_keypoints(own, 0.12, rng),
    "left and right swapped": lambda own, other, rng: swap_sides(own),
    "limb on the other": lambda own, other, rng: move_limb_to_other_side(own, rng),
    "keypoints of another": lambda own, other, rng: replace(
        own, keypoints_px=other.keypoints_px, confidence=other.confidence
    ),
    "half of the keypoints": lambda own, other, rng: drop_keypoints(own, rng),
    "mask shifted": lambda own, other, rng: shift_mask(own, 0.25, rng),
    "mask without lower half": lambda own, other, rng: cut_lower_half(own),
    "mask of another": lambda own, other, rng: replace(own, mask=other.mask),
    "mask 6 % wider": lambda own, other, rng: dilate_mask(own, 0.06),
}
"""Name → perturbation of an original, given the observation of another view and a source of randomness."""


def perturb(original: Observation, kind: str, other: Observation, rng: np.random.Generator) -> Observation:
    """Applies one of the `PERTURBATIONS` and computes the box as `observe` does.

    Args:
        original: Observation with mask and keypoints.
        kind: Key of `PERTURBATIONS`.
        other: Observation of another view, for the perturbations that exchange masks or keypoints.
        rng: Source of randomness.
    """
    perturbed = PERTURBATIONS[kind](original, other, rng)
    assert perturbed.mask is not None and perturbed.keypoints_px is not None and perturbed.confidence is not None
    box = box_union(box_of_mask(perturbed.mask), box_of_keypoints(perturbed.keypoints_px, perturbed.confidence))
    return replace(perturbed, box=box or original.box)
