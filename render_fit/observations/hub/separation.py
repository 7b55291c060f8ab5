"""Whose a pixel is, where a parser does not tell one person from another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.core.skeletons import COCO_17
from render_fit.observations.observation import Box


@dataclass(frozen=True)
class PersonPoints:
    """Where a person is in an image.

    Attributes:
        box: Box of the person, pixels.
        keypoints_px: (17, 2) COCO's keypoints, pixels.
        confidence: (17,) 0 = not observed.
    """

    box: Box
    keypoints_px: Float[Tensor, "17 2"]
    confidence: Float[Tensor, "17"]


def nearest_person(people: Sequence[PersonPoints], window: Box, height: int, width: int) -> Bool[Tensor, "h w"]:
    """Pixels that are nearer to the first person than to any other.

    The distance is that to the nearest bone between observed keypoints, in sizes of the person: a child beside an adult
    has fewer pixels around it. A person without such a bone is the middle line of the box.

    Args:
        people: The person, and others.
        window: Part of the image, pixels.
        height: Rows of the grid that covers the window.
        width: Columns of it.

    Returns:
        (height, width) whether the middle of each cell is the first person's.
    """
    y = window[1] + (torch.arange(height) + 0.5) * window[3] / height
    x = window[0] + (torch.arange(width) + 0.5) * window[2] / width
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    own = _distance(grid, people[0])
    first = torch.ones(height, width, dtype=torch.bool)
    for other in people[1:]:
        first &= own <= _distance(grid, other)
    return first


def _distance(grid: Float[Tensor, "h w 2"], person: PersonPoints) -> Float[Tensor, "h w"]:
    """Distance to the nearest bone, as a share of the person's size (root of the box's area)."""
    nearest = torch.full(grid.shape[:2], math.inf)
    for begin, end in _bones(person):
        along = end - begin
        share = ((grid - begin) @ along / along.square().sum().clamp(min=1e-9)).clamp(0, 1)
        nearest = torch.minimum(nearest, (grid - begin - share[..., None] * along).norm(dim=-1))
    return nearest / math.sqrt(person.box[2] * person.box[3])


def _bones(person: PersonPoints) -> list[tuple[Tensor, Tensor]]:
    points, seen = person.keypoints_px, person.confidence > 0
    bones = [(points[a], points[b]) for a, b in COCO_17.edges if seen[a] and seen[b]]
    if bones:
        return bones
    left, top, width, height = person.box
    middle = left + width / 2
    return [(torch.tensor([middle, top]), torch.tensor([middle, top + height]))]
