"""Observations in the crop of a fit, with distance transforms and other costly maps computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, wraps
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor

from render_fit.core.cameras import Camera
from render_fit.core.parts import NBF_12_OF_OUTLINE, UNKNOWN_LOOSENESS_M, PartSpace
from render_fit.core.skeletons import Skeleton
from render_fit.observations.observation import Observation
from render_fit.observations.parts_from_keypoints import parts_from_keypoints

LENGTH_PER_EDGE_PIXEL = 1.1
"""Length of an outline per pixel of its edge, pixels: in part the edge goes on diagonally."""

MASK_ERROR_M = 0.006
"""Usual distance by which a mask's outline is wrong, metres, set by hand; no looseness is smaller, unless by labels."""


def _per_image(compute: Callable[[Any], Any]) -> cached_property:
    """A cached property with one value per image. Targets that repeat others take their values from those."""

    def value(targets: FitTargets) -> Any:
        if targets._origin is None:
            return compute(targets)
        sources, rows = targets._origin
        return _rows_of([getattr(source, compute.__name__) for source in sources], rows)

    return cached_property(wraps(compute)(value))


def _rows_of(values: Sequence[Any], rows: Tensor) -> Any:
    """Rows of several tensors or lists one after the other, or of each member of tuples of them; None of None."""
    if values[0] is None:
        return None
    if isinstance(values[0], tuple):
        return tuple(_rows_of(members, rows) for members in zip(*values, strict=True))
    if isinstance(values[0], Tensor):
        return torch.cat(list(values))[rows]
    joined = [image for value in values for image in value]
    return [joined[row] for row in rows.tolist()]


@dataclass(frozen=True)
class FitTargets:
    """z(I) of N images (or of one, shared by a batch of hypotheses) in crops of one size.

    Attributes:
        camera: The crops' cameras, N of them.
        person_size_px: (N,) the longer side of the person's box in crop pixels: the unit of image distances.
        valid: (N, H, W) which pixels count; outside are image borders, other people, occluders.
        mask: (N, H, W) the person's mask in [0, 1].
        keypoints_px: (N, K, 2) in crop pixels.
        confidence: (N, K) in [0, 1]; 0 where nothing was seen.
        skeleton: Names of the keypoints.
        keypoints_3d: (N, K, 3) metres, relative to the mid-hip, camera axes.
        confidence_3d: (N, K) in [0, 1]; 0 where there is no such 3D keypoint.
        labels: (N, H, W) part labels of ``part_space``.
        part_space: Meaning of the labels.
        predicted_joints: (N, M, 24, 3) SMPL's joints in M hypotheses of a regressor, metres, relative to the pelvis,
            camera axes.
        predicted_joint_error: (N, M, 24) their expected errors, metres (mean of an exponential).
        predicted_log_prob: (N, M) logarithms of the hypotheses' probabilities.
        looseness_scale: (N,) how loosely the people are dressed, in units of usual clothes; None: usually.
        clothing_mean: (N, C) mean of the smooth clothing coefficients, as learned of what is seen of the clothes.
        clothing_precision: (N, C, C) their inverse covariance; both None if nothing was learned for the body.
    """

    camera: Camera
    person_size_px: Float[Tensor, "n"]
    valid: Bool[Tensor, "n h w"]
    mask: Float[Tensor, "n h w"] | None = None
    keypoints_px: Float[Tensor, "n k 2"] | None = None
    confidence: Float[Tensor, "n k"] | None = None
    skeleton: Skeleton | None = None
    keypoints_3d: Float[Tensor, "n k 3"] | None = None
    confidence_3d: Float[Tensor, "n k"] | None = None
    labels: Int[Tensor, "n h w"] | None = None
    part_space: PartSpace | None = None
    predicted_joints: Float[Tensor, "n m 24 3"] | None = None
    predicted_joint_error: Float[Tensor, "n m 24"] | None = None
    predicted_log_prob: Float[Tensor, "n m"] | None = None
    looseness_scale: Float[Tensor, "n"] | None = None
    clothing_mean: Float[Tensor, "n c"] | None = None
    clothing_precision: Float[Tensor, "n c c"] | None = None

    # targets, and the rows of them, from which the values per image are taken (`repeated`)
    _origin: ClassVar[tuple[tuple[FitTargets, ...], Tensor] | None] = None

    def __len__(self) -> int:
        return len(self.person_size_px)

    def has(self, name: str) -> bool:
        """Whether a field was observed; keypoints count only if one of them has a confidence above 0."""
        if name == "keypoints_px" and self.confidence is not None and not bool((self.confidence > 0).any()):
            return False
        return getattr(self, name) is not None

    def __getitem__(self, rows: Tensor) -> FitTargets:
        """Some of the images, in any order, repeated or not."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{n: value[rows] for n, value in values.items() if isinstance(value, (Tensor, Camera))})

    @property
    def layout(self) -> tuple[object, ...]:
        """Equal for targets that can be `joined`: which fields they have, of which shapes, and what these mean."""
        values = [getattr(self, f.name) for f in fields(self)]
        shapes = [value.shape[1:] if isinstance(value, Tensor) else None for value in values]
        return (*shapes, self.camera.height, self.camera.width, id(self.skeleton), id(self.part_space))

    @staticmethod
    def joined(parts: Sequence[FitTargets]) -> FitTargets:
        """Images one after the other.

        Raises:
            ValueError: if they differ in size, skeleton or label space, or in which fields they have.
        """
        first = parts[0]
        values: dict[str, Any] = {}
        for f in fields(first):
            found = [getattr(part, f.name) for part in parts]
            if isinstance(found[0], Tensor) and all(isinstance(value, Tensor) for value in found):
                values[f.name] = torch.cat(found)
            elif isinstance(found[0], Camera):
                values[f.name] = Camera(torch.cat([c.K for c in found]), first.camera.height, first.camera.width)
            elif any(value is not found[0] for value in found):
                raise ValueError(f"targets: images differ in {f.name}, and cannot be compared with in one batch")
            else:
                values[f.name] = found[0]
        return FitTargets(**values)

    @staticmethod
    def repeated(parts: Sequence[FitTargets], counts: Sequence[int]) -> FitTargets:
        """Images one after the other, each several times; costly maps are computed once for each of ``parts``.

        Args:
            parts: Targets of one image each, of equal `layout`.
            counts: How often each image stands in the result.
        """
        rows = torch.arange(len(parts)).repeat_interleave(torch.tensor(counts))
        made = FitTargets.joined(parts)[rows]
        object.__setattr__(made, "_origin", (tuple(parts), rows))
        return made

    @_per_image
    def valid_float(self) -> Float[Tensor, "n h w"]:
        """``valid`` as 0 and 1."""
        return self.valid.to(torch.float32)

    @_per_image
    def mask_area(self) -> Float[Tensor, "n"]:
        """Valid pixels of the mask."""
        return (self.seen_mask * self.valid_float).sum(dim=(1, 2)).clamp(min=1.0)

    @property
    def seen_mask(self) -> Float[Tensor, "n h w"]:
        """The mask; a ValueError if there is none."""
        if self.mask is None:
            raise ValueError("mask: the observation has none; leave silhouette terms out of the objective")
        return self.mask

    @_per_image
    def labelled(self) -> Bool[Tensor, "n h w"]:
        """Pixels with another label than background; none without labels."""
        return torch.zeros_like(self.valid) if self.labels is None else self.labels != 0

    @_per_image
    def labelled_area(self) -> Float[Tensor, "n"]:
        """Valid pixels with another label than background."""
        return (self.labelled & self.valid).sum(dim=(1, 2)).clamp(min=1).float()

    @_per_image
    def label_evidence(self) -> tuple[Float[Tensor, "n 24 h w"], Float[Tensor, "n h w"]]:
        """Likelihood of each pixel's label under each part minus that under background, and that under background."""
        return self._evidence(self.known_part_space.emission)

    @_per_image
    def label_evidence_on_person(self) -> tuple[Float[Tensor, "n 24 h w"], Float[Tensor, "n h w"]]:
        """`label_evidence` at pixels of the person, by `PartSpace.emission_on_person`."""
        return self._evidence(self.known_part_space.emission_on_person)

    def _evidence(self, emission: Float[Tensor, "25 l"]) -> tuple[Tensor, Tensor]:
        likelihood = emission.to(torch.float32)[:, self.labels].movedim(0, 1)
        return (likelihood[:, :-1] - likelihood[:, -1:]).contiguous(), likelihood[:, -1].contiguous()

    @property
    def known_part_space(self) -> PartSpace:
        """Meaning of the labels; a ValueError if there are none."""
        if self.labels is None or self.part_space is None:
            raise ValueError("labels: the observation has no part map; leave part terms out of the objective")
        return self.part_space

    @_per_image
    def looseness_m(self) -> Float[Tensor, "n h w"] | None:
        """Looseness of each pixel's label (`PartSpace.looseness_m`), metres.

        Without labels of known looseness it is that of clothed people at the nearest part, by the keypoints, times
        ``looseness_scale``; None without mask or keypoints.
        """
        if self.labels is not None and self.part_space is not None and self.part_space.looseness_m is not None:
            return self.part_space.looseness_m.to(self.valid_float)[self.labels]
        if self.mask is None or self.keypoints_px is None or self.confidence is None or self.skeleton is None:
            return None
        assert NBF_12_OF_OUTLINE.looseness_m is not None
        by_label = NBF_12_OF_OUTLINE.looseness_m.to(self.valid_float)
        looseness_m = []
        for mask, points, sure in zip(self.mask, self.keypoints_px, self.confidence, strict=True):
            labels = parts_from_keypoints(mask, points, sure, self.skeleton)
            unknown = torch.full_like(mask, UNKNOWN_LOOSENESS_M)
            looseness_m.append(unknown if labels is None else by_label[labels])
        scale = 1.0 if self.looseness_scale is None else self.looseness_scale[:, None, None]
        return (torch.stack(looseness_m) * scale).clamp(min=MASK_ERROR_M)

    @_per_image
    def distance_to_mask_px(self) -> Float[Tensor, "n h w"]:
        """Distance of every pixel to the nearest valid pixel of the mask, 0 inside it, pixels."""
        masks = (self.seen_mask.cpu().numpy() > 0.5) & self.valid.cpu().numpy()
        distances = [
            np.asarray(ndimage.distance_transform_edt(~mask)) if mask.any() else np.zeros(mask.shape) for mask in masks
        ]
        return torch.from_numpy(np.stack(distances)).to(self.seen_mask)

    @_per_image
    def depth_in_mask_px(self) -> Float[Tensor, "n h w"]:
        """Distance of every pixel's centre to the nearest valid pixel outside of the mask, 0 outside, pixels."""
        outside = (self.seen_mask.cpu().numpy() <= 0.5) & self.valid.cpu().numpy()
        depths = [
            np.asarray(ndimage.distance_transform_edt(~one)) if one.any() else np.full(one.shape, float(max(one.shape)))
            for one in outside
        ]
        return (torch.from_numpy(np.stack(depths)).to(self.seen_mask) - 0.5).clamp(min=0)

    @_per_image
    def mask_outline_px(self) -> list[Float[Tensor, "m 2"]]:
        """Per image, at most 300 pixel centres (x, y) on the mask's inner edge that are not at a border of validity."""
        outlines = []
        for edge in self._mask_edges:
            y, x = np.nonzero(edge)
            every = max(1, -(-len(x) // 300))
            outline = np.stack([x, y], axis=-1)[::every] + 0.5
            outlines.append(torch.from_numpy(outline).to(self.seen_mask))
        return outlines

    @_per_image
    def outline_length_px(self) -> Float[Tensor, "n"]:
        """Length of the mask's outline without borders of validity, pixels, at least 1."""
        counts = torch.tensor([float(edge.sum()) for edge in self._mask_edges]).to(self.seen_mask)
        return (LENGTH_PER_EDGE_PIXEL * counts).clamp(min=1.0)

    @_per_image
    def _mask_edges(self) -> list[Bool[np.ndarray, "h w"]]:
        """Per image, the pixels on the mask's inner edge that are not at a border of validity."""
        edges = []
        for mask, valid in zip(self.seen_mask.cpu().numpy() > 0.5, self.valid.cpu().numpy(), strict=True):
            inside = ndimage.binary_erosion(valid, border_value=0)
            edges.append(mask & ~np.asarray(ndimage.binary_erosion(mask, border_value=1), dtype=bool) & inside)
        return edges


def targets_from(observation: Observation, camera: Camera, size: int, margin: float) -> FitTargets:
    """Targets of one image, in a square crop around the person.

    Args:
        observation: z(I), in pixels of the full image.
        camera: Camera of the full image.
        size: Side of the square crop around the person, pixels.
        margin: Room on each side of the person's box, as a share of its longer side.

    Returns:
        Targets for one image (N = 1). Keypoints that are not finite get confidence 0.
    """
    crop = observation.crop(size, margin)
    assert crop.crop_box is not None

    keypoints_px, confidence = crop.keypoints_px, crop.confidence
    if keypoints_px is not None and confidence is not None:
        known = keypoints_px.isfinite().all(dim=1) & confidence.isfinite()
        keypoints_px = torch.where(known[:, None], keypoints_px, 0.0)
        confidence = torch.where(known, confidence, 0.0)

    def one(value: Tensor | None) -> Tensor | None:
        return None if value is None else value[None]

    return FitTargets(
        camera=camera.crop(torch.tensor([crop.crop_box]), size, size),
        person_size_px=torch.tensor([max(crop.box[2], crop.box[3])]),
        valid=crop.valid[None],
        mask=one(crop.mask),
        keypoints_px=one(keypoints_px),
        confidence=one(confidence),
        skeleton=crop.skeleton,
        keypoints_3d=one(crop.keypoints_3d),
        confidence_3d=one(crop.confidence_3d),
        labels=one(crop.labels),
        part_space=crop.part_space,
    )
