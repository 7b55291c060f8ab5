"""The colours of a person's clothes: histograms of the upper and of the lower body, and how alike two people look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.observations.observation import Box, Observation

BINS = (6, 6, 6)
"""Bins of brightness and of the two differences of colour: red − green, and yellow − blue."""

DIFFERENCE_RANGE = 0.5
"""Differences of colour beyond this fall into the outer bins. Most clothes lie within."""

MOST_PIXELS = 20_000
"""Pixels of a person that are counted; of more, a regular grid."""

LEAST_PIXELS = 64
"""Pixels of one half of the body, under which its colours are not known."""

SURE = 0.5
"""Confidence from which a keypoint counts."""

UPPER_ROWS, LOWER_ROWS = (0.2, 0.5), (0.5, 0.9)
"""Rows of the upper and the lower body, as shares of the box's height, where hips and shoulders are not seen."""

SAME_LIGHT, OTHER_LIGHT = (6.0, 40.0), (3.9, 13.0)
"""Log odds that two people are one: the first number, less the second times the `difference` of their clothes. In one
video, and in photos by different cameras. By logistic regression on pairs of ten synthetic clothed people in five views
each and, in one light, of people in 38 photos; other cameras have gammas of 0.7 to 1.4, white balances within 12 %."""

LEAST_ODDS = -6.0
"""Smallest log odds by appearance: the colours of another person in front may have been counted."""

LOWER_END = 2.2
"""End of the lower body below the shoulders, in lengths of the trunk: about the ankles."""


@dataclass(frozen=True)
class Appearance:
    """Colours of a person's clothes.

    Attributes:
        upper: (216,) histogram of the upper body, of sum 1; None if it is not seen.
        lower: (216,) histogram of the lower body.
    """

    upper: Float[np.ndarray, "n"] | None = None
    lower: Float[np.ndarray, "n"] | None = None

    @property
    def halves(self) -> tuple[Float[np.ndarray, "n"] | None, Float[np.ndarray, "n"] | None]:
        """Both histograms."""
        return self.upper, self.lower


def appearance_of(person: Observation) -> Appearance:
    """Colours of an observed person's clothes, by mask and keypoints.

    The image needs no more than the person, so memory is that of a crop.

    Args:
        person: Observation with an image; without a mask, the middle of the box counts as the person.

    Returns:
        The histograms; none without an image.
    """
    if person.image is None:
        return Appearance()
    window = _window(person.box, *person.image_size)
    if window is None:
        return Appearance()
    rows, columns = window
    pixels = person.image[:, rows, columns]
    inside = _covered(person, rows, columns)
    stride = max(1, int((int(inside.sum()) / MOST_PIXELS) ** 0.5))
    y, x = torch.meshgrid(
        torch.arange(rows.start, rows.stop) + 0.5, torch.arange(columns.start, columns.stop) + 0.5, indexing="ij"
    )
    upper, lower = _halves(person, y, x)
    grid = (slice(None, None, stride), slice(None, None, stride))
    colours = pixels[(slice(None), *grid)]
    found = [_histogram(colours[:, (inside & half)[grid]].cpu().numpy(), stride) for half in (upper, lower)]
    return Appearance(*found)


def difference(one: Appearance, other: Appearance) -> float | None:
    """How different two people's clothes are coloured: 0 alike to 1 without a common colour.

    Mean over the halves that both show of the squared Hellinger distance of their histograms; None if there is none.
    """
    common = [(a, b) for a, b in zip(one.halves, other.halves, strict=True) if a is not None and b is not None]
    if not common:
        return None
    return float(np.mean([1.0 - np.sqrt(a * b).sum() for a, b in common]))


def same_person_log_odds(one: Appearance, other: Appearance, *, same_light: bool) -> float:
    """Log odds that two people are one by their clothes, 0 if nothing is known.

    Args:
        one: A person.
        other: A person in another image.
        same_light: Whether the images are frames of one video, not photos by different cameras.
    """
    apart = difference(one, other)
    alike, slope = SAME_LIGHT if same_light else OTHER_LIGHT
    return 0.0 if apart is None else max(LEAST_ODDS, alike - slope * apart)


def mean_appearance(people: Sequence[Appearance]) -> Appearance:
    """Mean of each half over those who show it."""
    means = []
    for half in zip(*(person.halves for person in people), strict=True):
        seen = [histogram for histogram in half if histogram is not None]
        means.append(np.mean(seen, axis=0).astype(np.float32) if seen else None)
    return Appearance(*means)


def _window(box: Box, height: int, width: int) -> tuple[slice, slice] | None:
    """Rows and columns of a box inside the image; None if there are none."""
    left, top = max(0, int(box[0])), max(0, int(box[1]))
    right, bottom = min(width, int(np.ceil(box[0] + box[2]))), min(height, int(np.ceil(box[1] + box[3])))
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None


def _covered(person: Observation, rows: slice, columns: slice) -> Bool[Tensor, "h w"]:
    """Pixels of the window that the person covers: of the mask, or the middle half of the box's width."""
    if person.mask is not None:
        return (person.mask[rows, columns] >= 0.5) & person.valid[rows, columns]
    inside = torch.zeros(rows.stop - rows.start, columns.stop - columns.start, dtype=torch.bool)
    quarter = inside.shape[1] // 4
    inside[:, quarter : inside.shape[1] - quarter] = True
    return inside & person.valid[rows, columns]


def _halves(
    person: Observation, y: Float[Tensor, "h w"], x: Float[Tensor, "h w"]
) -> tuple[Bool[Tensor, "h w"], Bool[Tensor, "h w"]]:
    """Pixels of the upper and the lower body: along the trunk, or by the rows of the box."""
    shoulders, hips = _middle(person, "shoulder"), _middle(person, "hip")
    if shoulders is not None and hips is not None and float((trunk := hips - shoulders).norm()) >= 4:
        along = ((x - shoulders[0]) * trunk[0] + (y - shoulders[1]) * trunk[1]) / trunk.square().sum()
        return (along >= 0) & (along < 1), (along >= 1) & (along < LOWER_END)
    share = (y - person.box[1]) / person.box[3]
    upper, lower = ((share >= rows[0]) & (share < rows[1]) for rows in (UPPER_ROWS, LOWER_ROWS))
    return upper, lower


def _middle(person: Observation, joint: str) -> Float[Tensor, "2"] | None:
    """Middle between the left and the right joint, pixels; None if one is not seen."""
    names = (f"left_{joint}", f"right_{joint}")
    if person.skeleton is None or person.keypoints_px is None or person.confidence is None:
        return None
    if not all(name in person.skeleton.joints for name in names):
        return None
    both = [person.skeleton.index(name) for name in names]
    return person.keypoints_px[both].mean(dim=0) if bool((person.confidence[both] >= SURE).all()) else None


def _histogram(colours: Float[np.ndarray, "3 n"], stride: int) -> Float[np.ndarray, "b"] | None:
    """Histogram of colours, each shared by the bins around it, so that a little more light changes little."""
    if colours.shape[1] * stride**2 < LEAST_PIXELS:
        return None
    red, green, blue = colours
    differences = np.stack([red - green, (red + green) / 2 - blue]) / (2 * DIFFERENCE_RANGE) + 0.5
    places = np.clip(np.vstack([colours.mean(axis=0)[None], differences]), 0, 1) * (np.array(BINS)[:, None] - 1)
    below = np.minimum(places.astype(int), np.array(BINS)[:, None] - 2)
    shares = places - below
    counts = np.zeros(BINS)
    for corner in np.ndindex(2, 2, 2):
        weights = np.prod([share if up else 1 - share for share, up in zip(shares, corner, strict=True)], axis=0)
        np.add.at(counts, tuple(below + np.array(corner)[:, None]), weights)
    return (counts / counts.sum()).ravel().astype(np.float32)
