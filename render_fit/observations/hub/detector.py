"""Boxes of people, by an object detector."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.errors import InputError
from render_fit.observations.hub.networks import Network
from render_fit.observations.observation import Box, box_overlap

PERSON = ("person", "human", "pedestrian")
"""Names of the class, in any case."""

SAME_OVERLAP = 0.7
"""IoU from which two boxes are of one person."""

MIN_SIDE_PX = 8.0
"""Smallest side of a person's box in the photo, pixels."""


class PersonDetector:
    """Finds people with a network of the DETR family: RT-DETR, D-FINE, DETR, YOLOS and others."""

    def __init__(self, network: Network, least_score: float) -> None:
        """Finds the class of people.

        Args:
            network: An object detector.
            least_score: Lowest score of a person.

        Raises:
            InputError: if the network has no class for people.
        """
        names = [label.lower() for label in network.labels]
        self._person = next((names.index(name) for name in PERSON if name in names), None)
        if self._person is None:
            known = ", ".join(network.labels[:8])
            raise InputError(f"person detector {network.name!r}: detects no 'person'; its classes: {known}, …")
        self._network, self._least = network, least_score

    @torch.no_grad()
    def __call__(self, image: Float[Tensor, "3 h w"]) -> list[Box]:
        """Boxes of the people in an image.

        Args:
            image: (3, H, W) RGB in [0, 1].

        Returns:
            Boxes (left, top, width, height), pixels, inside the image; the largest first.
        """
        assert self._person is not None
        values, shown = self._network.preprocessing.pixels(image)
        given = {"pixel_values": values.to(self._network.device)}
        if shown != (1.0, 1.0):
            mask = torch.zeros(1, *values.shape[2:], dtype=torch.long)
            mask[:, : round(shown[0] * values.shape[2]), : round(shown[1] * values.shape[3])] = 1
            given["pixel_mask"] = mask.to(self._network.device)
        output = self._network.model(**given)
        scores = person_scores(output.logits[0].float().cpu(), self._person, len(self._network.labels))
        height, width = image.shape[1:]
        size = (height / shown[0], width / shown[1])
        return people_in(output.pred_boxes[0].float().cpu(), scores, self._least, size, (height, width))


def person_scores(logits: Float[Tensor, "q c"], person: int, n_labels: int) -> Float[Tensor, "q"]:
    """Probability that each query is a person.

    Args:
        logits: (Q, C) outputs: one for each class, or one more for "nothing".
        person: Index of the class of people.
        n_labels: Number of classes.

    Returns:
        (Q,) sigmoids, or with a class "nothing" softmax (DETR, YOLOS).
    """
    if logits.shape[1] > n_labels:
        return logits.softmax(dim=1)[:, person]
    return logits[:, person].sigmoid()


def people_in(
    boxes: Float[Tensor, "q 4"],
    scores: Float[Tensor, "q"],
    least_score: float,
    size: tuple[float, float],
    image_size: tuple[int, int],
) -> list[Box]:
    """Boxes of different people, in pixels.

    Args:
        boxes: (Q, 4) centre x, centre y, width, height, as shares of the network's input.
        scores: (Q,) probability that each is a person.
        least_score: Lowest score that counts.
        size: (height, width) of the network's input in pixels of the image.
        image_size: (H, W) of the image, pixels.

    Returns:
        Boxes (left, top, width, height), pixels, cut at the edges of the image; of those that are nearly the same the
        one with the highest score; the largest first.
    """
    found: list[Box] = []
    for query in scores.argsort(descending=True).tolist():
        if scores[query] < least_score:
            break
        x, y, width, height = (boxes[query] * torch.tensor([size[1], size[0], size[1], size[0]])).tolist()
        left, right = max(0.0, x - width / 2), min(float(image_size[1]), x + width / 2)
        top, bottom = max(0.0, y - height / 2), min(float(image_size[0]), y + height / 2)
        box = (left, top, right - left, bottom - top)
        if min(box[2:]) >= MIN_SIDE_PX and all(box_overlap(box, other) < SAME_OVERLAP for other in found):
            found.append(box)
    return sorted(found, key=lambda box: -box[2] * box[3])
