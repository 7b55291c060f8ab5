"""Files of other tools: masks, label maps, and keypoints of OpenPose or COCO."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from render_fit.core.errors import InputError, NoPersonError
from render_fit.core.parts import PART_SPACES, PartSpace, voc_colours
from render_fit.core.skeletons import BODY_25, COCO_17, Skeleton
from render_fit.observations.images import read_palette, read_pixels
from render_fit.observations.observation import Box, box_of_keypoints, box_overlap

# OpenPose's older COCO model: the first eight points of BODY_25, no mid_hip, then the other points without the feet
# (openpose, output.md: POSE_COCO_BODY_PARTS).
_OPENPOSE_18 = (*range(8), 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)

# COCO's visibility flags: 0 not labelled, 1 labelled but hidden, 2 visible. Annotators guess hidden points, and COCO's
# keypoint sigmas were measured on visible ones: a hidden point counts half.
_COCO_CONFIDENCE = {0: 0.0, 1: 0.5, 2: 1.0}

MIN_EXTENT_PX = 4.0
"""Smallest extent of a person's keypoints, pixels. Smaller ones are usually coordinates in [0, 1]."""

COLOUR_TOLERANCE = 8
"""Tolerance for colours of a label map, per channel (of 255): some writers round (254 for 255)."""

PersonChoice = Literal["largest", "all"] | int


@dataclass(frozen=True)
class Person:
    """Keypoints of one person in a file.

    Attributes:
        keypoints_px: (K, 2) pixels of the image.
        confidence: (K,) in [0, 1]; 0 = not observed.
        skeleton: Skeleton of the keypoints.
        box: Bounding box in the file, or else of the keypoints, pixels.
        index: Position in the file.
    """

    keypoints_px: Float[Tensor, "k 2"]
    confidence: Float[Tensor, "k"]
    skeleton: Skeleton
    box: Box
    index: int


def read_mask(path: str | Path, image_size: tuple[int, int]) -> Float[Tensor, "h w"]:
    """Reads a person mask.

    Any bit depth, 0/1 or 0/255 (or 0/65535), one or more channels; of a transparent cut-out the alpha channel is read.

    Args:
        path: Image file.
        image_size: (H, W) of the upright photo, pixels.

    Returns:
        (H, W) mask in [0, 1].

    Raises:
        InputError: If the file cannot be read, has another size, or the mask is empty or full.
    """
    pixels = read_pixels(path)
    _check_size(path, "mask", pixels.shape[:2], image_size)
    if pixels.ndim == 3:
        alpha = pixels[..., -1] if pixels.shape[2] in (2, 4) else None
        cut_out = alpha is not None and bool((alpha != alpha.flat[0]).any())
        colours = pixels[..., : 3 if pixels.shape[2] >= 3 else 1]
        pixels = alpha if cut_out and alpha is not None else colours.max(axis=2)
    values = np.nan_to_num(pixels.astype(np.float64))
    top = values.max()
    if top > 1 and len(np.unique(values)) > 2:
        # more than two levels: a soft mask over the full range of the type
        top = 255.0 if top <= 255 else 65535.0
    mask = values / top if top > 0 else values
    covered = float((mask >= 0.5).mean())
    if covered == 0:
        raise InputError(f"{path}: the mask is empty; expected values above zero on the person")
    if float(mask.min()) >= 0.5:
        raise InputError(f"{path}: the mask covers the whole image; expected zero around the person")
    return torch.from_numpy(mask.astype(np.float32))


def read_labels(
    path: str | Path, part_space: PartSpace | str, image_size: tuple[int, int]
) -> tuple[Int[Tensor, "h w"], PartSpace]:
    """Reads a map of body-part or clothing labels.

    Args:
        path: Image file: label numbers (any bit depth, or palette indices), or colours of the label space.
        part_space: Label space, or its name in `PART_SPACES`.
        image_size: (H, W) of the upright photo, pixels.

    Returns:
        (H, W) int64 labels, and the label space.

    Raises:
        InputError: If the file cannot be read, has another size, or contains labels or colours that are not in the
            label space; or if the name of the label space is unknown.
    """
    if isinstance(part_space, str):
        name = part_space.lower()
        if name not in PART_SPACES:
            raise InputError(f"part labels {part_space!r}: unknown label space; known are {', '.join(PART_SPACES)}")
        part_space = PART_SPACES[name]
    pixels = read_pixels(path)
    _check_size(path, "label map", pixels.shape[:2], image_size)
    count = len(part_space.labels)
    if pixels.ndim == 3 and (pixels[..., :3] == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.ndim == 3:
        labels = _labels_from_colours(path, pixels[..., :3], part_space)
    else:
        labels = pixels.astype(np.int64)
        palette = read_palette(path)
        if palette is not None and labels.max() >= count:
            labels = _labels_from_colours(path, palette[pixels], part_space)
    if labels.min() < 0 or labels.max() >= count:
        raise InputError(
            f"{path}: has label {labels.max()}, but {part_space.name} has labels 0 to {count - 1}; "
            f"choose another label space ({', '.join(PART_SPACES)})"
        )
    if not (labels > 0).any():
        raise InputError(f"{path}: the label map is empty (background only)")
    return torch.from_numpy(labels), part_space


def read_people(path: str | Path, image_size: tuple[int, int], image_name: str | None = None) -> list[Person]:
    """Reads the people of an OpenPose or COCO keypoint file.

    Coordinates are not changed. Keypoints that are not finite, at (0, 0), or outside the image get confidence 0;
    people without any other keypoint are left out.

    Args:
        path: JSON file: OpenPose's ``{"people": [...]}`` (BODY_25 or COCO-18), COCO annotations or results.
        image_size: (H, W) of the upright image, pixels.
        image_name: File name of the image, which selects its annotations in a COCO file of many images.

    Returns:
        People in the order of the file.

    Raises:
        InputError: If the file cannot be read, has another format, or contains no usable keypoint.
        NoPersonError: If the file lists no person.
    """
    path = Path(path)
    people = []
    entries = _entries(path, image_name)
    if not entries:
        raise NoPersonError(f"{path}: lists no person")
    for index, entry in enumerate(entries):
        keypoints, confidence, skeleton = _keypoints(path, entry)
        keypoints_px, confidence = _clean(keypoints, confidence, image_size)
        box = box_of_keypoints(keypoints_px, confidence)
        if box is None:
            continue
        if max(box[2:]) < MIN_EXTENT_PX and int((confidence > 0).sum()) > 1:
            raise InputError(
                f"{path}: all keypoints of person {index} lie within {max(box[2:]):.1f} px; expected pixels of the "
                "image, not coordinates between 0 and 1"
            )
        people.append(Person(keypoints_px, confidence, skeleton, entry.box or box, index))
    if not people:
        raise InputError(f"{path}: no keypoint is usable (all are zero, not finite, or outside the image)")
    return people


def choose_people(people: Sequence[Person], person: PersonChoice = "largest", box: Box | None = None) -> list[Person]:
    """Selects people of a file.

    Args:
        people: People of the file.
        person: ``"largest"`` (box area), ``"all"``, or a position in the file, from 0.
        box: If given, pixels: the person whose box overlaps it most is selected instead.

    Returns:
        Selected people.

    Raises:
        InputError: If there is no such person.
        NoPersonError: If no person overlaps the box.
    """
    if box is not None:
        best = max(people, key=lambda candidate: box_overlap(candidate.box, box))
        if box_overlap(best.box, box) == 0:
            raise NoPersonError(
                f"box {format_box(box)}: none of the {len(people)} people in the keypoint file is there"
            )
        return [best]
    if person == "all":
        return list(people)
    if person == "largest":
        return [max(people, key=lambda candidate: candidate.box[2] * candidate.box[3])]
    chosen = [candidate for candidate in people if candidate.index == person]
    if not chosen:
        raise InputError(f"person {person}: the keypoint file has usable people {[p.index for p in people]}")
    return chosen


def format_box(box: Box) -> str:
    """Formats a box in the form of the command line, ``x,y,w,h``."""
    return ",".join(f"{value:g}" for value in box)


def _check_size(path: str | Path, what: str, size: tuple[int, ...], image_size: tuple[int, int]) -> None:
    if tuple(size) == tuple(image_size):
        return
    turned = " (the image is rotated by its EXIF data, this file is not)" if size == image_size[::-1] else ""
    raise InputError(
        f"{path}: the {what} is {size[1]}×{size[0]} px but the image is {image_size[1]}×{image_size[0]} px{turned}; "
        "expected the same size"
    )


def _labels_from_colours(path: str | Path, rgb: np.ndarray, part_space: PartSpace) -> np.ndarray:
    """Converts colours to labels, by the colours of the label space or else PASCAL VOC's, which many tools write."""
    codes = (rgb.astype(np.int64) * (65536, 256, 1)).sum(axis=2)
    present, inverse = np.unique(codes, return_inverse=True)
    colours = np.stack([present >> 16, present >> 8 & 255, present & 255], axis=1)
    for palette in (part_space.colours, voc_colours(len(part_space.labels))):
        distance = np.abs(colours[:, None] - np.array(palette)[None]).max(axis=2)
        if (distance.min(axis=1) <= COLOUR_TOLERANCE).all():
            return distance.argmin(axis=1)[inverse].reshape(codes.shape)
    raise InputError(
        f"{path}: has colours that are not {part_space.name}'s, such as {tuple(colours[-1].tolist())}; expected label "
        f"numbers 0 to {len(part_space.labels) - 1} or its colours, without smoothing"
    )


class _Entry(NamedTuple):
    """One person in the format of the file: a flat list of x, y, confidence, and COCO's bbox."""

    numbers: Any
    box: Box | None
    is_openpose: bool


def _entries(path: Path, image_name: str | None) -> list[_Entry]:
    """People of one image in a file of any known format."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error})") from error
    if isinstance(content, dict) and "people" in content:
        people = [person.get("pose_keypoints_2d") for person in content["people"]]
        return [_Entry(numbers, None, True) for numbers in people if numbers]
    annotations = content
    if isinstance(content, dict):
        annotations = content.get("annotations", [content])
        names = {image.get("id"): image.get("file_name", "") for image in content.get("images", [])}
        if len(names) > 1:
            ids = [i for i, name in names.items() if Path(name).name == image_name]
            if not ids:
                raise InputError(f"{path}: describes {len(names)} images, but none of them is {image_name}")
            annotations = [entry for entry in annotations if entry.get("image_id") in ids]
    if not isinstance(annotations, list) or not all(isinstance(entry, dict) for entry in annotations):
        raise InputError(f"{path}: expected OpenPose's 'people' or COCO's 'annotations'")
    if annotations and not any("keypoints" in entry for entry in annotations):
        raise InputError(f"{path}: expected OpenPose's 'people' or COCO's 'annotations' with 'keypoints'")
    return [_Entry(entry["keypoints"], _coco_box(entry), False) for entry in annotations if entry.get("keypoints")]


def _coco_box(entry: dict[str, Any]) -> Box | None:
    """COCO's bbox; None if missing or not valid."""
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(value, int | float) for value in box):
        return None
    left, top, width, height = (float(value) for value in box)
    if not all(map(math.isfinite, (left, top, width, height))) or width <= 0 or height <= 0:
        return None
    return (left, top, width, height)


def _keypoints(path: Path, entry: _Entry) -> tuple[Tensor, Tensor, Skeleton]:
    """Splits a flat list into coordinates and confidences; its length determines the skeleton."""
    is_openpose = entry.is_openpose
    known = {75: BODY_25, 54: BODY_25} if is_openpose else {51: COCO_17}
    try:
        flat = torch.tensor(entry.numbers, dtype=torch.float32).flatten()
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: the keypoints are not a list of numbers") from error
    if len(flat) not in known:
        expected = "25 (BODY_25) or 18 (COCO-18)" if is_openpose else "17 (COCO)"
        raise InputError(
            f"{path}: has {len(flat) / 3:g} keypoints a person; expected {expected}, each x, y, confidence"
        )
    rows = flat.reshape(-1, 3)
    if is_openpose and len(rows) == 18:
        all_rows = torch.zeros(25, 3)
        all_rows[list(_OPENPOSE_18)] = rows
        rows = all_rows
    confidence = rows[:, 2]
    if not is_openpose and bool(torch.isin(confidence, torch.tensor([0.0, 1.0, 2.0])).all()):
        confidence = torch.tensor([_COCO_CONFIDENCE[int(flag)] for flag in confidence])
    return rows[:, :2], confidence, known[len(flat)]


def _clean(keypoints: Tensor, confidence: Tensor, image_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Sets the confidence of unusable keypoints to 0, and makes all coordinates finite."""
    finite = keypoints.isfinite().all(dim=1) & confidence.isfinite()
    height, width = image_size
    x, y = keypoints.unbind(dim=1)
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    usable = finite & inside & ~((x == 0) & (y == 0))
    keypoints = torch.where(finite[:, None], keypoints, torch.zeros_like(keypoints))
    confidence = torch.where(usable, confidence.nan_to_num(0.0).clamp(0.0, 1.0), torch.zeros_like(confidence))
    return keypoints, confidence
