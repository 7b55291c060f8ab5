"""Regions of interest: squares in an image, rotated about their centres, that hold a person head up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.observations.observation import Box

STRIP_ROWS = 256
"""Rows of an image to which maps are pasted at once."""

MARGIN = 1.25
"""Side of a region over the diameter of the circle around the person."""


@dataclass(frozen=True)
class Regions:
    """N regions of one image.

    A point (u, v) of a region, 0 and 1 at its edges, lies at ``centre + axes · (u - 1/2, v - 1/2) · side``. Pixel
    (column, row) of a crop of n pixels shows the point u = column / n, v = row / n, read from the image with pixel
    centres at integers: MediaPipe's convention, in which crops are half a pixel of theirs off and masks are pasted back
    by the same rule.

    Attributes:
        centre_px: (N, 2) x, y of the centre, pixels.
        side_px: (N,) side, pixels.
        angle: (N,) clockwise rotation of the region as seen in the image, radians; 0: the person is upright.
    """

    centre_px: Float[Tensor, "n 2"]
    side_px: Float[Tensor, "n"]
    angle: Float[Tensor, "n"]

    def __len__(self) -> int:
        return len(self.side_px)

    @classmethod
    def joined(cls, parts: Sequence[Regions]) -> Regions:
        """Regions of one image, one after another."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def scaled(self, factor: float) -> Regions:
        """Regions of another size around the same centres."""
        return Regions(self.centre_px, self.side_px * factor, self.angle)

    def __getitem__(self, index: slice | Tensor | list[int]) -> Regions:
        return Regions(self.centre_px[index], self.side_px[index], self.angle[index])

    @classmethod
    def around(cls, alignment_px: Float[Tensor, "n 2 2"]) -> Regions:
        """Regions from a person's alignment points.

        Args:
            alignment_px: (N, 2, 2) middle of the hips, and the point of the circle around the person above the head,
                pixels.
        """
        up = alignment_px[:, 1] - alignment_px[:, 0]
        angle = torch.remainder(math.pi / 2 - torch.atan2(-up[:, 1], up[:, 0]) + math.pi, math.tau) - math.pi
        return cls(alignment_px[:, 0], 2 * MARGIN * up.norm(dim=1), angle)

    @classmethod
    def squares(cls, boxes: Sequence[Box]) -> Regions:
        """Upright regions from square boxes (left, top, side, side; pixels)."""
        table = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        return cls(table[:, :2] + table[:, 2:] / 2, table[:, 2], torch.zeros(len(table)))

    @property
    def axes(self) -> Float[Tensor, "n 2 2"]:
        """(N, 2, 2) rotation from the axes of the regions to those of the image."""
        cos, sin = self.angle.cos(), self.angle.sin()
        return torch.stack([torch.stack([cos, -sin], dim=1), torch.stack([sin, cos], dim=1)], dim=1)

    def to_image(self, points: Float[Tensor, "n k 2"]) -> Float[Tensor, "n k 2"]:
        """Points of the regions (0 and 1 at their edges) in pixels of the image."""
        return self.centre_px[:, None] + (points - 0.5) @ self.axes.mT * self.side_px[:, None, None]

    def pixels(self, side: int) -> Float[Tensor, "n s s 2"]:
        """Where the pixels of crops with ``side`` pixels lie in the image: x, y with pixel centres at integers."""
        steps = torch.arange(side) / side
        points = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).reshape(1, -1, 2)
        return self.to_image(points.expand(len(self), -1, -1)).reshape(len(self), side, side, 2)

    def crop(self, image: Float[Tensor, "c h w"], side: int, replicate: bool) -> Float[Tensor, "n c s s"]:
        """Pixels of the regions, bilinear.

        Args:
            image: (C, H, W) image.
            side: Side of the crops, pixels.
            replicate: Whether the image's outermost pixels go on outside of it; otherwise it is zero there.
        """
        at = self.pixels(side).reshape(1, len(self) * side, side, 2)
        crops = _sampled(image, at, "border" if replicate else "zeros")
        return crops.reshape(len(image), len(self), side, side).transpose(0, 1)

    def paste_mean(self, maps: Float[Tensor, "n s s"], height: int, width: int) -> Float[Tensor, "h w"]:
        """Mean of maps of the regions in the image, bilinear; each is zero outside of its region.

        Computed in strips of rows, which bounds the memory.
        """
        columns = torch.arange(width, dtype=torch.float32)
        pasted = torch.zeros(height, width)
        for top in range(0, height if width else 0, STRIP_ROWS):
            rows = torch.arange(top, min(top + STRIP_ROWS, height), dtype=torch.float32)
            pixels = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
            for one, centre, axes, side in zip(maps, self.centre_px, self.axes, self.side_px, strict=True):
                at = ((pixels - centre) @ axes / side + 0.5)[None] * maps.shape[-1]
                pasted[top : top + STRIP_ROWS] += _sampled(one[None], at, "zeros")[0] / len(maps)
        return pasted

    def paste_labels(self, maps: Float[Tensor, "n l s s"], height: int, width: int) -> Int64[Tensor, "h w"]:
        """The label with the highest mean probability at each pixel of the image; 0 outside of all regions.

        Args:
            maps: (N, L, S, S) probabilities of labels in the regions.
            height: Height of the image, pixels.
            width: Width of the image, pixels.
        """
        columns = torch.arange(width, dtype=torch.float32)
        pasted = torch.zeros(height, width, dtype=torch.int64)
        for top in range(0, height if width else 0, STRIP_ROWS):
            rows = torch.arange(top, min(top + STRIP_ROWS, height), dtype=torch.float32)
            pixels = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
            total = torch.zeros(maps.shape[1], len(rows), width)
            for one, centre, axes, side in zip(maps, self.centre_px, self.axes, self.side_px, strict=True):
                at = ((pixels - centre) @ axes / side + 0.5)[None] * maps.shape[-1]
                total += _sampled(one, at, "zeros")
            pasted[top : top + STRIP_ROWS] = total.argmax(dim=0)
        return pasted

    def resampled(self, maps: Float[Tensor, "n s s"], target: Regions) -> Float[Tensor, "n s s"]:
        """Maps of the regions in the pixels of one other region: the nearest pixel; zero outside."""
        side = maps.shape[-1]
        pixels = target.pixels(side).reshape(1, -1, 2)
        points = (pixels - self.centre_px[:, None]) @ self.axes / self.side_px[:, None, None] + 0.5
        columns, rows = (points * side).round().long().unbind(dim=2)
        inside = (columns >= 0) & (columns < side) & (rows >= 0) & (rows < side)
        index = rows.clamp(0, side - 1) * side + columns.clamp(0, side - 1)
        return (maps.flatten(1).gather(1, index) * inside).reshape(maps.shape)


def _sampled(image: Float[Tensor, "c h w"], at: Float[Tensor, "1 h2 w2 2"], outside: str) -> Float[Tensor, "c h2 w2"]:
    """Bilinear samples at positions x, y in pixels, with pixel centres at integers.

    Positions are multiples of 1/32 px, as OpenCV's are: some keypoints jump when the image changes by a grey level.
    """
    size = torch.tensor([image.shape[2], image.shape[1]])
    # grid_sample's coordinates: -1 and 1 are the image's outer edges
    grid = (2 * (at * 32).round() / 32 + 1) / size - 1
    return F.grid_sample(image[None], grid.to(image), mode="bilinear", padding_mode=outside, align_corners=False)[0]
