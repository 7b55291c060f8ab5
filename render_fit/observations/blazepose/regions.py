"""Regions of interest: squares in an image, rotated about their centres, that hold a person head up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from render_fit.observations.observation import Box

MARGIN = 1.25
"""Side of a region over the diameter of the circle around the person."""


@dataclass(frozen=True)
class Regions:
    """N regions of one image.

    MediaPipe's coordinates are kept, in which a point (u, v) of a region, 0 and 1 at its edges, lies at
    ``centre + rotation · (u - 1/2, v - 1/2) · side``, while pixel (column, row) of a region of n pixels shows that point
    for u = column / n, v = row / n, read from the image with pixel centres at integers. So the pixels of a reduced
    region are up to half a pixel off; the networks were trained on such input.

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
            alignment_px: (N, 2, 2) middle of the hips, and a point on the circle around the person above the head, pixels.
        """
        up = alignment_px[:, 1] - alignment_px[:, 0]
        angle = math.pi / 2 - torch.atan2(-up[:, 1], up[:, 0])
        return cls(alignment_px[:, 0], 2 * MARGIN * up.norm(dim=1), torch.remainder(angle + math.pi, math.tau) - math.pi)

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

    def paste(self, maps: Float[Tensor, "n s s"], height: int, width: int) -> Float[Tensor, "n h w"]:
        """Maps of the regions in the image, bilinear; zero outside of the regions."""
        rows, columns = torch.arange(height, dtype=torch.float32), torch.arange(width, dtype=torch.float32)
        pixels = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
        pasted = [
            _sampled(one[None], ((pixels - centre) @ axes / side + 0.5)[None] * one.shape[-1], "zeros")[0]
            for one, centre, axes, side in zip(maps, self.centre_px, self.axes, self.side_px, strict=True)
        ]
        return torch.stack(pasted) if pasted else torch.zeros(0, height, width)


def _sampled(image: Float[Tensor, "c h w"], at: Float[Tensor, "1 h2 w2 2"], outside: str) -> Float[Tensor, "c h2 w2"]:
    """Bilinear samples at positions x, y in pixels, with pixel centres at integers.

    Positions are multiples of 1/32 px, as OpenCV's are: some keypoints jump when the image changes by a grey level.
    """
    if at.numel() == 0:
        return torch.zeros(len(image), *at.shape[1:3])
    size = torch.tensor([image.shape[2], image.shape[1]])
    grid = (2 * (at * 32).round() / 32 + 1) / size - 1  # grid_sample's coordinates: -1 and 1 are the image's outer edges
    return F.grid_sample(image[None], grid.to(image), mode="bilinear", padding_mode=outside, align_corners=False)[0]
