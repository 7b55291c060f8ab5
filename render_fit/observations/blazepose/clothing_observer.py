"""The default observer, and clothing labels beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from render_fit.observations.blazepose.clothing import SPACE, label_probabilities, read_decoder
from render_fit.observations.blazepose.observer import BlazePoseObserver, Seen, Target
from render_fit.observations.blazepose.passes import View
from render_fit.observations.blazepose.regions import Regions
from render_fit.observations.surroundings import window

ZOOM = 0.95
"""Side of the region from which labels are read, as a multiple of the network's own: between those of the observer's
passes."""

BAG = SPACE.labels.index("bag")


def clothing_view(target: Target, zoom: float = ZOOM) -> View:
    """The region from which labels are read, around a person whom the landmark network found."""
    region = Regions.around(target.person.alignment_px).scaled(zoom)
    return View(target.pyramid, region, target.visible)


class BlazePosePartsObserver(BlazePoseObserver):
    """Observes what `BlazePoseObserver` does, and a map of clothing labels.

    The labels are the mean of two passes, of which one sees the mirror image. Outside of the person's mask only bags
    are labelled, and bags are no part of the mask.

    Attributes:
        name: Name of this observer in `Observation.source`.
        observes_labels: It observes a label map.
    """

    name = "blazepose-parts"
    observes_labels = True

    def __init__(self, device: str | torch.device | None = None) -> None:
        super().__init__(device)
        self._decoder = read_decoder().to(self._networks.device)

    def _passes(self, targets: Sequence[Target]) -> list[Seen]:
        return [self._with_labels(target, one) for target, one in zip(targets, super()._passes(targets), strict=True)]

    def _with_labels(self, target: Target, seen: Seen) -> Seen:
        observation = seen.observation
        assert observation.mask is not None
        view = clothing_view(target)
        features = self.clothing_features(view)
        with torch.inference_mode():
            first, second = label_probabilities(self._decoder(features)).cpu()
        both = torch.stack([first, second.flip(2)[list(SPACE.mirrored_labels)]])
        height, width = observation.image_size
        rows, columns = window(target.visible, height, width)
        corner = torch.tensor([float(columns.start), float(rows.start)])
        moved = Regions.joined([replace(view.regions, centre_px=view.regions.centre_px - corner)] * 2)
        labels = torch.zeros(height, width, dtype=torch.int64)
        labels[rows, columns] = moved.paste_labels(both, rows.stop - rows.start, columns.stop - columns.start)
        labels[(observation.mask < 0.5) & (labels != BAG)] = 0
        mask = observation.mask.masked_fill(labels == BAG, 0.0)
        source = {**observation.source, "parts": self.name}
        labelled = replace(observation, mask=mask, labels=labels, part_space=SPACE, source=source)
        return replace(seen, observation=labelled)
