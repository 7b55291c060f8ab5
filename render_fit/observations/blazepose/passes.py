"""Passes of BlazePose's networks over images: people detected in squares, landmarks found in regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from render_fit.core.skeletons import MEDIAPIPE_33
from render_fit.observations.blazepose.clothing import ClothingFeatures, clothing_features
from render_fit.observations.blazepose.detector import INPUT_SIDE_PX as DETECTOR_SIDE_PX
from render_fit.observations.blazepose.detector import detections
from render_fit.observations.blazepose.landmarks import INPUT_SIDE_PX as LANDMARKS_SIDE_PX
from render_fit.observations.blazepose.landmarks import Landmarks, landmarks_of
from render_fit.observations.blazepose.regions import Regions
from render_fit.observations.blazepose.weights import read_networks
from render_fit.observations.observation import Box

BATCH = {"cpu": 1, "cuda": 32}
"""Inputs in one run of a network. One by one a CPU is fastest, 19 ms instead of 28 ms for each of four together: what
the layers hand on stays in its cache."""


HIDDEN_GREY = 0.5
"""Grey level around the person where the surroundings are hidden."""


@dataclass(frozen=True)
class People:
    """People found in N regions of one image.

    Attributes:
        regions: The regions.
        presence: (N,) probability that the region shows a person, in [0, 1].
        keypoints_px: (N, 33, 2) keypoints, pixels of the image.
        confidence: (N, 33) visibility of the keypoints, in [0, 1].
        keypoints_3d: (N, 33, 3) keypoints in camera axes relative to the middle of the hips, metres.
        alignment_px: (N, 2, 2) alignment points, for the region of a further pass (`Regions.around`), pixels.
        mask: (N, 256, 256) mask in the region, in [0, 1].
    """

    regions: Regions
    presence: Float[Tensor, "n"]
    keypoints_px: Float[Tensor, "n 33 2"]
    confidence: Float[Tensor, "n 33"]
    keypoints_3d: Float[Tensor, "n 33 3"]
    alignment_px: Float[Tensor, "n 2 2"]
    mask: Float[Tensor, "n 256 256"]

    def __len__(self) -> int:
        return len(self.presence)

    def __getitem__(self, index: slice | Tensor | list[int]) -> People:
        return People(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[People]) -> People:
        """People of one image, one after another."""
        others = (torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)[1:])
        return cls(Regions.joined([part.regions for part in parts]), *others)

    @property
    def boxes(self) -> list[Box]:
        """Box of each person's mask and keypoints with confidence of at least 0.5, pixels; else of the region."""
        found = []
        for i in range(len(self)):
            rows, columns = torch.nonzero(self.mask[i] >= 0.5, as_tuple=True)
            pixels = torch.stack([columns, rows], dim=1) / self.mask.shape[-1]
            in_image = self.regions[[i]].to_image(pixels[None])[0]
            points = torch.cat([in_image, self.keypoints_px[i][self.confidence[i] >= 0.5]])
            if len(points) == 0:
                points = self.regions[[i]].to_image(torch.tensor([[[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]]))[0]
            (left, top), (right, bottom) = points.amin(dim=0).tolist(), points.amax(dim=0).tolist()
            found.append((left, top, right - left, bottom - top))
        return found


class Pyramid:
    """An image, and halvings of it as they are needed.

    Args:
        image: (3, H, W) RGB in [0, 1].
        most_halvings: With 0, regions of any size are read from the image itself, as MediaPipe does.

    Attributes:
        image: The image.
        most_halvings: Most halvings of which regions are read.
    """

    def __init__(self, image: Float[Tensor, "3 h w"], most_halvings: int = 16) -> None:
        self.image = image
        self.most_halvings = most_halvings
        self._levels = [image]

    def level(self, halvings: int) -> Float[Tensor, "3 h2 w2"]:
        """The image, halved some times; the last row and column of an odd size are averaged over fewer pixels."""
        while len(self._levels) <= halvings:
            self._levels.append(F.avg_pool2d(self._levels[-1][None], 2, ceil_mode=True)[0])
        return self._levels[halvings]


@dataclass(frozen=True)
class View:
    """Regions of an image that a network shall see.

    Attributes:
        pyramid: The image.
        regions: The regions.
        visible: Box outside of which everything is grey, pixels; None: nothing is.
    """

    pyramid: Pyramid
    regions: Regions
    visible: Box | None = None

    def crops(self, side: int, replicate: bool) -> Float[Tensor, "n 3 s s"]:
        """Crops in [0, 1] with the grey levels of 8-bit images; see `Regions.crop`.

        Regions with more than twice the crop's resolution are taken from a halved image: less aliasing than MediaPipe.
        """
        crops = torch.zeros(len(self.regions), 3, side, side)
        halvings = (self.regions.side_px / side).clamp(min=1).log2().floor().clamp(max=self.pyramid.most_halvings)
        for count in halvings.long().unique().tolist():
            chosen, factor = halvings == count, 2**count
            smaller = self.regions[chosen]
            smaller = Regions((smaller.centre_px - (factor - 1) / 2) / factor, smaller.side_px / factor, smaller.angle)
            crops[chosen] = smaller.crop(self.pyramid.level(count), side, replicate)
        if self.visible is not None:
            left, top, width, height = self.visible
            x, y = self.regions.pixels(side).unbind(dim=-1)
            hidden = (x < left) | (y < top) | (x > left + width) | (y > top + height)
            crops[hidden[:, None].expand_as(crops)] = HIDDEN_GREY
        return (crops * 255).round() / 255


class Networks:
    """The two networks on one device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        detector, landmarks = read_networks()
        # the layout that the CPU's convolutions want: 14 instead of 24 ms, 19 instead of 27 ms
        self._detector = detector.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._landmarks = landmarks.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @torch.inference_mode()
    def detect(self, views: Sequence[View], min_score: float) -> list[list[tuple[Regions, Float[Tensor, "n"]]]]:
        """Detects people in squares of images.

        Args:
            views: Squares of images.
            min_score: Smallest score of a person.

        Returns:
            For each view and each of its squares: regions of the people in the image, and their scores.
        """
        crops = torch.cat([view.crops(DETECTOR_SIDE_PX, replicate=False) for view in views])
        parts = [self._detector(batch) for batch in self._batches(crops * 2 - 1)]
        score, points = (torch.cat(part).cpu() for part in zip(*parts, strict=True))
        found, at = [], 0
        for view in views:
            of_view = []
            for i in range(len(view.regions)):
                people = detections(score[at], points[at], min_score)
                flat = view.regions[[i]].to_image(people.points[:, :2].reshape(1, -1, 2))
                of_view.append((Regions.around(flat.reshape(-1, 2, 2)), people.score))
                at += 1
            found.append(of_view)
        return found

    @torch.inference_mode()
    def look(self, views: Sequence[View], mirrored: bool = False) -> list[People]:
        """Finds the landmarks of the person in each region.

        Args:
            views: Regions of images.
            mirrored: Whether the network sees the mirror images of the regions; what it finds is mirrored back.

        Returns:
            People of each view.
        """
        crops = torch.cat([view.crops(LANDMARKS_SIDE_PX, replicate=True) for view in views])
        crops = crops.flip(3) if mirrored else crops
        parts = [landmarks_of(self._landmarks, batch) for batch in self._batches(crops)]
        whole = (torch.cat([getattr(part, field.name) for part in parts]).cpu() for field in fields(Landmarks))
        seen = _mirrored(Landmarks(*whole)) if mirrored else Landmarks(*whole)
        found, at = [], 0
        for view in views:
            part = slice(at, at + len(view.regions))
            at += len(view.regions)
            regions, world = view.regions, seen.world[part]
            found.append(
                People(
                    regions=regions,
                    presence=seen.presence[part],
                    keypoints_px=regions.to_image(seen.keypoints[part]),
                    confidence=seen.visibility[part],
                    keypoints_3d=torch.cat([world[..., :2] @ regions.axes.mT, world[..., 2:]], dim=2),
                    alignment_px=regions.to_image(seen.alignment[part]),
                    mask=seen.mask[part],
                )
            )
        return found

    @torch.inference_mode()
    def clothing_features(self, view: View) -> ClothingFeatures:
        """Features of the person in each region and, after those, in the mirror image of each region."""
        crops = view.crops(LANDMARKS_SIDE_PX, replicate=True)
        parts = [clothing_features(self._landmarks, one) for one in self._batches(torch.cat([crops, crops.flip(3)]))]
        return ClothingFeatures.joined(parts)

    def _batches(self, crops: Tensor) -> list[Tensor]:
        crops = crops.to(device=self.device).contiguous(memory_format=torch.channels_last)
        return list(crops.split(BATCH.get(self.device.type, BATCH["cuda"])))


def _mirrored(seen: Landmarks) -> Landmarks:
    """What was found in mirror images, mirrored back; column n of N pixels becomes N - 1 - n."""
    swap = list(MEDIAPIPE_33.left_right_swap)
    flip, shift = torch.tensor([-1.0, 1.0]), torch.tensor([1 - 1 / LANDMARKS_SIDE_PX, 0.0])
    return Landmarks(
        presence=seen.presence,
        keypoints=seen.keypoints[:, swap] * flip + shift,
        visibility=seen.visibility[:, swap],
        alignment=seen.alignment * flip + shift,
        world=seen.world[:, swap] * torch.tensor([-1.0, 1.0, 1.0]),
        mask=seen.mask.flip(2),
    )
