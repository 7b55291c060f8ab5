"""Keypoint files of OpenPose, COCO, AlphaPose and MMPose, about one image or many."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.errors import InputError, NoPersonError
from render_fit.core.plausibility import LEAST_SCORE
from render_fit.core.skeletons import Skeleton
from render_fit.core.text_files import number, read_json
from render_fit.observations.image_sizes import PADDED_PX, same_shape
from render_fit.observations.keypoint_layouts import LAYOUTS, likely_layout
from render_fit.observations.observation import Box, box_of_keypoints, box_overlap, observed_scores

# COCO's visibility flags: 0 not labelled, 1 labelled but hidden, 2 visible. Annotators guess hidden points, and COCO's
# keypoint sigmas were measured on visible ones: a hidden point counts half.
_COCO_CONFIDENCE = {0: 0.0, 1: 0.5, 2: 1.0}

MIN_EXTENT_PX = 4.0
"""Smallest extent of a person's keypoints, pixels. Smaller ones are usually coordinates in [0, 1]."""

STAND_IN_COUNT = 3
"""Keypoints of one person at exactly one place from which this place stands for "not there"."""

PER_CENT = (10.0, 100.0)
"""Largest scores between these are per cent; below they are scores that a network lets exceed 1."""

OUTSIDE_SHARE = 0.3
"""Share of the keypoints outside of the image from which the file is probably about another one."""

EXPECTED = "OpenPose's 'people' or COCO's 'annotations' with 'keypoints'"
_PEOPLE_KEYS = ("annotations", "instances", "predictions", "instance_info")
_POSE_KEYS = ("pose_keypoints_2d", "pose_keypoints", "keypoints", "keypoints_2d", "kpts")
_SCORE_KEYS = ("keypoint_scores", "keypoints_scores", "keypoints_score", "kp_score", "scores")
_IMAGE_KEYS = ("image_id", "file_name", "filename", "image_name", "image_path", "img_name", "imgname", "image")
_SIZE_KEYS = (("height", "width"), ("imageHeight", "imageWidth"), ("image_height", "image_width"), ("h", "w"))


@dataclass(frozen=True)
class Person:
    """Keypoints of one person in a file.

    Attributes:
        keypoints_px: (K, 2) pixels of the image.
        confidence: (K,) in [0, 1]; 0 = not observed.
        skeleton: Skeleton of the keypoints.
        box: Bounding box in the file, or else of the keypoints, pixels.
        index: Position in the file.
        notes: What is odd about the person's entry or the file; sentences.
    """

    keypoints_px: Float[Tensor, "k 2"]
    confidence: Float[Tensor, "k"]
    skeleton: Skeleton
    box: Box
    index: int
    notes: tuple[str, ...] = field(default=())


class _Entry(NamedTuple):
    """One person in the form of the file."""

    content: dict[str, Any]
    image: str | int | None
    size: tuple[float, float] | None


def read_people(path: str | Path, image_size: tuple[int, int], image_name: str | None = None) -> list[Person]:
    """Reads the people of a keypoint file in one image.

    Keypoints that are not finite, null, at (0, 0) or (−1, −1), at one place with others, outside the image, or with a
    score under `LEAST_SCORE` get confidence 0; people without any other keypoint are left out. Coordinates are scaled
    if the file states another size of the same picture.

    Args:
        path: JSON file: OpenPose's ``{"people": [...]}``; COCO annotations or results; AlphaPose's or MMPose's results;
            or one of these by file name. Keypoints are x, y, score, or pairs with scores beside them or without any, in
            one of the orders of `LAYOUTS`.
        image_size: (H, W) of the upright image, pixels.
        image_name: File name of the image, which selects its people in a file about many images.

    Returns:
        People in the order of the file.

    Raises:
        InputError: If the file cannot be read, has another format, is about other images, or contains no usable
            keypoint.
        NoPersonError: If the file lists no person.
    """
    path = Path(path)
    content = read_json(path, f"a keypoint file: {EXPECTED}")
    entries, notes = _of_image(path, list(_entries(path, content, image_name)), image_name, image_size)
    if not entries:
        raise NoPersonError(f"{path}: lists no person")
    people, errors = [], []
    for index, entry in enumerate(entries):
        try:
            person = _person(path, entry, index, image_size)
        except InputError as error:  # one person's entry must not cost the others
            errors.append(error)
            continue
        if person is not None:
            people.append(replace(person, notes=(*notes, *person.notes)))
    if not people and errors:
        raise errors[0]
    if not people:
        raise InputError(
            f"{path}: no keypoint is usable (all are zero, not finite, outside the image, or have scores under "
            f"{LEAST_SCORE:g})"
        )
    if errors:
        skipped = (
            f"{len(errors)} of its {len(entries)} people cannot be read: {str(errors[0]).removeprefix(f'{path}: ')}"
        )
        people = [replace(person, notes=(*person.notes, f"{path.name}: {skipped}")) for person in people]
    return people


def _entries(path: Path, content: Any, image_name: str | None) -> Iterator[_Entry]:
    """All people of a file of any known form."""
    listed = content.get("images") if isinstance(content, dict) else None
    images = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    by_id = {image["id"]: image for image in images if isinstance(image.get("id"), int | str)}
    alone = images[0] if len(images) == 1 else content if isinstance(content, dict) and not images else {}
    for person, frame in _people(path, content, image_name):
        key = _image_of(person)
        key = _image_of(frame) if key is None else key
        about = by_id.get(key) or (alone if key is None or len(images) == 1 else {})
        name = about.get("file_name") if images else _image_of(about)
        size = _stated_size(about, _SIZE_KEYS) or _stated_size(person, _SIZE_KEYS[1:3])
        yield _Entry(person, name if isinstance(name, str) and name else key, size)


def _people(path: Path, content: Any, image_name: str | None) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Entries of people, each with the frame or image that it stands in; nulls are left out."""
    nothing = InputError(f"{path}: expected {EXPECTED}")
    if isinstance(content, dict):
        if "people" in content:
            people = content["people"]
            if people is None:
                return
            if not isinstance(people, list):
                raise nothing
            yield from ((one, content) for one in people if isinstance(one, dict) and _numbers_of(one))
            if not all(one is None or isinstance(one, dict) for one in people):
                raise nothing
            return
        inner = next((content[key] for key in _PEOPLE_KEYS if key in content), None)
        if inner is None and any(key in content for key in _POSE_KEYS):
            if _numbers_of(content):
                yield content, {}
            return
        if inner is None:
            inner = _named(path, content, image_name)
            if inner is None:
                if any(key in content for key in _PEOPLE_KEYS):
                    return
                raise nothing
        content = inner if isinstance(inner, list) else [inner]
    if not isinstance(content, list) or not all(one is None or isinstance(one, dict) for one in content):
        raise nothing
    present = [one for one in content if one is not None]
    if present and not any(key in one for one in present for key in (*_POSE_KEYS, *_PEOPLE_KEYS, "people")):
        raise nothing
    for one in present:
        members = next((one[key] for key in (*_PEOPLE_KEYS, "people") if isinstance(one.get(key), list)), None)
        if members is not None:
            yield from ((member, one) for member in members if isinstance(member, dict) and _numbers_of(member))
        elif _numbers_of(one):
            yield one, {}


def _named(path: Path, content: dict[str, Any], image_name: str | None) -> Any:
    """The value of a mapping from file names to people that belongs to this image; None if it is no such mapping."""
    named = {key: value for key, value in content.items() if isinstance(value, list | dict) and Path(key).suffix}
    if not named:
        return None
    own = [value for key, value in named.items() if image_name is None or _is_about(key, image_name)]
    if not own:
        raise InputError(f"{path}: describes {len(named)} images, but none of them is {image_name}")
    return own[0]


def _of_image(
    path: Path, entries: list[_Entry], image_name: str | None, image_size: tuple[int, int]
) -> tuple[list[_Entry], tuple[str, ...]]:
    """Entries that are about one image, and what is odd about it."""
    about = {entry.image for entry in entries if entry.image is not None}
    if image_name is None or not about:
        return entries, ()
    own = [entry for entry in entries if entry.image is not None and _is_about(entry.image, image_name)]
    if own:
        return own, ()
    if len(about) > 1:
        raise InputError(f"{path}: describes {len(about)} images, but none of them is {image_name}")
    (other,) = about
    if isinstance(other, int):
        return entries, ()  # a number that a tool counted
    size = entries[0].size
    if size is None or not same_shape(size, image_size):
        raise InputError(
            f"{path}: is about {Path(other).name}, not about {image_name}; give the keypoints of this photo, "
            "or rename one"
        )
    return entries, (f"{path.name} is about a photo of the name {Path(other).name}, not {image_name}",)


def _is_about(image: str | int, name: str) -> bool:
    """Whether a file name, or the number in one, means an image."""
    stem = Path(name).stem.lower()
    if isinstance(image, str) and not re.fullmatch(r"\s*[0-9]{1,30}\s*", image):
        return Path(image.replace("\\", "/")).stem.lower() == stem or image.lower() == stem
    digits = stem[len(stem.rstrip("0123456789")) :]
    return digits != "" and int(digits) == int(image)


def _image_of(entry: dict[str, Any]) -> str | int | None:
    """File name or number of the image that an entry says it is about."""
    values = (entry.get(key) for key in _IMAGE_KEYS)
    return next((v for v in values if isinstance(v, int | str) and not isinstance(v, bool) and v != ""), None)


def _stated_size(entry: dict[str, Any], names: Sequence[tuple[str, str]]) -> tuple[float, float] | None:
    """(height, width) of the image that an entry states under one of some pairs of names, pixels."""
    for keys in names:
        height, width = (number(entry.get(key)) for key in keys)
        if height and width and height > 0 and width > 0:
            return height, width
    return None


def _numbers_of(person: dict[str, Any]) -> Any:
    """The list of a person's keypoints; None or empty if there is none."""
    return next((person[key] for key in _POSE_KEYS if person.get(key)), None)


def _person(path: Path, entry: _Entry, index: int, image_size: tuple[int, int]) -> Person | None:
    """One person; None if no keypoint is usable."""
    rows = _rows(path, entry.content)
    if len(rows) not in LAYOUTS:
        known = ", ".join(f"{count} ({layouts[0].name})" for count, layouts in LAYOUTS.items())
        raise InputError(f"{path}: has {len(rows)} keypoints a person; expected {known}, each x, y, confidence")
    rows[:, 2] = _confidence(path, rows[:, 2])
    scale, notes = _scale_to(path, entry.size, image_size)
    rows[:, :2] *= torch.tensor(scale)
    there = rows[rows[:, 2] > 0]
    rows = _clean(rows, image_size)
    layout, note = likely_layout(rows)
    placed = layout.read(rows)
    keypoints_px, confidence = placed[:, :2], placed[:, 2]
    box = box_of_keypoints(keypoints_px, confidence)
    if box is None:
        return None
    n_usable = int((rows[:, 2] > 0).sum())
    if max(box[2:]) < MIN_EXTENT_PX and n_usable > 1:
        raise InputError(
            f"{path}: all keypoints of person {index} lie within {max(box[2:]):.1f} px; expected pixels of the "
            "image, not coordinates between 0 and 1"
        )
    notes += (f"{path.name}: {note}",) if note else ()
    height, width = image_size
    outside = (there[:, :2] > torch.tensor([float(width), float(height)])).any(dim=1)
    if float(outside.float().mean()) > OUTSIDE_SHARE:
        notes += (
            f"{path.name}: {int(outside.sum())} of {len(there)} keypoints lie outside of the image of {width}×{height} "
            "px: is the file about a larger one?",
        )
    stated = _coco_box(entry.content, box, image_size, scale)
    return Person(keypoints_px, confidence, layout.skeleton, stated or box, index, notes)


def _rows(path: Path, person: dict[str, Any]) -> Float[Tensor, "n 3"]:
    """A person's keypoints as x, y, score; NaN for what is null, and 1 for scores that the file does not have."""
    flat = _flat(path, _numbers_of(person))
    scores = next((person[key] for key in _SCORE_KEYS if isinstance(person.get(key), list)), None)
    if scores is not None:
        given = _flat(path, scores)
        if len(flat) != 2 * len(given):
            raise InputError(
                f"{path}: has {len(given)} scores for {len(flat) / 2:g} keypoints; expected one for each pair x, y"
            )
        return torch.cat([flat.reshape(-1, 2), given[:, None]], dim=1)
    if len(flat) % 3 == 0 and len(flat) // 3 in LAYOUTS:
        return flat.reshape(-1, 3)
    if len(flat) % 2 == 0 and len(flat) // 2 in LAYOUTS:  # pairs x, y without any confidence
        return torch.cat([flat.reshape(-1, 2), torch.ones(len(flat) // 2, 1)], dim=1)
    if len(flat) == 4 * 33:  # MediaPipe: x, y, z, visibility
        return flat.reshape(-1, 4)[:, [0, 1, 3]]
    known = ", ".join(f"{count} ({layouts[0].name})" for count, layouts in LAYOUTS.items())
    raise InputError(f"{path}: has {len(flat) / 3:g} keypoints a person; expected {known}, each x, y, confidence")


def _flat(path: Path, numbers: Any) -> Float[Tensor, "n"]:
    """Numbers of a nested list; NaN for null."""

    def leaves(value: Any, depth: int = 0) -> Iterator[float]:
        if isinstance(value, list) and depth < 4:
            for one in value:
                yield from leaves(one, depth + 1)
        elif value is None:
            yield math.nan
        elif isinstance(value, int | float | str) and not isinstance(value, bool):
            found = number(value)
            if found is None and isinstance(value, str) and value.lower() not in ("nan", "inf", "-inf"):
                raise InputError(f"{path}: the keypoints are not a list of numbers")
            yield math.nan if found is None or abs(found) > 1e9 else found
        else:
            raise InputError(f"{path}: the keypoints are not a list of numbers")

    return torch.tensor(list(leaves(numbers)), dtype=torch.float32)


def _confidence(path: Path, scores: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Scores in [0, 1] from scores, per cent, COCO's flags, or whether a keypoint is there."""
    scores = torch.where(scores == -1, 0.0, scores)
    finite = scores[scores.isfinite()]
    largest = float(finite.max()) if len(finite) else 0.0
    if len(finite) and (float(finite.min()) < 0 or largest > PER_CENT[1]):
        raise InputError(
            f"{path}: has keypoint scores from {float(finite.min()):g} to {largest:g}; expected 0 to 1 as the "
            "third number of each keypoint, not a depth"
        )
    if bool(torch.isin(finite, torch.tensor([0.0, 1.0, 2.0])).all()) and largest == 2:
        return torch.tensor([_COCO_CONFIDENCE.get(int(score), 0.0) if score.isfinite() else 0.0 for score in scores])
    if PER_CENT[0] < largest:
        scores = scores / 100
    return observed_scores(scores)


def _scale_to(
    path: Path, size: tuple[float, float] | None, image_size: tuple[int, int]
) -> tuple[tuple[float, float], tuple[str, ...]]:
    """Factors from the file's pixels to the image's, x and y, and a sentence if they differ from 1."""
    height, width = image_size
    if size is None or max(abs(size[0] - height), abs(size[1] - width)) <= PADDED_PX:
        return (1.0, 1.0), ()
    sizes = f"an image of {size[1]:g}×{size[0]:g} px, but the photo has {width}×{height} px"
    if not same_shape(size, image_size):
        turned = " (rotated by its EXIF data?)" if same_shape(size, image_size, turned=True) else ""
        raise InputError(f"{path}: is about {sizes}{turned}; expected keypoints of this photo")
    return (width / size[1], height / size[0]), (f"{path.name} is about {sizes}; its keypoints were scaled",)


def _clean(rows: Float[Tensor, "n 3"], image_size: tuple[int, int]) -> Float[Tensor, "n 3"]:
    """Sets the confidence of unusable keypoints to 0, and makes all coordinates finite."""
    keypoints, confidence = rows[:, :2], rows[:, 2]
    finite = keypoints.isfinite().all(dim=1)
    height, width = image_size
    x, y = keypoints.unbind(dim=1)
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    at_one_place = (keypoints[:, None] == keypoints[None]).all(dim=2).sum(dim=1) >= STAND_IN_COUNT
    usable = finite & inside & ~((x == 0) & (y == 0)) & ~at_one_place
    keypoints = torch.where(finite[:, None], keypoints, 0.0)
    return torch.cat([keypoints, torch.where(usable, confidence, 0.0)[:, None]], dim=1)


def _coco_box(
    person: dict[str, Any], around: Box, image_size: tuple[int, int], scale: tuple[float, float]
) -> Box | None:
    """COCO's bbox, pixels of the image; None if missing, not valid, or somewhere else than the keypoints."""
    box = person.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        return None
    left, top, width, height = (number(value) for value in box)
    if left is None or top is None or not width or not height or width <= 0 or height <= 0:
        return None
    (sx, sy), (rows, columns) = scale, image_size
    found = (left * sx, top * sy, width * sx, height * sy)
    if found[0] + found[2] > columns + PADDED_PX or found[1] + found[3] > rows + PADDED_PX:
        corners = (found[0], found[1], found[2] - found[0], found[3] - found[1])  # left, top, right, bottom
        if min(corners[2:]) > 0 and box_overlap(corners, around) > box_overlap(found, around):
            found = corners
    return found if box_overlap(found, around) > 0 else None
