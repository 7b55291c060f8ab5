"""Keypoints of people, by ViTPose: a crop around each person in, heat maps out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.errors import InputError
from render_fit.core.skeletons import COCO_17
from render_fit.observations.hub.heatmaps import decode
from render_fit.observations.hub.networks import Network
from render_fit.observations.observation import Box, resample

KEYPOINT_COUNTS = (17, 133)
"""Heat maps of networks for COCO's keypoints, and for COCO-WholeBody's, whose first 17 are COCO's."""

PADDING = 1.25
"""Side of the crop over that of the person's box, as ViTPose was trained with."""

BATCH = 16
"""People who pass through the network at once."""


class PoseNetwork:
    """Observes COCO's 17 keypoints of people in given boxes."""

    def __init__(self, network: Network, mirrored: bool) -> None:
        """Checks the network.

        Args:
            network: A ViTPose.
            mirrored: Average the heat maps with those of the mirror image.

        Raises:
            InputError: if it has other keypoints, or no size of its input.
        """
        if len(network.labels) not in KEYPOINT_COUNTS:
            raise InputError(
                f"pose network {network.name!r}: has {len(network.labels)} keypoints; expected COCO's 17, or 133"
            )
        if "height" not in network.preprocessing.size:
            raise InputError(f"pose network {network.name!r}: expected a height and a width of its input")
        self._network, self._mirrored = network, mirrored

    @torch.no_grad()
    def __call__(
        self, image: Float[Tensor, "3 h w"], boxes: Sequence[Box]
    ) -> tuple[Float[Tensor, "n 17 2"], Float[Tensor, "n 17"]]:
        """Keypoints of the people in boxes.

        Args:
            image: (3, H, W) RGB in [0, 1].
            boxes: N boxes of people (left, top, width, height), pixels.

        Returns:
            (N, 17, 2) pixels and (N, 17) scores, peaks of the heat maps, in [0, 1].
        """
        size = self._network.preprocessing.size
        height, width = size["height"], size["width"]
        regions = [person_region(box, width / height) for box in boxes]
        points, scores = [], []
        for begin in range(0, len(regions), BATCH):
            batch = regions[begin : begin + BATCH]
            crops = torch.stack([resample(image, sampled(one, height, width), height, width) for one in batch])
            heatmaps = self._heatmaps(self._network.preprocessing.normalised(crops * 255))
            cells, peaks = decode(heatmaps)
            points.append(torch.stack([in_photo(one, heatmaps, box) for one, box in zip(cells, batch, strict=True)]))
            scores.append(peaks.clamp(0, 1))
        if not points:
            return torch.zeros(0, len(COCO_17), 2), torch.zeros(0, len(COCO_17))
        return torch.cat(points), torch.cat(scores)

    def _heatmaps(self, values: Tensor) -> Tensor:
        """(B, 17, h, w) heat maps, averaged with those of the mirror image."""
        heatmaps = self._run(values)
        if self._mirrored:
            swap = list(COCO_17.left_right_swap)
            heatmaps = (heatmaps + self._run(values.flip(3))[:, swap].flip(3)) / 2
        return heatmaps

    def _run(self, values: Tensor) -> Tensor:
        values = values.to(self._network.device)
        experts = getattr(getattr(self._network.model.config, "backbone_config", None), "num_experts", 1)
        # ViTPose+ has an expert for each data set; the first is COCO's
        given = {"dataset_index": torch.zeros(len(values), dtype=torch.long, device=values.device)}
        output = self._network.model(values, **(given if experts > 1 else {}))
        return output.heatmaps[:, : len(COCO_17)].float().cpu()


def person_region(box: Box, aspect: float) -> Box:
    """Region around a person that the heat maps cover: of a fixed aspect ratio, `PADDING` times the box.

    Args:
        box: Box of the person, pixels.
        aspect: Width over height of the network's input.

    Returns:
        Left, top, width, height, pixels: of the middles of the outermost cells.
    """
    left, top, width, height = box
    width, height = max(width, aspect * height) * PADDING, max(height, width / aspect) * PADDING
    return (left + (box[2] - width) / 2, top + (box[3] - height) / 2, width, height)


def sampled(region: Box, height: int, width: int) -> Box:
    """Box whose pixels are the network's input: the middles of its outermost pixels are the edges of the region.

    Source: Huang et al., The Devil Is in the Details (CVPR 2020): sizes are counted between the middles of pixels.
    """
    across, down = region[2] / (width - 1), region[3] / (height - 1)
    return (region[0] - across / 2, region[1] - down / 2, across * width, down * height)


def in_photo(cells: Float[Tensor, "k 2"], heatmaps: Float[Tensor, "b k h w"], region: Box) -> Float[Tensor, "k 2"]:
    """Pixels of the photo from cells of heat maps (x, y; 0 is the middle of the first cell) of a region."""
    height, width = heatmaps.shape[2:]
    scale = torch.tensor([region[2] / (width - 1), region[3] / (height - 1)])
    return cells * scale + torch.tensor(region[:2])
