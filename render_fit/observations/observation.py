"""Observation of one person in one image, and crops of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError
from render_fit.core.parts import PartSpace
from render_fit.core.plausibility import LEAST_SCORE
from render_fit.core.skeletons import Skeleton

Box = tuple[float, float, float, float]
"""Left, top, width, height in pixels."""


@dataclass(frozen=True)
class Observation:
    """Observation of one person in one image. Everything that was not observed is None.

    Attributes:
        image_size: (H, W) of the image that all pixels below refer to.
        valid: (H, W) pixels that are evidence about this person: inside the photo and not hidden by other people or
            things. Terms ignore the others, so the edge of the photo is not a contour.
        box: Bounding box of the person in this image, pixels (left, top, width, height).
        image: (3, H, W) RGB in [0, 1].
        mask: (H, W) share of each pixel that the person covers, in [0, 1].
        keypoints_px: (K, 2) pixels; arbitrary but finite where ``confidence`` is 0.
        confidence: (K,) in [0, 1]; 0 = not observed.
        skeleton: Skeleton of the K keypoints.
        labels: (H, W) label per pixel, an index into ``part_space.labels``.
        part_space: Label space of ``labels``.
        keypoints_3d: (K, 3) the same keypoints in camera axes, metres, relative to the middle of the hips. Rough
            estimates of the observer, whose networks do not know the camera.
        confidence_3d: (K,) in [0, 1]; 0 = no such 3D keypoint.
        camera: Camera of this image; always set by `observe` (its origin is in ``source["camera"]``).
        crop_box: Box of this image in the photo, pixels of the photo. `Camera.crop` with this box and ``image_size``
            converts the camera of the photo to the camera of this image.
        file_size: (H, W) of the photo's upright file, pixels; larger than the photo if it was reduced while reading.
        source: Origin of each entry, e.g. ``{"mask": "person_mask.png", "keypoints": "blazepose"}``.
        notes: What is odd about the files, and how they were understood where it is not plain; sentences.
    """

    image_size: tuple[int, int]
    valid: Bool[Tensor, "h w"]
    box: Box
    image: Float[Tensor, "3 h w"] | None = None
    mask: Float[Tensor, "h w"] | None = None
    keypoints_px: Float[Tensor, "k 2"] | None = None
    confidence: Float[Tensor, "k"] | None = None
    skeleton: Skeleton | None = None
    labels: Int[Tensor, "h w"] | None = None
    part_space: PartSpace | None = None
    keypoints_3d: Float[Tensor, "k 3"] | None = None
    confidence_3d: Float[Tensor, "k"] | None = None
    camera: Camera | None = None
    crop_box: Box | None = None
    file_size: tuple[int, int] | None = None
    source: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.crop_box is None:
            height, width = self.image_size
            object.__setattr__(self, "crop_box", (0.0, 0.0, float(width), float(height)))

    @classmethod
    def of(
        cls,
        image: Float[Tensor, "3 h w"],
        *,
        mask: Float[Tensor, "h w"] | None = None,
        keypoints_px: Float[Tensor, "k 2"] | None = None,
        confidence: Float[Tensor, "k"] | None = None,
        skeleton: Skeleton | None = None,
        labels: Int[Tensor, "h w"] | None = None,
        part_space: PartSpace | None = None,
        camera: Camera | None = None,
        box: Box | None = None,
        source: str = "given",
    ) -> Observation:
        """Makes an observation of one person; image size, validity and box follow from what is given.

        Args:
            image: (3, H, W) RGB in [0, 1].
            mask: (H, W) share of each pixel that the person covers, in [0, 1].
            keypoints_px: (K, 2) pixels; ``skeleton`` is needed with them.
            confidence: (K,) in [0, 1], under `LEAST_SCORE` = not observed; 1 for all if None.
            skeleton: Names of the K keypoints, e.g. ``COCO_17`` of `core.skeletons`.
            labels: (H, W) index into ``part_space.labels``; ``part_space`` is needed with them.
            part_space: Meaning of the labels, e.g. ``ATR`` of `core.parts`.
            camera: Camera of the image.
            box: Bounding box of the person, pixels; that of mask and keypoints if None, else the whole image.
            source: Source of all that is given, for reports: the name and version of the observer.

        Raises:
            InputError: if a map does not have the image's size, or ``skeleton`` or ``part_space`` is missing.
        """
        height, width = image.shape[1:]
        for name, pixels in (("mask", mask), ("labels", labels)):
            if pixels is not None and pixels.shape != (height, width):
                raise InputError(f"{name}: expected the image's shape {(height, width)}, got {tuple(pixels.shape)}")
        if keypoints_px is not None and (skeleton is None or len(skeleton) != len(keypoints_px)):
            raise InputError(f"skeleton: expected one of {len(keypoints_px)} joints, as many as keypoints")
        if labels is not None and part_space is None:
            raise InputError("part_space: needed with labels")
        around_points = None
        if keypoints_px is not None:
            confidence = torch.ones(len(keypoints_px)) if confidence is None else observed_scores(confidence)
            around_points = box_of_keypoints(keypoints_px, confidence)
        box = box or box_union(None if mask is None else box_of_mask(mask), around_points)
        given = {"mask": mask, "keypoints": keypoints_px, "parts": labels, "camera": camera}
        return cls(
            image_size=(height, width),
            valid=torch.ones(height, width, dtype=torch.bool),
            box=box or (0.0, 0.0, float(width), float(height)),
            image=image,
            mask=mask,
            keypoints_px=keypoints_px,
            confidence=confidence,
            skeleton=skeleton,
            labels=labels,
            part_space=part_space,
            camera=camera,
            source={name: source for name, value in given.items() if value is not None},
        )

    def crop(self, size: int | tuple[int, int], margin: float = 0.15) -> Observation:
        """Crops the person, resized to a fixed size.

        The crop has the aspect ratio of the output, is centred on ``box``, and may reach outside the image: there it
        is black, without mask, and not valid.

        Args:
            size: Output side, or (height, width), pixels.
            margin: Margin on each side, as a share of the longer side of the box.

        Returns:
            Observation in the crop, with the ``crop_box`` and ``camera`` of the crop.
        """
        height, width = (size, size) if isinstance(size, int) else size
        left, top, box_width, box_height = self.box
        room = 2 * margin * max(box_width, box_height)
        # the smallest crop of the output's aspect ratio that contains the box and its margin
        pixels_per_pixel = max((box_width + room) / width, (box_height + room) / height)
        crop_width, crop_height = width * pixels_per_pixel, height * pixels_per_pixel
        crop_left = left + (box_width - crop_width) / 2
        crop_top = top + (box_height - crop_height) / 2
        return self.crop_to((crop_left, crop_top, crop_width, crop_height), height, width)

    def crop_to(self, crop: Box, height: int, width: int) -> Observation:
        """Crops a given box, resized to a given size; see `crop`.

        Args:
            crop: Box in this image, pixels; may reach outside.
            height: Output height, pixels.
            width: Output width, pixels.

        Returns:
            Observation in the crop.
        """
        left, top, crop_width, crop_height = crop
        origin = torch.tensor([left, top])
        scale = torch.tensor([width / crop_width, height / crop_height])
        photo_left, photo_top, photo_width, photo_height = self.crop_box or crop
        photo_scale = (photo_width / self.image_size[1], photo_height / self.image_size[0])
        box_left, box_top, box_width, box_height = self.box
        sx, sy = scale.tolist()
        covered = resample(torch.ones(1, *self.image_size), crop, height, width)[0] > 1 - 1e-4
        valid = covered & resample_labels(self.valid, crop, height, width)
        return replace(
            self,
            image_size=(height, width),
            valid=valid,
            box=((box_left - left) * sx, (box_top - top) * sy, box_width * sx, box_height * sy),
            image=None if self.image is None else resample(self.image, crop, height, width),
            mask=None if self.mask is None else resample(self.mask[None], crop, height, width)[0],
            keypoints_px=None if self.keypoints_px is None else (self.keypoints_px - origin) * scale,
            labels=None if self.labels is None else resample_labels(self.labels, crop, height, width),
            camera=None if self.camera is None else self.camera.crop(torch.tensor([crop]), height, width),
            crop_box=(
                photo_left + left * photo_scale[0],
                photo_top + top * photo_scale[1],
                crop_width * photo_scale[0],
                crop_height * photo_scale[1],
            ),
        )


def resample(image: Float[Tensor, "c h w"], crop: Box, height: int, width: int) -> Float[Tensor, "c h2 w2"]:
    """Crops a box of an image and resizes it; reduction averages over the output pixel.

    Args:
        image: (C, H, W) image.
        crop: Left, top, width, height of the box, pixels of the image; zero outside the image.
        height: Output height, pixels.
        width: Output width, pixels.

    Returns:
        (C, height, width) image: bilinear where enlarged; where reduced, the mean over each output pixel of bilinear
        samples at most one image pixel apart (of block means, if the reduction is more than two).

    Differentiability:
        Linear in ``image``.
    """
    block = int(min(crop[2] / width, crop[3] / height) + 1e-6)
    part, left, top = (image, 0, 0) if block < 2 else _needed(image, crop, block)
    block = max(1, block)
    samples_y = max(1, math.ceil(crop[3] / height / block - 1e-6))
    samples_x = max(1, math.ceil(crop[2] / width / block - 1e-6))
    y = _centres(crop[1], crop[3], height * samples_y)
    x = _centres(crop[0], crop[2], width * samples_x)
    # grid_sample's coordinates: -1 and 1 are the image's outer edges
    grid_y, grid_x = (y - top) / block / part.shape[1] * 2 - 1, (x - left) / block / part.shape[2] * 2 - 1
    grid = torch.stack(torch.meshgrid(grid_x, grid_y, indexing="xy"), dim=-1)[None].to(image)
    sampled = F.grid_sample(part[None], grid, mode="bilinear", padding_mode="border", align_corners=False)
    inside_y, inside_x = (y >= 0) & (y <= image.shape[1]), (x >= 0) & (x <= image.shape[2])
    sampled = sampled * (inside_y[:, None] & inside_x)
    return F.avg_pool2d(sampled, (samples_y, samples_x))[0] if samples_y * samples_x > 1 else sampled[0]


def _needed(image: Tensor, crop: Box, block: int) -> tuple[Tensor, int, int]:
    """Part of an image that a crop needs, averaged over square blocks, and its left and top, pixels."""
    left = min(max(math.floor(crop[0]) - block, 0), image.shape[2] - 1)
    top = min(max(math.floor(crop[1]) - block, 0), image.shape[1] - 1)
    right = max(min(math.ceil(crop[0] + crop[2]) + block, image.shape[2]), left + 1)
    bottom = max(min(math.ceil(crop[1] + crop[3]) + block, image.shape[1]), top + 1)
    part = image[None, :, top:bottom, left:right]
    part = F.pad(part, (0, -part.shape[3] % block, 0, -part.shape[2] % block), mode="replicate")
    return F.avg_pool2d(part, block)[0], left, top


def _centres(start: float, extent: float, count: int) -> Tensor:
    """Sample centres along one axis, pixels."""
    return start + (torch.arange(count, dtype=torch.float64) + 0.5) * (extent / count)


def resample_labels(labels: Shaped[Tensor, "h w"], crop: Box, height: int, width: int) -> Shaped[Tensor, "h2 w2"]:
    """Crops a box of a label map and resizes it: label at the centre of each output pixel, 0 outside.

    Args:
        labels: (H, W) integers or booleans.
        crop: Left, top, width, height of the box, pixels of the map.
        height: Output height, pixels.
        width: Output width, pixels.

    Returns:
        (height, width) labels of the same type.
    """
    rows, columns = _centres(crop[1], crop[3], height).floor().long(), _centres(crop[0], crop[2], width).floor().long()
    rows_inside = (rows >= 0) & (rows < labels.shape[0])
    columns_inside = (columns >= 0) & (columns < labels.shape[1])
    picked = labels[rows.clamp(0, labels.shape[0] - 1)][:, columns.clamp(0, labels.shape[1] - 1)]
    return picked * (rows_inside[:, None] & columns_inside[None])


def observed_scores(scores: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Scores with those of keypoints that were not observed set to 0: not finite, or under `LEAST_SCORE`."""
    known = scores.isfinite() & (scores >= LEAST_SCORE)
    return torch.where(known, scores.nan_to_num(0.0), torch.zeros_like(scores)).clamp(max=1.0)


def box_of_mask(mask: Float[Tensor, "h w"]) -> Box | None:
    """Bounding box (left, top, width, height, pixels) of a mask at threshold 0.5; None if it is empty."""
    rows = torch.nonzero((mask >= 0.5).any(dim=1)).flatten()
    columns = torch.nonzero((mask >= 0.5).any(dim=0)).flatten()
    if len(rows) == 0:
        return None
    left, top = float(columns[0]), float(rows[0])
    return (left, top, float(columns[-1]) + 1 - left, float(rows[-1]) + 1 - top)


def box_of_keypoints(keypoints_px: Float[Tensor, "k 2"], confidence: Float[Tensor, "k"]) -> Box | None:
    """Bounding box (left, top, width, height, pixels) of the observed keypoints; None if there are none."""
    observed = keypoints_px[confidence > 0]
    if len(observed) == 0:
        return None
    (left, top), (right, bottom) = observed.min(dim=0).values.tolist(), observed.max(dim=0).values.tolist()
    return (left, top, right - left, bottom - top)


def box_union(a: Box | None, b: Box | None) -> Box | None:
    """Smallest box that contains both boxes; the other one if one is None."""
    if a is None or b is None:
        return a or b
    left, top = min(a[0], b[0]), min(a[1], b[1])
    right, bottom = max(a[0] + a[2], b[0] + b[2]), max(a[1] + a[3], b[1] + b[3])
    return (left, top, right - left, bottom - top)


def box_grown(box: Box, by: float) -> Box:
    """Box enlarged by ``by`` pixels on every side."""
    return (box[0] - by, box[1] - by, box[2] + 2 * by, box[3] + 2 * by)


def box_overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)


def centred_depths(depths: Float[Tensor, "n k"], known: Bool[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Depths relative to the mean of the known depths; 0 where unknown."""
    mean = (depths * known).sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp(min=1)
    return torch.where(known, depths - mean, 0.0)
