"""What observers get wrong: masks eaten into or swollen, limbs lost, things in the way, keypoints off or missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from render_fit.core.config import StrictModel
from render_fit.core.skeletons import CANONICAL_KEYPOINTS, mirrored_name
from render_fit.observations.keypoints import centred_depths

_SWAPPED = torch.tensor([CANONICAL_KEYPOINTS.index(mirrored_name(name)) for name in CANONICAL_KEYPOINTS])
_ARMS = torch.tensor([any(word in name for word in ("elbow", "wrist")) for name in CANONICAL_KEYPOINTS])
_LEGS = torch.tensor(
    [any(word in name for word in ("hip", "knee", "ankle", "toe", "heel")) for name in CANONICAL_KEYPOINTS]
)
_LIMBS = ((18, 20, 22), (19, 21, 23), (4, 7, 10), (5, 8, 11), (20, 22), (21, 23), (7, 10), (8, 11), (15, 12))
"""SMPL parts that a segmenter loses together: forearms with hands, shins with feet, hands, feet, the head."""

_AFTER_LOSS = torch.arange(25).repeat(len(_LIMBS) + 1, 1)
"""(limbs + 1, 25) what becomes of every label when a limb is lost; the last row: none is."""
for _number, _parts in enumerate(_LIMBS):
    _AFTER_LOSS[_number, [part + 1 for part in _parts]] = 0


_HANGING = [
    (CANONICAL_KEYPOINTS.index(f"{side}_{root}"), [CANONICAL_KEYPOINTS.index(f"{side}_{name}") for name in limb])
    for side in ("left", "right")
    for root, limb in (("shoulder", ("elbow", "wrist")), ("hip", ("knee", "ankle", "big_toe", "heel")))
]
"""Points of arms and legs behind those that they hang on."""

OUTLIER_SPREAD = 0.4
"""Standard deviation of how far off a stray keypoint is, share of half the view's side: about another limb's place."""


class ObservationNoise(StrictModel):
    """How often observers err, and by how much. Shares are probabilities per person unless it says otherwise.

    Attributes:
        no_mask: No mask at all.
        no_parts: No part map.
        coarse_parts: A part map that tells NBF's 12 parts, in place of SMPL's 24.
        no_keypoints: No keypoints.
        mask_dilation: Most that a mask grows or shrinks, share of the view's side.
        mask_boundary_noise: Height of the smooth noise that moves a mask's edge, in units of the same.
        limb_lost: A limb missing from mask and part map.
        occluded: Something in the way; half of the time it is known to be there.
        false_positive_region: A blob of background taken for the person.
        jitter: Smallest and largest standard deviation of keypoints, share of half the view's side.
        keypoint_outliers: Share of keypoints that are somewhere else.
        missing: Share of visible keypoints that are not found.
        hidden_missing: Share of hidden ones that are not found.
        swapped: Left taken for right, in arms, or legs, or all of a person.
        no_depths: No rough 3D keypoints.
        depth_scale: Smallest and largest factor on depths, one for the whole person and one more for each limb:
            networks that are not sure how far a limb reaches towards the camera say less than they see.
        depth_tilt: Standard deviation of the slope by which their axes lean off the view's: of 30 people who stand
            (CCP) MediaPipe's feet are further away than their shoulders by 0.18 +- 0.06 of the height between.
        depth_noise_m: Smallest and largest standard deviation of their depths, metres.
        depth_flipped: A limb that reaches forwards told to reach backwards, or the other way round; three times as
            often where all of it is hidden.
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


NO_NOISE = ObservationNoise(
    **{name: 0.0 for name in ObservationNoise.model_fields if name not in ("jitter", "depth_scale", "depth_noise_m")},
    jitter=(1e-6, 1e-6),
    depth_scale=(1.0, 1.0),
    depth_noise_m=(1e-6, 1e-6),
)
"""An observer without errors that sees everything."""


def add_mask_noise(
    labels: Int[Tensor, "n s s"],
    photographed: Bool[Tensor, "n s s"],
    config: ObservationNoise,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "n s s"], Int[Tensor, "n s s"]]:
    """A silhouette and a part map as segmenters give them.

    Args:
        labels: SMPL part + 1; 0 is background.
        photographed: Pixels inside the photo.
        config: Kinds and amounts of noise.
        generator: Source of randomness.

    Returns:
        Silhouettes: 1 person, −1 not, 0 unknown; part maps like ``labels``, all 0 where there is none.
    """
    count, size, _ = labels.shape

    def chance(share: float) -> Tensor:
        return (torch.rand(count, generator=generator) < share)[:, None, None]

    lost = torch.randint(len(_LIMBS), (count,), generator=generator)
    lost = torch.where(chance(config.limb_lost)[:, 0, 0], lost, len(_LIMBS))
    labels = _AFTER_LOSS[lost][torch.arange(count)[:, None, None], labels]
    mask = (labels > 0).float()[:, None]
    grown = config.mask_dilation * size * torch.randn(count, 1, 1, 1, generator=generator) / 2
    noise = interpolate(torch.randn(count, 1, 9, 9, generator=generator), size, mode="bicubic", align_corners=True)
    mask = _moved(mask, grown + config.mask_boundary_noise * size * noise)[:, 0] > 0.5

    blob = random_blobs(count, size, 0.05, 0.2, generator)
    mask = mask | (blob & chance(config.false_positive_region))
    thing = random_blobs(count, size, 0.08, 0.35, generator) & chance(config.occluded)
    told = torch.rand(count, generator=generator)[:, None, None] < 0.5
    mask = mask & ~thing
    unknown = (thing & told) | ~photographed
    silhouette = torch.where(unknown, 0.0, torch.where(mask, 1.0, -1.0))
    silhouette = torch.where(chance(config.no_mask), 0.0, silhouette)
    shown = torch.where(thing | ~photographed, 0, labels)
    return silhouette, torch.where(chance(config.no_parts), 0, shown)


def _moved(mask: Float[Tensor, "n 1 s s"], outwards_px: Float[Tensor, "n 1 s s"]) -> Float[Tensor, "n 1 s s"]:
    """Masks with their edges moved outwards by a number of pixels at every place, up to four; negative: inwards."""
    result, grown, shrunk = mask, mask, mask
    for step in range(4):
        grown = max_pool2d(grown, 3, 1, 1)
        shrunk = 1 - max_pool2d(1 - shrunk, 3, 1, 1)
        result = torch.where(outwards_px > step + 0.5, grown, torch.where(outwards_px < -step - 0.5, shrunk, result))
    return result


def random_blobs(
    count: int, size: int, smallest: float, largest: float, generator: torch.Generator
) -> Bool[Tensor, "n s s"]:
    """One ellipse or box each, anywhere, turned any way.

    Args:
        count: Pictures.
        size: Their side, pixels.
        smallest: Half-axis, share of the side.
        largest: Half-axis, share of the side.
        generator: Source of randomness.
    """
    centres = (torch.arange(size) + 0.5) / size
    middle = 0.1 + 0.8 * torch.rand(count, 2, 1, 1, generator=generator)
    half = smallest + (largest - smallest) * torch.rand(count, 2, 1, 1, generator=generator) ** 2
    angle = math.pi * torch.rand(count, 1, 1, generator=generator)
    x, y = centres[None, None, :] - middle[:, 0], centres[None, :, None] - middle[:, 1]
    along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    u, v = (along / half[:, 0]).abs(), (across / half[:, 1]).abs()
    square = (torch.rand(count, generator=generator) < 0.4)[:, None, None]
    return torch.where(square, torch.maximum(u, v), (u * u + v * v).sqrt()) < 1


def add_keypoint_noise(
    keypoints: Float[Tensor, "n k 2"],
    visible: Bool[Tensor, "n k"],
    known: Bool[Tensor, "n k"],
    config: ObservationNoise,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "n k 2"], Float[Tensor, "n k"]]:
    """Keypoints as detectors give them.

    Args:
        keypoints: Units of half the view's side from its middle.
        visible: Not hidden, and inside the photo.
        known: Inside the photo, and told at all.
        config: Kinds and amounts of noise.
        generator: Source of randomness.

    Returns:
        Keypoints and confidences, both 0 where nothing was found.
    """
    count, n_points, _ = keypoints.shape

    def chance(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    low, high = (math.log(limit) for limit in config.jitter)
    jitter = (low + (high - low) * chance(count, 1)).exp()
    jitter = jitter * torch.where(visible, 1.0, 2.0)
    moved = keypoints + jitter[..., None] * torch.randn(keypoints.shape, generator=generator)
    stray = chance(count, n_points) < config.keypoint_outliers
    moved = torch.where(
        stray[..., None], moved + OUTLIER_SPREAD * torch.randn(keypoints.shape, generator=generator), moved
    )
    missed = chance(count, n_points) < torch.where(visible, config.missing, config.hidden_missing)
    found = known & ~missed & (chance(count, 1) >= config.no_keypoints)
    which = torch.randint(3, (count,), generator=generator)
    swap = (chance(count) < config.swapped)[:, None] & torch.stack([_ARMS, _LEGS, torch.ones_like(_ARMS)])[which]
    moved = torch.where(swap[..., None], moved[:, _SWAPPED], moved)
    found = torch.where(swap, found[:, _SWAPPED], found)
    sure = _confidences(visible, generator)
    exact = (chance(count) < 0.4)[:, None]  # annotations come without doubt
    confidence = torch.where(found, torch.where(exact, 1.0, sure), 0.0)
    return torch.where(found[..., None], moved.clamp(-3, 3), 0.0), confidence


def add_depth_noise(
    points: Float[Tensor, "n k 3"],
    visible: Bool[Tensor, "n k"],
    known: Bool[Tensor, "n k"],
    config: ObservationNoise,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """How far away keypoints are, as networks guess it from a photo: the signs mostly right, the sizes not.

    Args:
        points: Metres, in the view's axes.
        visible: Not hidden, and inside the photo.
        known: Inside the photo, and told at all.
        config: Kinds and amounts of noise.
        generator: Source of randomness.

    Returns:
        Depths relative to the mean of those that are told, and confidences, both 0 where nothing is told.
    """
    count, n_points, _ = points.shape

    def between(limits: tuple[float, float], *shape: int) -> Tensor:
        return limits[0] + (limits[1] - limits[0]) * torch.rand(*shape, generator=generator)

    told = known & (torch.rand(count, 1, generator=generator) >= config.no_depths)
    around = torch.stack([centred_depths(points[..., axis], told) for axis in range(3)], -1)
    slope = config.depth_tilt * torch.randn(count, 1, 2, generator=generator)
    depths = around[..., 2] + (slope * around[..., :2]).sum(-1)
    for root, limb in _HANGING:
        smaller = between(config.depth_scale, count, 1)
        share = config.depth_flipped * torch.where(visible[:, limb].any(1, keepdim=True), 1.0, 3.0)
        flipped = torch.rand(count, 1, generator=generator) < share
        reach = depths[:, limb] - depths[:, root, None]
        depths[:, limb] = depths[:, root, None] + torch.where(flipped, -smaller, smaller) * reach
    low, high = (math.log(limit) for limit in config.depth_noise_m)
    noise = between((low, high), count, 1).exp() * torch.where(visible, 1.0, 2.0)
    depths = between(config.depth_scale, count, 1) * depths + noise * torch.randn(count, n_points, generator=generator)
    return centred_depths(depths, told), torch.where(told, _confidences(visible, generator), 0.0)


def _confidences(visible: Bool[Tensor, "n k"], generator: torch.Generator) -> Float[Tensor, "n k"]:
    """Confidences of what was found: hidden points have less."""
    seen, guessed = (torch.rand(visible.shape, generator=generator) for _ in range(2))
    return torch.where(visible, 0.6 + 0.4 * seen, 0.2 + 0.7 * guessed)
