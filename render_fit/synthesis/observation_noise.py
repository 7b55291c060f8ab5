"""Errors of detectors and segmenters for training: noise on masks, part maps, keypoints and their depths.

For graded, repeatable errors of single observations see `perturbations`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from kornia.morphology import dilation, erosion
from torch import Tensor
from torch.nn.functional import interpolate

from render_fit.core.config import StrictModel
from render_fit.core.skeletons import CANONICAL_KEYPOINTS, mirrored_name
from render_fit.observations.observation import centred_depths
from render_fit.synthesis.noise_fields import random_regions

_SWAPPED = torch.tensor([CANONICAL_KEYPOINTS.index(mirrored_name(name)) for name in CANONICAL_KEYPOINTS])
_ARMS = torch.tensor([any(word in name for word in ("elbow", "wrist")) for name in CANONICAL_KEYPOINTS])
_LEGS = torch.tensor(
    [any(word in name for word in ("hip", "knee", "ankle", "toe", "heel")) for name in CANONICAL_KEYPOINTS]
)
_LIMBS = ((18, 20, 22), (19, 21, 23), (4, 7, 10), (5, 8, 11), (20, 22), (21, 23), (7, 10), (8, 11), (15, 12))
"""SMPL parts that a segmenter loses together: forearms with hands, shins with feet, hands, feet, the head."""

_LABELS_WITHOUT = torch.arange(25).repeat(len(_LIMBS) + 1, 1)
"""(limbs + 1, 25) new label of every part label if a limb is lost; in the last row none is."""
for _number, _parts in enumerate(_LIMBS):
    _LABELS_WITHOUT[_number, [part + 1 for part in _parts]] = 0

_LIMB_CHAINS = [
    (CANONICAL_KEYPOINTS.index(f"{side}_{root}"), [CANONICAL_KEYPOINTS.index(f"{side}_{name}") for name in limb])
    for side in ("left", "right")
    for root, limb in (("shoulder", ("elbow", "wrist")), ("hip", ("knee", "ankle", "big_toe", "heel")))
]
"""Root keypoint and dependent keypoints of each arm and leg."""

_STRUCTURING_ELEMENT = torch.ones(3, 3)

OUTLIER_SPREAD = 0.4
"""Standard deviation of outlier keypoints, share of half the view's side: about the distance to another limb."""


class ObservationNoise(StrictModel):
    """Frequency and size of observation errors. Shares are probabilities per person unless noted otherwise.

    Attributes:
        no_mask: Share of people without a mask.
        no_parts: Share of people without a part map.
        coarse_parts: Share of part maps in fewer parts than SMPL's 24.
        coarse_space: Which parts these are: NBF's 12, or 6 or 3 groups of them.
        no_keypoints: Share of people without keypoints.
        mask_dilation: Largest dilation or erosion of a mask, share of the view's side.
        mask_boundary_noise: Amplitude of smooth noise that displaces a mask's boundary, share of the view's side.
        limb_lost: Share of people with one limb missing from mask and part map.
        occluded: Share of people with an occluder; half of the occluders are known.
        false_positive_region: Share of people with a region of background in the mask.
        jitter: Smallest and largest standard deviation of keypoints, share of half the view's side.
        keypoint_outliers: Share of keypoints that are somewhere else.
        missing: Share of visible keypoints that are not detected.
        hidden_missing: Share of hidden keypoints that are not detected.
        swapped: Share of people with left and right keypoints exchanged, in arms, in legs or everywhere.
        no_depths: Share of people without keypoint depths.
        depth_scale: Smallest and largest factor on depths, one for the person and another one for each limb: networks
            underestimate the depth of limbs that point towards the camera.
        depth_tilt: Standard deviation of the slope between the axes of the depths and of the view: over 30 standing
            people (CCP), MediaPipe's feet are deeper than the shoulders by 0.18 ± 0.06 of the height between them.
        depth_noise_m: Smallest and largest standard deviation of depths, metres.
        depth_flipped: Share of limbs whose depth relative to their root has the wrong sign; three times this share for
            limbs that are completely hidden.
    """

    renamed: ClassVar[Mapping[str, str]] = {
        "swollen": "mask_dilation",
        "ragged": "mask_boundary_noise",
        "stained": "false_positive_region",
        "stray": "keypoint_outliers",
        "twelve_parts": "coarse_parts",
    }

    no_mask: float = 0.08
    no_parts: float = 0.5
    coarse_parts: float = 0.5
    coarse_space: Literal["nbf12", "nbf6", "nbf3"] = "nbf12"
    no_keypoints: float = 0.04
    mask_dilation: float = 0.03
    mask_boundary_noise: float = 0.02
    limb_lost: float = 0.12
    occluded: float = 0.2
    false_positive_region: float = 0.1
    jitter: tuple[float, float] = (0.004, 0.05)
    keypoint_outliers: float = 0.02
    missing: float = 0.04
    hidden_missing: float = 0.3
    swapped: float = 0.04
    no_depths: float = 0.45
    depth_scale: tuple[float, float] = (0.3, 1.2)
    depth_tilt: float = 0.3
    depth_noise_m: tuple[float, float] = (0.01, 0.1)
    depth_flipped: float = 0.08


_NOT_SHARES = ("coarse_space", "jitter", "depth_scale", "depth_noise_m")
NO_NOISE = ObservationNoise.model_validate(
    {name: 0.0 for name in ObservationNoise.model_fields if name not in _NOT_SHARES}
    | {"jitter": (1e-6, 1e-6), "depth_scale": (1.0, 1.0), "depth_noise_m": (1e-6, 1e-6)}
)
"""Complete observations without errors."""


def add_mask_noise(
    labels: Int[Tensor, "n s s"],
    in_image: Bool[Tensor, "n s s"],
    config: ObservationNoise,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "n s s"], Int[Tensor, "n s s"]]:
    """Silhouettes and part maps with the errors of segmenters.

    Args:
        labels: (N, S, S) SMPL part + 1; 0 is background.
        in_image: (N, S, S) pixels inside the photo.
        config: Kinds and amounts of noise.
        generator: Source of randomness.

    Returns:
        (N, S, S) silhouettes: 1 person, −1 background, 0 unknown; and (N, S, S) part maps like ``labels``, all 0 for
        people without a part map.
    """
    count, size, _ = labels.shape

    def chance(share: float) -> Tensor:
        return (torch.rand(count, generator=generator) < share)[:, None, None]

    lost = torch.randint(len(_LIMBS), (count,), generator=generator)
    lost = torch.where(chance(config.limb_lost)[:, 0, 0], lost, len(_LIMBS))
    labels = _LABELS_WITHOUT[lost][torch.arange(count)[:, None, None], labels]
    mask = (labels > 0).float()[:, None]
    grown = config.mask_dilation * size * torch.randn(count, 1, 1, 1, generator=generator) / 2
    noise = interpolate(torch.randn(count, 1, 9, 9, generator=generator), size, mode="bicubic", align_corners=True)
    mask = _displace_boundary(mask, grown + config.mask_boundary_noise * size * noise)[:, 0] > 0.5

    false_positive = random_regions(count, size, 0.05, 0.2, generator)
    mask = mask | (false_positive & chance(config.false_positive_region))
    occluder = random_regions(count, size, 0.08, 0.35, generator) & chance(config.occluded)
    mask = mask & ~occluder
    unknown = (occluder & chance(0.5)) | ~in_image
    silhouette = torch.where(unknown, 0.0, torch.where(mask, 1.0, -1.0))
    silhouette = torch.where(chance(config.no_mask), 0.0, silhouette)
    parts = torch.where(occluder | ~in_image, 0, labels)
    return silhouette, torch.where(chance(config.no_parts), 0, parts)


def _displace_boundary(
    mask: Float[Tensor, "n 1 s s"], outwards_px: Float[Tensor, "n 1 s s"]
) -> Float[Tensor, "n 1 s s"]:
    """Masks dilated (or eroded, where negative) by a number of pixels that differs per pixel, up to four."""
    result, dilated, eroded = mask, mask, mask
    for step in range(4):
        dilated, eroded = dilation(dilated, _STRUCTURING_ELEMENT), erosion(eroded, _STRUCTURING_ELEMENT)
        result = torch.where(outwards_px < -step - 0.5, eroded, result)
        result = torch.where(outwards_px > step + 0.5, dilated, result)
    return result


def add_keypoint_noise(
    keypoints: Float[Tensor, "n k 2"],
    visible: Bool[Tensor, "n k"],
    known: Bool[Tensor, "n k"],
    config: ObservationNoise,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "n k 2"], Float[Tensor, "n k"]]:
    """Keypoints with the errors of detectors.

    Args:
        keypoints: (N, K, 2) units of half the view's side from its centre.
        visible: (N, K) not hidden, and inside the photo.
        known: (N, K) part of the keypoint format, and inside the photo.
        config: Kinds and amounts of noise.
        generator: Source of randomness.

    Returns:
        (N, K, 2) keypoints and (N, K) confidences, both 0 where nothing is detected.
    """
    count, n_points, _ = keypoints.shape

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    low, high = (math.log(limit) for limit in config.jitter)
    jitter = (low + (high - low) * uniform(count, 1)).exp()
    jitter = jitter * torch.where(visible, 1.0, 2.0)
    noisy = keypoints + jitter[..., None] * torch.randn(keypoints.shape, generator=generator)
    outlier = uniform(count, n_points) < config.keypoint_outliers
    offset = OUTLIER_SPREAD * torch.randn(keypoints.shape, generator=generator)
    noisy = torch.where(outlier[..., None], noisy + offset, noisy)
    missed = uniform(count, n_points) < torch.where(visible, config.missing, config.hidden_missing)
    detected = known & ~missed & (uniform(count, 1) >= config.no_keypoints)
    which = torch.randint(3, (count,), generator=generator)
    swap = (uniform(count) < config.swapped)[:, None] & torch.stack([_ARMS, _LEGS, torch.ones_like(_ARMS)])[which]
    noisy = torch.where(swap[..., None], noisy[:, _SWAPPED], noisy)
    detected = torch.where(swap, detected[:, _SWAPPED], detected)
    confidence = _sample_confidence(visible, generator)
    certain = (uniform(count) < 0.4)[:, None]  # annotations have confidence 1
    confidence = torch.where(detected, torch.where(certain, 1.0, confidence), 0.0)
    return torch.where(detected[..., None], noisy.clamp(-3, 3), 0.0), confidence


def add_depth_noise(
    points: Float[Tensor, "n k 3"],
    visible: Bool[Tensor, "n k"],
    known: Bool[Tensor, "n k"],
    config: ObservationNoise,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Keypoint depths with the errors of networks: most signs are right, magnitudes are not.

    Args:
        points: (N, K, 3) keypoints in the view's axes, metres.
        visible: (N, K) not hidden, and inside the photo.
        known: (N, K) part of the keypoint format, and inside the photo.
        config: Kinds and amounts of noise.
        generator: Source of randomness.

    Returns:
        (N, K) depths relative to the mean of the given ones, metres, and (N, K) confidences, both 0 where none is
        given.
    """
    count, n_points, _ = points.shape

    def between(limits: tuple[float, float], *shape: int) -> Tensor:
        return limits[0] + (limits[1] - limits[0]) * torch.rand(*shape, generator=generator)

    given = known & (torch.rand(count, 1, generator=generator) >= config.no_depths)
    centred = torch.stack([centred_depths(points[..., axis], given) for axis in range(3)], -1)
    slope = config.depth_tilt * torch.randn(count, 1, 2, generator=generator)
    depths = centred[..., 2] + (slope * centred[..., :2]).sum(-1)
    for root, limb in _LIMB_CHAINS:
        factor = between(config.depth_scale, count, 1)
        share = config.depth_flipped * torch.where(visible[:, limb].any(1, keepdim=True), 1.0, 3.0)
        flipped = torch.rand(count, 1, generator=generator) < share
        reach = depths[:, limb] - depths[:, root, None]
        depths[:, limb] = depths[:, root, None] + torch.where(flipped, -factor, factor) * reach
    low, high = (math.log(limit) for limit in config.depth_noise_m)
    noise = between((low, high), count, 1).exp() * torch.where(visible, 1.0, 2.0)
    depths = between(config.depth_scale, count, 1) * depths + noise * torch.randn(count, n_points, generator=generator)
    return centred_depths(depths, given), torch.where(given, _sample_confidence(visible, generator), 0.0)


def _sample_confidence(visible: Bool[Tensor, "n k"], generator: torch.Generator) -> Float[Tensor, "n k"]:
    """Confidences of detected keypoints: lower for hidden ones."""
    of_visible, of_hidden = (torch.rand(visible.shape, generator=generator) for _ in range(2))
    return torch.where(visible, 0.6 + 0.4 * of_visible, 0.2 + 0.7 * of_hidden)
