"""BlazePose's person detector: network, anchors, and weighted non-maximum suppression."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from render_fit.observations.blazepose.layers import (
    Convolution,
    Depthwise,
    Encoder,
    Separable,
    SeparableResidual,
    doubled,
)

INPUT_SIDE_PX = 224
"""Side of the network's square input, pixels."""

ANCHORS_PER_CELL = {8: 2, 16: 2, 32: 6}
"""Anchors in each cell of the feature map, by stride (pixels). Anchors of a cell differ in their weights only: all
have the size of the input, and its centre is the middle of the cell."""

VALUES = 12
"""Values per anchor: centre and size of the face's box, then x, y of four points (`Detections`)."""

SUPPRESSION_OVERLAP = 0.3
"""Detections whose faces overlap more than this (IoU) are one person, and are averaged."""


@dataclass(frozen=True)
class Detections:
    """People that the detector found in one image, most certain first.

    Attributes:
        score: (N,) in [0, 1].
        face: (N, 4) left, top, right, bottom of the face's box; 0 and 1 are the edges of the network's input.
        points: (N, 4, 2) middle of the hips, a point on the circle around the whole body above the head, middle of the
            shoulders, and a point on the circle around the upper body; units as ``face``.
    """

    score: Float[Tensor, "n"]
    face: Float[Tensor, "n 4"]
    points: Float[Tensor, "n 4 2"]


class DetectionHead(nn.Module):
    """Scores and values of the anchors of one feature map, whose pixels are spread over 2 × 2 smaller ones first."""

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        spread = channels // 4
        self.classifier = nn.Sequential(Depthwise(spread, stride=2, linear=True), _last(spread, anchors))
        self.regressor = nn.Sequential(Depthwise(spread, stride=2, linear=True), _last(spread, anchors * VALUES))

    def forward(self, x: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b n 1"], Float[Tensor, "b n 12"]]:
        spread = _depth_to_space(x)
        return _by_anchor(self.classifier(spread), 1), _by_anchor(self.regressor(spread), VALUES)


class PersonDetector(nn.Module):
    """Network of the detector."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder((16, 24, 40, 80, 112, 192))
        self.from_32 = Convolution(1152, 192)
        self.lateral_16 = Separable(112, 192, linear_depthwise=True)
        self.refine_16 = nn.Sequential(*(SeparableResidual(192, linear_depthwise=True) for _ in range(2)))
        self.from_16 = Convolution(192, 96)
        self.lateral_8 = Separable(40, 96, linear_depthwise=True)
        self.refine_8 = nn.Sequential(*(SeparableResidual(96, linear_depthwise=True) for _ in range(2)))
        self.head_8 = DetectionHead(96, ANCHORS_PER_CELL[8])
        self.head_16 = DetectionHead(192, ANCHORS_PER_CELL[16])
        self.head_32 = DetectionHead(1152, ANCHORS_PER_CELL[32])

    def forward(self, image: Float[Tensor, "b 3 224 224"]) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b n 6 2"]]:
        """Scores and points of all anchors.

        Args:
            image: (B, 3, 224, 224) RGB in [-1, 1].

        Returns:
            (B, 2254) scores in [0, 1]; (B, 2254, 6, 2) x, y of the centre of the face's box, its size, and the four
            points of `Detections`, where 0 and 1 are the edges of the input.
        """
        _, _, at_8, at_16, at_32 = self.encoder(image)
        at_16 = self.refine_16(self.lateral_16(at_16) + self.from_32(doubled(at_32)))
        at_8 = self.refine_8(self.lateral_8(at_8) + self.from_16(doubled(at_16)))
        heads = (self.head_8(at_8), self.head_16(at_16), self.head_32(at_32))
        scores, values = (torch.cat(parts, dim=1) for parts in zip(*heads, strict=True))
        points = values.unflatten(2, (6, 2)) / INPUT_SIDE_PX
        points[:, :, [0, 2, 3, 4, 5]] += _anchor_centres().to(points)[:, None]
        return scores[..., 0].sigmoid(), points


def detections(score: Float[Tensor, "n"], points: Float[Tensor, "n 6 2"], min_score: float) -> Detections:
    """Weighted non-maximum suppression: detections of one face are averaged, weighted by their scores.

    Args:
        score: (N,) scores of the anchors of one image.
        points: (N, 6, 2) their points (`PersonDetector`).
        min_score: Anchors with lower scores are left out.

    Returns:
        People, most certain first.
    """
    kept = (score >= min_score) & (points[:, 1] >= 0).all(dim=1)
    score, points = score[kept].cpu(), points[kept].cpu()
    order = score.argsort(descending=True, stable=True)
    score, points = score[order], points[order]
    corners = torch.cat([points[:, 0] - points[:, 1] / 2, points[:, 0] + points[:, 1] / 2], dim=1)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    left = torch.ones(len(score), dtype=torch.bool)
    while left.any():
        first = int(left.nonzero()[0])
        same = left & (_overlap(corners[first], corners) > SUPPRESSION_OVERLAP)
        same[first] = True
        weights = score[same] / score[same].sum()
        face = (weights[:, None] * corners[same]).sum(dim=0)
        found.append((score[first], face, (weights[:, None, None] * points[same, 2:]).sum(dim=0)))
        left &= ~same
    if not found:
        return Detections(torch.zeros(0), torch.zeros(0, 4), torch.zeros(0, 4, 2))
    return Detections(*(torch.stack(parts) for parts in zip(*found, strict=True)))


def _anchor_centres() -> Float[Tensor, "n 2"]:
    """(2254, 2) x, y of the anchors' centres, row by row, strides 8, 16, 32; 0 and 1 are the edges of the input."""
    centres = []
    for stride, count in ANCHORS_PER_CELL.items():
        middle = (torch.arange(INPUT_SIDE_PX // stride) + 0.5) * stride / INPUT_SIDE_PX
        rows, columns = torch.meshgrid(middle, middle, indexing="ij")
        centres.append(torch.stack([columns, rows], dim=-1).reshape(-1, 2).repeat_interleave(count, dim=0))
    return torch.cat(centres)


def _overlap(box: Float[Tensor, "4"], boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n"]:
    """Intersection over union of boxes given by left, top, right, bottom."""
    shared = (torch.minimum(box[2:], boxes[:, 2:]) - torch.maximum(box[:2], boxes[:, :2])).clamp(min=0).prod(dim=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    return shared / ((box[2:] - box[:2]).prod() + areas - shared).clamp(min=1e-12)


def _by_anchor(maps: Float[Tensor, "b c h w"], values: int) -> Float[Tensor, "b n v"]:
    """Values of each anchor, row by row; the anchors of a cell one after another."""
    return maps.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, values))


def _last(inputs: int, outputs: int) -> Convolution:
    return Convolution(inputs, outputs, linear=True)


def _depth_to_space(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 2*h 2*w"]:
    """TensorFlow's: channel (row · 2 + column) · C/4 + c becomes the pixel (row, column) of channel c."""
    count, channels, height, width = x.shape
    blocks = x.reshape(count, 2, 2, channels // 4, height, width)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(count, channels // 4, 2 * height, 2 * width)
