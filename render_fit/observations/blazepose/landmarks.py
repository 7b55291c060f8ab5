"""BlazePose's landmark network, "full": keypoints, 3D keypoints, mask and presence of the person in a region."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from render_fit.observations.blazepose.layers import (
    Convolution,
    Encoder,
    Separable,
    SeparableResidual,
    doubled,
)

INPUT_SIDE_PX = 256
"""Side of the network's square input and of its mask, pixels."""

POINTS = 39
"""Landmarks of the network: the 33 keypoints of MediaPipe Pose, two alignment points (as the detector's first two), and
four points of the hands that MediaPipe leaves out."""

KEYPOINTS = 33

REFINEMENT_REACH = 4
"""Cells of the heat map to each side of a landmark that refine its position. MediaPipe's graph asks for 3, but its
Python package loses that option and runs with the default of 4."""

REFINEMENT_CONFIDENCE = 0.5
"""Smallest peak of the heat map around a landmark at which it is refined."""


@dataclass(frozen=True)
class Landmarks:
    """What the landmark network found in B regions.

    Attributes:
        presence: (B,) probability that the region shows a person, in [0, 1].
        keypoints: (B, 33, 2) keypoints x, y; 0 and 1 are the edges of the region.
        visibility: (B, 33) probability that the keypoint is in the region and not hidden, in [0, 1].
        alignment: (B, 2, 2) middle of the hips, and a point on the circle around the body above the head.
        world: (B, 33, 3) keypoints relative to the middle of the hips, metres; x and y along the region's axes, z away
            from the camera.
        mask: (B, 256, 256) probability that a pixel of the region shows the person.
    """

    presence: Float[Tensor, "b"]
    keypoints: Float[Tensor, "b 33 2"]
    visibility: Float[Tensor, "b 33"]
    alignment: Float[Tensor, "b 2 2"]
    world: Float[Tensor, "b 33 3"]
    mask: Float[Tensor, "b 256 256"]


class LandmarkNetwork(nn.Module):
    """Network of the landmarks."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder((16, 24, 32, 64, 88, 144))
        self.from_32 = Separable(864, 48)
        self.lateral_16 = Separable(88, 48)
        self.lateral_8 = Separable(32, 48)
        self.lateral_4 = Separable(24, 48)
        self.heatmap = Convolution(48, POINTS, linear=True)

        self.mask_4 = Separable(48, 8)
        self.lateral_2 = Separable(16, 8)
        self.mask_2 = nn.Sequential(SeparableResidual(8), SeparableResidual(8))
        self.mask_1 = nn.Sequential(SeparableResidual(8), SeparableResidual(8), Convolution(8, 1, 3, linear=True))

        self.body = nn.Sequential(
            Separable(864, 288),
            SeparableResidual(288, halve=True),
            *(SeparableResidual(288) for _ in range(4)),
            SeparableResidual(288, halve=True),
            *(SeparableResidual(288) for _ in range(5)),
        )
        self.landmarks = nn.Conv2d(288, POINTS * 5, 2)
        self.world = nn.Conv2d(288, POINTS * 3, 2)
        self.presence = nn.Conv2d(288, 1, 2)

    def forward(self, image: Float[Tensor, "b 3 256 256"]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Raw output; `landmarks_of` reads it.

        Args:
            image: (B, 3, 256, 256) RGB in [0, 1].

        Returns:
            (B, 39, 5) x, y, z (pixels of the input), logits of visibility and presence; (B,) logit of the person's
            presence; (B, 256, 256) logit of the mask; (B, 39, 64, 64) logits of heat maps; (B, 39, 3) metres.
        """
        at_2, at_4, at_8, at_16, at_32 = self.encoder(image)
        at_16 = doubled(self.from_32(at_32)) + self.lateral_16(at_16)
        at_8 = doubled(at_16) + self.lateral_8(at_8)
        at_4 = doubled(at_8) + self.lateral_4(at_4)
        mask = self.mask_1(doubled(self.mask_2(doubled(self.mask_4(at_4)) + self.lateral_2(at_2))))
        body = self.body(at_32)
        count = len(image)
        return (
            self.landmarks(body).reshape(count, POINTS, 5),
            self.presence(body).reshape(count),
            mask[:, 0],
            self.heatmap(at_4),
            self.world(body).reshape(count, POINTS, 3),
        )


def landmarks_of(network: LandmarkNetwork, image: Float[Tensor, "b 3 256 256"]) -> Landmarks:
    """Runs the network on regions, and reads its output.

    Args:
        network: The network.
        image: (B, 3, 256, 256) RGB in [0, 1].

    Returns:
        Landmarks in the regions.
    """
    raw, presence, mask, heatmap, world = network(image)
    points = refined(raw[..., :2] / INPUT_SIDE_PX, heatmap.sigmoid())
    return Landmarks(
        presence=presence.sigmoid(),
        keypoints=points[:, :KEYPOINTS],
        visibility=raw[:, :KEYPOINTS, 3].sigmoid(),
        alignment=points[:, KEYPOINTS : KEYPOINTS + 2],
        world=world[:, :KEYPOINTS],
        mask=mask.sigmoid(),
    )


def refined(points: Float[Tensor, "b k 2"], heatmap: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k 2"]:
    """Moves landmarks to the mean of the heat map around them.

    Args:
        points: (B, K, 2) x, y; 0 and 1 are the edges of the region.
        heatmap: (B, K, h, w) probabilities.

    Returns:
        (B, K, 2) the points; unchanged where they lie outside of the region, or where the heat map is below
        `REFINEMENT_CONFIDENCE` throughout the square of 9 × 9 cells.
    """
    height, width = heatmap.shape[2:]
    size = torch.tensor([width, height]).to(points)
    scaled = points * size
    inside = ((scaled > -1) & (scaled < size)).all(dim=2)  # as integers, rounded towards 0
    steps = torch.arange(-REFINEMENT_REACH, REFINEMENT_REACH + 1, device=points.device)
    columns = scaled[..., 0].nan_to_num().clamp(0, width - 1).long()[..., None] + steps
    rows = scaled[..., 1].nan_to_num().clamp(0, height - 1).long()[..., None] + steps
    index = (rows.clamp(0, height - 1)[..., :, None] * width + columns.clamp(0, width - 1)[..., None, :]).flatten(2)
    around = heatmap.flatten(2).gather(2, index).unflatten(2, (len(steps), len(steps)))
    on_map = ((rows >= 0) & (rows < height))[..., :, None] & ((columns >= 0) & (columns < width))[..., None, :]
    around = around * on_map
    total = around.sum(dim=(2, 3)).clamp(min=1e-12)
    x = (around.sum(dim=2) * columns).sum(dim=2) / total / width
    y = (around.sum(dim=3) * rows).sum(dim=2) / total / height
    sure = inside & (around.amax(dim=(2, 3)) >= REFINEMENT_CONFIDENCE)
    return torch.where(sure[..., None], torch.stack([x, y], dim=2), points)
