"""Squares in which people are searched, and what is known of the pixels around an observed person."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.observations.observation import Box

TRUNCATION_MARGIN = 0.02
"""A box this near to the edge of the image, as a share of its longer side, counts as truncated there; so does a mask
that touches the edge of the visible box along this length."""


def square_around(box: Box, zoom: float) -> Box:
    """Square around the centre of a box; its side is ``zoom`` times the longer side of the box."""
    side = zoom * max(box[2], box[3])
    return (box[0] + (box[2] - side) / 2, box[1] + (box[3] - side) / 2, side, side)


def search_squares(height: int, width: int) -> list[list[Box]]:
    """Squares of a search, in rounds: whole image, image with margin, squares along its longer side, smaller ones."""
    short, long = min(height, width), max(height, width)
    picture = (0.0, 0.0, float(width), float(height))

    def tiles(side: float) -> list[Box]:
        across, down = (max(1, math.ceil(1.5 * extent / side) - 1) for extent in (width, height))
        xs = [(width - side) / 2] if across == 1 else [i * (width - side) / (across - 1) for i in range(across)]
        ys = [(height - side) / 2] if down == 1 else [i * (height - side) / (down - 1) for i in range(down)]
        return [(x, y, side, side) for y in ys for x in xs]

    along = tiles(float(short)) if long > 1.1 * short else []
    return [[square_around(picture, 1.0)], [square_around(picture, 1.3)], along, tiles(0.6 * short)]


def valid_pixels(mask: Float[Tensor, "h w"], visible: Box | None) -> Bool[Tensor, "h w"]:
    """Pixels where a mask is known.

    Args:
        mask: (H, W) mask of the person, in [0, 1].
        visible: Box that the network saw, pixels; None: the whole image.

    Returns:
        (H, W) all pixels but those beyond an edge of the visible box that truncates the person.
    """
    height, width = mask.shape
    valid = torch.ones(height, width, dtype=torch.bool)
    if visible is None:
        return valid
    rows, columns = window(visible, height, width)
    person = mask[rows, columns] >= 0.5
    if person.numel() == 0:
        return valid
    least = max(2.0, TRUNCATION_MARGIN * max(visible[2:]))
    edges = (
        (person[0], valid[: rows.start]),
        (person[-1], valid[rows.stop :]),
        (person[:, 0], valid[:, : columns.start]),
        (person[:, -1], valid[:, columns.stop :]),
    )
    for edge, beyond in edges:
        if edge.sum() >= least:
            beyond[:] = False
    return valid


def window(box: Box, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of an image inside a box."""
    top, left = min(max(0, round(box[1])), height), min(max(0, round(box[0])), width)
    bottom, right = min(max(top, round(box[1] + box[3])), height), min(max(left, round(box[0] + box[2])), width)
    return slice(top, bottom), slice(left, right)
