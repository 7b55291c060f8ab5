"""Files about one person compared with one another: what contradicts itself is told in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.core.errors import InputError
from render_fit.core.skeletons import SMPL_24
from render_fit.observations.observation import Box, Observation, box_of_keypoints, box_of_mask, box_overlap

ROOM = 0.05
"""Keypoints this far outside of a mask still belong to it, as a share of the longer side of the mask's box."""

APART, DOUBTFUL = 0.2, 0.5
"""Share of the keypoints' scores inside of a mask under which both are about different people, and under which that is
told. Of the 19 people of COCO the lowest share is 0.87."""

UNLIKELY = 0.05
"""Probability of a label on a part, relative to the part that it is likeliest on, under which it is none of that part;
below that of a confused side (`core.parts.WRONG_SIDE_SHARE`)."""

CONTRADICTING, LEAST_COUNTED = 0.4, 5
"""Share of the keypoints on labels of other parts from which a label map contradicts them, and keypoints needed for
it."""

_PARTS_AT = {
    "shoulder": ("collar", "shoulder", "spine3"),
    "elbow": ("shoulder", "elbow"),
    "wrist": ("elbow", "wrist", "hand"),
    "hip": ("pelvis", "hip", "spine1"),
    "knee": ("hip", "knee"),
    "ankle": ("knee", "ankle", "foot"),
    **{point: ("head", "neck") for point in ("nose", "eye", "ear")},
}
"""SMPL's parts that meet at a keypoint."""

HIDDEN = 0.95
"""Share of a mask that occluders cover from which nothing of the person is left to fit to."""


@dataclass(frozen=True)
class Named:
    """A file's content about a person.

    Attributes:
        name: What it is called in messages: the path of a file, or the observer.
        what: ``"mask"``, ``"part map"``.
    """

    name: str
    what: str


def compare_with_keypoints(
    mask: Float[Tensor, "h w"],
    mask_of: Named,
    keypoints_px: Float[Tensor, "k 2"],
    confidence: Float[Tensor, "k"],
    keypoints_of: str,
    *,
    both_given: bool,
) -> tuple[str, ...]:
    """Compares where a mask and keypoints see the person.

    Args:
        mask: (H, W) in [0, 1].
        mask_of: Where it comes from.
        keypoints_px: (K, 2) pixels of the mask.
        confidence: (K,) 0 = not observed.
        keypoints_of: File or observer of the keypoints.
        both_given: Whether both are files; an observer may be wrong.

    Returns:
        A sentence if they hardly agree.

    Raises:
        InputError: if both are given and are about different people, or the mask is of the background.
    """
    observed = confidence > 0
    box, around = box_of_mask(mask), box_of_keypoints(keypoints_px, confidence)
    if around is None or box is None:
        return ()
    room_px = ROOM * min(max(box[2:]), max(around[2:]))
    share = _share_inside(mask >= 0.5, keypoints_px[observed], confidence[observed], room_px)
    outside = _share_inside(mask < 0.5, keypoints_px[observed], confidence[observed], 0.0)
    inverted = outside > 1 - APART and _is_around(mask)
    if share >= DOUBTFUL and not inverted:
        return ()
    few = f"only {100 * share:.0f} % of the keypoints of {keypoints_of} lie in the {mask_of.what}"
    if inverted:
        few = f"the {mask_of.what} seems inverted: it covers the surroundings and no keypoint of {keypoints_of}"
    if both_given and (share < APART or inverted):
        hint = "" if inverted else "; are both about this person in this photo?"
        raise InputError(f"{mask_of.name}: {few}{hint}")
    return (f"{Path(mask_of.name).name}: {few}",)


def compare_maps(mask: Float[Tensor, "h w"], mask_of: str, labelled: Bool[Tensor, "h w"], parts_of: str) -> None:
    """Raises InputError if a mask and a part map show people at different places."""
    both = float(((mask >= 0.5) & labelled).sum())
    if both < APART * min(float((mask >= 0.5).sum()), float(labelled.sum())):
        raise InputError(
            f"{parts_of}: hardly any labelled pixel lies in the mask {mask_of}; are both about this person "
            "in this photo?"
        )


def contradicting_labels(observation: Observation) -> tuple[int, int]:
    """Counts the keypoints that lie on labels of other parts than theirs, such as a knee on the torso's.

    Args:
        observation: Observation with labels and keypoints.

    Returns:
        Number of those keypoints, and of all that lie on a label of the person; 0, 0 without labels or keypoints.
    """
    labels, space, skeleton = observation.labels, observation.part_space, observation.skeleton
    if labels is None or space is None or skeleton is None:
        return 0, 0
    if observation.keypoints_px is None or observation.confidence is None:
        return 0, 0
    likely = space.emission[:-1] / space.emission[:-1].amax(dim=0)
    height, width = observation.image_size
    wrong = counted = 0
    for joint, (x, y), score in zip(
        skeleton.joints, observation.keypoints_px.tolist(), observation.confidence, strict=True
    ):
        side, _, point = joint.rpartition("_")
        parts = _PARTS_AT.get(point, ()) if side in ("", "left", "right") else ()
        column, row = int(min(max(x, 0), width - 1)), int(min(max(y, 0), height - 1))
        label = int(labels[row, column])
        if score <= 0 or label == 0 or not parts or not bool(observation.valid[row, column]):
            continue
        names = [name if name in SMPL_24.joints else f"{side}_{name}" for name in parts]
        counted += 1
        wrong += max(float(likely[SMPL_24.index(name), label]) for name in names) < UNLIKELY
    return wrong, counted


def labels_contradict(observation: Observation) -> bool:
    """Whether most keypoints lie on labels of other parts than theirs."""
    wrong, counted = contradicting_labels(observation)
    return counted >= LEAST_COUNTED and wrong > CONTRADICTING * counted


def compare_boxes(box: Box, given: Box | None, what: str) -> None:
    """Raises InputError if a given box is somewhere else than what another file says of the person; ``what`` names
    it."""
    if given is not None and box_overlap(box, given) == 0:
        raise InputError(f"--box: the box does not touch the {what}; are both about this person?")


def check_visible(mask: Float[Tensor, "h w"], valid: Bool[Tensor, "h w"], occluders: str) -> None:
    """Raises InputError if occluders cover a person's mask."""
    person = mask >= 0.5
    hidden = float((person & ~valid).sum()) / max(1.0, float(person.sum()))
    if hidden > HIDDEN:
        raise InputError(
            f"{occluders}: the occluders cover {100 * hidden:.0f} % of the person's mask; expected only what is in "
            "front of the person"
        )


def _share_inside(
    region: Bool[Tensor, "h w"], points: Float[Tensor, "k 2"], scores: Float[Tensor, "k"], room_px: float
) -> float:
    """Share of the scores of points inside of a region that is grown by some pixels."""
    room = min(int(room_px), 64)
    inside = torch.zeros(len(points))
    for k, (column, row) in enumerate(points.long().tolist()):
        i, j = min(max(row, 0), region.shape[0] - 1), min(max(column, 0), region.shape[1] - 1)
        inside[k] = region[max(i - room, 0) : i + room + 1, max(j - room, 0) : j + room + 1].any()
    return float((inside * scores).sum() / scores.sum())


def _is_around(mask: Float[Tensor, "h w"]) -> bool:
    """Whether a mask covers most of the image's edges, as a background does."""
    covered = mask >= 0.5
    edges = torch.cat([covered[0], covered[-1], covered[:, 0], covered[:, -1]])
    return float(edges.float().mean()) > 0.5
