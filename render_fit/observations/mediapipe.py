"""The observer that works offline: MediaPipe's pose network, whose weights come inside its wheel."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.errors import MissingDependencyError, NoPersonError
from render_fit.observations.observation import (
    Box,
    Observation,
    box_of_keypoints,
    box_of_mask,
    box_overlap,
    box_union,
    resample,
)
from render_fit.skeletons import MEDIAPIPE_33

INPUT_SIDE_PX = 512
"""Side of the square that the network is handed; it sees the person at 256 px itself."""


@dataclass(frozen=True)
class _Detection:
    """One pass of the network, in pixels of the image."""

    keypoints_px: Tensor
    confidence: Tensor
    keypoints_3d: Tensor
    mask: Tensor
    square: Box

    @property
    def score(self) -> float:
        return float(self.confidence.mean())


class MediapipeObserver:
    """Finds one person's 33 keypoints, mask and rough 3D keypoints with MediaPipe Pose.

    Attributes:
        name: What `Observation.source` calls this observer.
    """

    def __init__(self) -> None:
        """Loads the network.

        Raises:
            MissingDependencyError: If mediapipe is not installed.
        """
        self._network = _load_network()
        import mediapipe

        self.name = f"mediapipe {mediapipe.__version__}"

    def observe(self, image: Float[Tensor, "3 h w"], box: Box | None = None) -> Observation:
        """Observes one person.

        Args:
            image: (3, H, W) RGB in [0, 1].
            box: Where the person is, pixels (left, top, width, height); the most prominent person if None.

        Returns:
            Keypoints, mask and 3D keypoints of the person.

        Raises:
            NoPersonError: If nobody is found.
        """
        height, width = image.shape[1:]
        first = self._find(image, box)
        if first is None:
            where = "" if box is None else f" in the box {tuple(round(value) for value in box)}"
            raise NoPersonError(f"image: no person found{where}; give a box, or a mask and keypoints")
        refined = self._detect(image, _square(_person_box(first), 1.25))
        best = refined if refined is not None and refined.score >= 0.9 * first.score else first
        return Observation(
            image_size=(height, width),
            valid=torch.ones(height, width, dtype=torch.bool),
            box=_person_box(best),
            image=image,
            mask=best.mask,
            keypoints_px=best.keypoints_px,
            confidence=best.confidence,
            skeleton=MEDIAPIPE_33,
            keypoints_3d=best.keypoints_3d,
            confidence_3d=best.confidence,
            source={"mask": self.name, "keypoints": self.name, "keypoints_3d": self.name},
        )

    def _find(self, image: Tensor, box: Box | None) -> _Detection | None:
        """The first pass: the whole image, or the surroundings of the box, at several sizes until somebody is
        found."""
        height, width = image.shape[1:]
        if box is None:
            return self._detect(image, _square((0.0, 0.0, float(width), float(height)), 1.0))
        found = [self._detect(image, _square(box, zoom)) for zoom in (1.25, 1.6)]
        candidates = [one for one in found if one is not None]
        return max(candidates, key=lambda one: box_overlap(_person_box(one), box), default=None)

    def _detect(self, image: Tensor, square: Box) -> _Detection | None:
        """One pass over a square of the image."""
        crop = resample(image, square, INPUT_SIDE_PX, INPUT_SIDE_PX)
        pixels = (crop.permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        with _quiet():
            result = self._network.process(np.ascontiguousarray(pixels))
        if result.pose_landmarks is None:
            return None
        height, width = image.shape[1:]
        points = torch.tensor([[p.x, p.y] for p in result.pose_landmarks.landmark])
        keypoints_px = points * square[2] + torch.tensor(square[:2])
        confidence = torch.tensor([p.visibility for p in result.pose_landmarks.landmark])
        inside = (keypoints_px >= 0).all(dim=1) & (keypoints_px <= torch.tensor([width, height])).all(dim=1)
        world = torch.tensor([[p.x, p.y, p.z] for p in result.pose_world_landmarks.landmark])
        mask = torch.from_numpy(result.segmentation_mask.copy())[None]
        in_square = (-square[0], -square[1], float(width), float(height))
        scale = INPUT_SIDE_PX / square[2]
        back = (in_square[0] * scale, in_square[1] * scale, width * scale, height * scale)
        return _Detection(
            keypoints_px=keypoints_px,
            confidence=torch.where(inside, confidence, torch.zeros_like(confidence)),
            keypoints_3d=world,
            mask=resample(mask, back, height, width)[0],
            square=square,
        )


def _person_box(detection: _Detection) -> Box:
    """The person's box: of the mask and the keypoints that are probably in the picture."""
    sure = torch.where(detection.confidence >= 0.5, detection.confidence, torch.zeros_like(detection.confidence))
    box = box_union(box_of_mask(detection.mask), box_of_keypoints(detection.keypoints_px, sure))
    return box or detection.square


def _square(box: Box, zoom: float) -> Box:
    """The square around a box's centre, ``zoom`` times its longer side."""
    side = zoom * max(box[2], box[3])
    return (box[0] + (box[2] - side) / 2, box[1] + (box[3] - side) / 2, side, side)


def _load_network() -> Any:
    """MediaPipe's pose solution for single images."""
    try:
        with _quiet():
            from mediapipe.python.solutions.pose import Pose

            # complexity 1 is the only landmark network inside the wheel; 0 and 2 would be downloaded
            network = Pose(static_image_mode=True, model_complexity=1, enable_segmentation=True)
            # the graph starts, and logs, on its own threads; one image through it waits for them
            network.process(np.zeros((INPUT_SIDE_PX, INPUT_SIDE_PX, 3), dtype=np.uint8))
            return network
    except ImportError as error:
        raise MissingDependencyError(
            'observing a photo needs mediapipe: pip install "render-fit[photo]", or give --mask and --keypoints'
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the C++ side's log lines off the terminal: it writes to file descriptor 2 and cannot be told not
    to."""
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
