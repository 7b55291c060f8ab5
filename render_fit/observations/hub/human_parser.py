"""Label maps of people, by a semantic segmentation network such as SegFormer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from render_fit.observations.hub.label_space import label_space_of
from render_fit.observations.hub.networks import Network

MOST_SIDE_PX = 1024
"""Longest side of the grid in which labels are compared: the network's own output has 128 × 128 cells or so."""


@dataclass(frozen=True)
class Parsed:
    """Label map of part of an image, in a grid that may be coarser than its pixels.

    Attributes:
        labels: (h, w) index into the labels of the parser's label space.
        person: (h, w) probability of all labels of people and their clothes.
    """

    labels: Int[Tensor, "h w"]
    person: Float[Tensor, "h w"]


class HumanParser:
    """Labels body parts and clothes in a known label space."""

    def __init__(self, network: Network, label_space: str | None = None) -> None:
        """Finds the label space.

        Args:
            network: A semantic segmentation network.
            label_space: Name of its label space; None: the one whose labels its classes are.

        Raises:
            InputError: if its classes are those of no known label space.
        """
        self._network = network
        self.part_space, self._classes = label_space_of(network.labels, f"human parser {network.name!r}", label_space)

    @torch.no_grad()
    def __call__(self, image: Float[Tensor, "3 h w"]) -> Parsed:
        """Parses an image, or part of one.

        Args:
            image: (3, H, W) RGB in [0, 1].

        Returns:
            Labels in a grid of the image's size, or smaller if a side is longer than `MOST_SIDE_PX`.
        """
        values, shown = self._network.preprocessing.pixels(image)
        logits = self._network.model(pixel_values=values.to(self._network.device)).logits.float().cpu()
        rows, columns = (max(1, round(share * extent)) for share, extent in zip(shown, logits.shape[2:], strict=True))
        logits = logits[:, list(self._classes), :rows, :columns]
        reduction = max(1.0, max(image.shape[1:]) / MOST_SIDE_PX)
        size = [max(1, round(side / reduction)) for side in image.shape[1:]]
        shares = F.interpolate(logits, size, mode="bilinear", align_corners=False)[0].softmax(dim=0)
        return Parsed(shares.argmax(dim=0), shares[list(self.part_space.person_labels)].sum(dim=0))
