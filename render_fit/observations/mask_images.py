"""Images that say where a person is: masks in every encoding that tools write, read by what their pixels are.

The type of a file says little: a mask in 16 bits may hold 0 and 1, 8 bits may hold per cent, numbers of instances or of
classes with 255 where nobody labelled, and the indices of a palette may be grey values in any order. What an image is
follows from its levels, and from which of them fill areas: between two levels of a soft mask others only form its edge.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from scipy import ndimage
from torch import Tensor

from render_fit.core.errors import InputError
from render_fit.observations.image_sizes import fitted_to
from render_fit.observations.images import full_scale, read_palette, read_pixels

MOST_LEVELS = 64
"""Images of more levels or colours are soft masks or photos; label maps with more of them in one image are unknown."""

VOID = (255, 65535)
"""Values of pixels that nobody labelled, in 8 and 16 bits (PASCAL VOC, Cityscapes, LIP, CIHP, ADE20K)."""

VOID_COLOUR = 0xE0E0C0
"""The same as a colour: (224, 224, 192) in PASCAL VOC's maps."""

SOLID_PX = 3
"""Side of a square of one level that makes it a level of areas, pixels."""

SOLID_SHARE = 0.002
"""Least share of an image's foreground that a level of areas covers in such squares."""

LABELLED_SHARE = 0.3
"""Labelled pixels per pixel of 255 from which 255 stands for what nobody labelled: rims around people, not people."""

GREY_SHARE = 0.5
"""Share of pixels between 5 and 95 % from which an image is a photo rather than a mask."""

MIN_AREA_PX, MIN_SIDE_PX = 64, 4
"""Smallest mask that can show a person: covered pixels, and the shorter side of its box."""

LABEL_SHARE = 0.5
"""Share of the keypoints' scores on one label from which it is the person's."""


@dataclass(frozen=True)
class MaskImage:
    """A mask's file as it was understood.

    Attributes:
        path: The file.
        soft: (H, W) share of each pixel that is covered, in [0, 1]; None if the image holds labels.
        labels: (H, W) numbers or colours of instances or classes; None if the image is one mask.
        background: Label of what belongs to nothing.
        unknown: (H, W) pixels that nobody labelled.
        notes: What is odd about the file, sentences.
    """

    path: Path
    soft: Float[np.ndarray, "h w"] | None
    labels: Int64[np.ndarray, "h w"] | None
    background: int
    unknown: Bool[np.ndarray, "h w"]
    notes: tuple[str, ...] = ()

    @property
    def present(self) -> tuple[int, ...]:
        """Labels in the image, without the background and what nobody labelled."""
        if self.labels is None:
            return ()
        return tuple(int(v) for v in np.unique(self.labels[~self.unknown]) if v != self.background)

    @property
    def needs_points(self) -> bool:
        """Whether only keypoints tell which of several labels the person has."""
        return len(self.present) > 1


@dataclass(frozen=True)
class PersonMask:
    """Mask of one person.

    Attributes:
        mask: (H, W) share of each pixel that the person covers, in [0, 1].
        valid: (H, W) pixels of which the file says something.
        notes: How the file was understood, where it is not plain; sentences.
    """

    mask: Float[Tensor, "h w"]
    valid: Bool[Tensor, "h w"]
    notes: tuple[str, ...] = ()


def read_mask_image(path: str | Path, image_size: tuple[int, int]) -> MaskImage:
    """Reads a mask, soft or hard, or a map of instances or classes.

    Masks of any bit depth, of two levels or soft, in per cent, or as the alpha channel of a cut-out; trimaps; numbers,
    palettes and colours of labels, with 255 or VOC's colour where nobody labelled.

    Args:
        path: Image file.
        image_size: (H, W) of the upright photo, pixels.

    Returns:
        What the image is, of the photo's size.

    Raises:
        InputError: if the file cannot be read, has another shape, or is a photo.
    """
    path = Path(path)
    pixels, size_notes = fitted_to(path, "mask", read_pixels(path), image_size)
    palette = read_palette(path)
    if palette is not None and pixels.ndim == 2:
        present = np.unique(pixels)
        colours = palette[present[present < len(palette)]].astype(np.int64)
        if len(colours) < len(present) or bool((colours.max(axis=1) != colours.min(axis=1)).any()):
            return _labels(path, pixels.astype(np.int64), VOID, size_notes)
        pixels = palette[pixels][..., 0]
    if pixels.ndim == 3:
        alpha = pixels[..., -1] if pixels.shape[2] in (2, 4) else None
        if alpha is not None and bool((alpha != alpha.flat[0]).any()):
            return _one_plane(path, alpha, size_notes)
        colours = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1]
        if bool((colours == colours[..., :1]).all()):
            return _one_plane(path, colours[..., 0], size_notes)
        return _colours(path, colours, size_notes)
    return _one_plane(path, pixels, size_notes)


def person_mask(
    image: MaskImage,
    keypoints_px: Float[Tensor, "k 2"] | None = None,
    confidence: Float[Tensor, "k"] | None = None,
) -> PersonMask:
    """The mask of one person: the image itself, or of several labels the one under the person's keypoints.

    Args:
        image: Mask or label map.
        keypoints_px: (K, 2) the person's keypoints, pixels of the image.
        confidence: (K,) their scores; 0 = not observed.

    Raises:
        InputError: if the mask is empty, full or tiny, or it is not plain which label the person has.
    """
    path, notes = image.path, image.notes
    if image.soft is not None:
        mask = image.soft
    else:
        assert image.labels is not None
        label = _label_of_person(image, keypoints_px, confidence)
        mask = (image.labels == label).astype(np.float32)
        if len(image.present) > 1:
            notes = (*notes, f"{path.name} has {_listed(image)}: {_called(label)} is under the keypoints")
    covered = mask >= 0.5
    if not covered.any():
        raise InputError(f"{path}: the mask is empty; expected values above zero on the person")
    if covered[~image.unknown].all():
        raise InputError(f"{path}: the mask covers the whole image; expected zero around the person")
    rows, columns = np.nonzero(covered)
    box = (np.ptp(columns) + 1, np.ptp(rows) + 1)
    if len(rows) < MIN_AREA_PX or min(box) < MIN_SIDE_PX:
        raise InputError(
            f"{path}: the mask covers only {len(rows)} px in a box of {box[0]}×{box[1]} px; expected a person, at "
            f"least {MIN_AREA_PX} px"
        )
    return PersonMask(torch.from_numpy(mask.astype(np.float32)), torch.from_numpy(~image.unknown), notes)


def hidden_pixels(image: MaskImage) -> Bool[Tensor, "h w"]:
    """Pixels that a mask of occluders covers: whatever is no background, with unlabelled pixels; none if it is empty.

    Raises:
        InputError: if it covers the whole image.
    """
    covered = image.labels != image.background if image.labels is not None else image.soft >= 0.5  # pyright: ignore
    covered = covered | image.unknown
    if covered.all():
        raise InputError(
            f"{image.path}: the occluders cover the whole image; expected zero where nothing hides the person"
        )
    return torch.from_numpy(covered)


def _one_plane(path: Path, values: np.ndarray, notes: tuple[str, ...]) -> MaskImage:
    """A mask or label map of one value per pixel."""
    if values.dtype == bool:
        values = values.astype(np.uint8)
    values = np.nan_to_num(values)
    levels = np.unique(values)
    nothing = np.zeros(values.shape, dtype=bool)
    if len(levels) <= 2 and levels[0] == 0:
        return MaskImage(path, (values > 0).astype(np.float32), None, 0, nothing, notes)
    top = full_scale(values)
    if len(levels) <= MOST_LEVELS and bool((levels == np.round(levels)).all()) and levels[0] >= 0:
        areas = _levels_of_areas(values)
        if _is_trimap(levels, top):
            unknown = (values > 0.05 * top) & (values < 0.95 * top)
            return MaskImage(path, (values >= 0.95 * top).astype(np.float32), None, 0, unknown, notes)
        void = _void_of(values)
        numbers = areas - {0, *void}
        plateaus = all(level >= 0.9 * top for level in areas - {0})  # of a soft mask, near white
        is_map = void or (len(levels) > 2 and (levels[0] > 0 or len(areas - {0}) > 1)) or levels[0] > 0.05 * levels[-1]
        if numbers and is_map and not plateaus:
            return _labels(path, values.astype(np.int64), void, notes)
    shares = np.clip(values.astype(np.float64) / max(top, 1e-9), 0, 1)
    if float(((shares > 0.05) & (shares < 0.95)).mean()) > GREY_SHARE:
        raise InputError(f"{path}: looks like a photo, not a mask: most pixels are neither black nor white")
    return MaskImage(path, shares.astype(np.float32), None, 0, nothing, notes)


def _colours(path: Path, rgb: np.ndarray, notes: tuple[str, ...]) -> MaskImage:
    """A mask or label map in colours."""
    codes = (rgb.astype(np.int64) * (65536, 256, 1)).sum(axis=2)
    levels, counts = np.unique(codes, return_counts=True)
    if len(levels) <= MOST_LEVELS:
        areas = _levels_of_areas(codes)
        background = 0 if 0 in levels else _at_border(codes)
        if len(areas - {background, VOID_COLOUR}) > 1 or background or VOID_COLOUR in areas:
            return _labels(path, codes, (VOID_COLOUR,), notes, background)
        return _one_plane(path, rgb.max(axis=2), notes)
    if float(np.sort(counts)[-2:].sum()) < GREY_SHARE * codes.size:
        raise InputError(f"{path}: looks like a photo, not a mask: it has {len(levels)} colours")
    return _one_plane(path, rgb.max(axis=2), notes)


def _labels(
    path: Path, labels: np.ndarray, void: Collection[int], notes: tuple[str, ...], background: int | None = None
) -> MaskImage:
    present = {int(level) for level in np.unique(labels)}
    if background is None:
        background = 0 if 0 in present else _at_border(labels)
    named = present - set(void)
    unknown = np.isin(labels, list(void)) if named - {background} else np.zeros(labels.shape, dtype=bool)
    if unknown.any():
        notes = (*notes, f"{path.name} is a map of labels; where it has {_called(int(labels[unknown][0]))}, it is void")
    return MaskImage(path, None, labels, background, unknown, notes)


def _levels_of_areas(values: np.ndarray) -> set[int]:
    """Levels that fill squares, and are not only the edge between two others."""
    same = ndimage.maximum_filter(values, SOLID_PX) == ndimage.minimum_filter(values, SOLID_PX)
    levels, counts = np.unique(values[same], return_counts=True)
    least = SOLID_SHARE * max(1, int((values != 0).sum()))
    return {int(level) for level, count in zip(levels, counts, strict=True) if count >= least}


def _void_of(values: np.ndarray) -> tuple[int, ...]:
    """The value of a label map that stands for what nobody labelled; none if it is white, the person of a mask."""
    levels, counts = np.unique(values, return_counts=True)
    largest = int(levels[-1])
    if largest not in VOID:
        return ()
    others = {int(level): int(n) for level, n in zip(levels[:-1], counts, strict=False)}
    background = {0, _at_border(values)}
    labelled = sum(n for level, n in others.items() if level not in background)
    step = next((level for level in others if level > 0), largest)
    evenly_spaced = largest % step == 0 and len(levels) == largest // step + 1  # instances in shades of grey
    return (largest,) if labelled > LABELLED_SHARE * counts[-1] and not evenly_spaced else ()


def _is_trimap(levels: np.ndarray, top: float) -> bool:
    """Whether an image has black, white, and one grey in the middle: what matting tools call unknown."""
    return bool(len(levels) == 3 and levels[0] == 0 and levels[2] == top and abs(levels[1] / top - 0.5) < 0.02)


def _at_border(labels: np.ndarray) -> int:
    """The commonest label along the edges of the image."""
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    levels, counts = np.unique(border, return_counts=True)
    return int(levels[counts.argmax()])


def _label_of_person(image: MaskImage, keypoints_px: Tensor | None, confidence: Tensor | None) -> int:
    present = image.present
    if not present:
        raise InputError(f"{image.path}: the mask is empty; expected values above zero on the person")
    if len(present) == 1:
        return present[0]
    if keypoints_px is None or confidence is None or not bool((confidence > 0).any()):
        raise InputError(
            f"{image.path}: has {_listed(image)}; expected one person: give keypoints with it, a mask of the person "
            "alone, or a map of body parts as --parts with --part-labels"
        )
    assert image.labels is not None
    points, scores = keypoints_px[confidence > 0].numpy(), confidence[confidence > 0].numpy()
    rows = points[:, 1].astype(int).clip(0, image.labels.shape[0] - 1)
    columns = points[:, 0].astype(int).clip(0, image.labels.shape[1] - 1)
    under = image.labels[rows, columns]
    shares = {label: float(scores[under == label].sum() / scores.sum()) for label in (*present, image.background)}
    best = max(present, key=lambda label: shares[label])
    on_labels = sum(shares[label] for label in present)
    if on_labels == 0:
        raise InputError(f"{image.path}: has {_listed(image)}, and no keypoint is on any of them")
    if shares[best] < LABEL_SHARE * on_labels:
        raise InputError(
            f"{image.path}: has {_listed(image)}, and the keypoints are on several of them; a map of body parts is "
            "given as --parts with --part-labels"
        )
    return best


def _listed(image: MaskImage) -> str:
    names = [_called(label) for label in image.present]
    if len(names) == 1:
        return f"the label {names[0]}"
    shown = names if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]
    return f"the labels {', '.join(shown[:-1])} and {shown[-1]}"


def _called(label: int) -> str:
    """A label's number, or its colour."""
    return f"({label >> 16}, {label >> 8 & 255}, {label & 255})" if label > VOID[1] else str(label)
