"""One pass of MediaPipe's pose network over a square of an image."""

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

from render_fit.core.errors import MissingDependencyError
from render_fit.core.skeletons import MEDIAPIPE_33
from render_fit.observations.observation import Box, box_of_keypoints, box_of_mask, box_union, resample

INPUT_SIDE_PX = 384
"""Side of the square that the network is handed. It looks for people at 224 px, at the person found at 256
px."""

MIN_CONFIDENCE = 0.3
"""MediaPipe's thresholds for a detection and for its keypoints; its default of 0.5 suits video."""

PADDING_GREY = 0.5
"""Grey level outside the picture, and around the person where the surroundings are hidden."""


@dataclass(frozen=True)
class PoseDetection:
    """What one pass of the network saw, or the mean of several that agree; in pixels of the image that it was
    given.

    Attributes:
        keypoints_px: (33, 2).
        confidence: (33,) in [0, 1].
        keypoints_3d: (33, 3) metres, camera axes.
        mask: (H, W) in [0, 1].
        agreeing: Passes.
        shown: What was greyed out is outside of this box; None: nothing was.
    """

    keypoints_px: Tensor
    confidence: Tensor
    keypoints_3d: Tensor
    mask: Tensor
    agreeing: int = 1
    shown: Box | None = None

    @property
    def score(self) -> float:
        return float(self.confidence.mean())

    @property
    def box(self) -> Box:
        """The person's box: of the mask and of the keypoints that are probably in the picture."""
        sure = torch.where(self.confidence >= 0.5, self.confidence, torch.zeros_like(self.confidence))
        height, width = self.mask.shape
        box = box_union(box_of_mask(self.mask), box_of_keypoints(self.keypoints_px, sure))
        return box or (0.0, 0.0, float(width), float(height))


class PoseNetwork:
    """MediaPipe Pose for single images. Not safe to share between threads."""

    def __init__(self) -> None:
        """Loads the network.

        Raises:
            MissingDependencyError: If mediapipe is not installed.
        """
        self._solution = _load_solution()

    def look(self, image: Float[Tensor, "3 h w"], square: Box) -> PoseDetection | None:
        """One pass over a square of an image.

        Squares, because the network's rectangle arithmetic is wrong for others when the person leans.

        Args:
            image: (3, H, W) RGB in [0, 1].
            square: Left, top, width, height of the square, pixels; grey where it reaches outside.

        Returns:
            The person that the network likes best, in pixels of the image; None if it sees nobody.
        """
        crop = resample(image - PADDING_GREY, square, INPUT_SIDE_PX, INPUT_SIDE_PX) + PADDING_GREY
        pixels = (crop.permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).contiguous().numpy()
        with _quiet():
            result = self._solution.process(pixels)
        if result.pose_landmarks is None:
            return None
        landmarks = torch.tensor([[p.x, p.y, p.visibility] for p in result.pose_landmarks.landmark])
        # MediaPipe's camera axes are ours: x right, y down, z away from the camera
        world = torch.tensor([[p.x, p.y, p.z] for p in result.pose_world_landmarks.landmark])
        height, width = image.shape[1:]
        scale = INPUT_SIDE_PX / square[2]
        image_in_crop = (-square[0] * scale, -square[1] * scale, width * scale, height * scale)
        mask = resample(torch.from_numpy(result.segmentation_mask.copy())[None], image_in_crop, height, width)[0]
        return PoseDetection(landmarks[:, :2] * square[2] + torch.tensor(square[:2]), landmarks[:, 2], world, mask)

    def look_mirrored(self, image: Float[Tensor, "3 h w"], square: Box) -> PoseDetection | None:
        """The same as `look` over the mirror image, mirrored back."""
        width = image.shape[2]
        one = self.look(image.flip(2), (width - square[0] - square[2], *square[1:]))
        if one is None:
            return None
        swap = list(MEDIAPIPE_33.left_right_swap)
        x, y = one.keypoints_px[swap].unbind(dim=1)
        return PoseDetection(
            keypoints_px=torch.stack([width - x, y], dim=1),
            confidence=one.confidence[swap],
            keypoints_3d=one.keypoints_3d[swap] * torch.tensor([-1.0, 1.0, 1.0]),
            mask=one.mask.flip(1),
        )


def square_around(box: Box, zoom: float) -> Box:
    """The square around a box's centre, ``zoom`` times its longer side."""
    side = zoom * max(box[2], box[3])
    return (box[0] + (box[2] - side) / 2, box[1] + (box[3] - side) / 2, side, side)


def _load_solution() -> Any:
    """MediaPipe's pose solution for single images."""
    try:
        with _quiet():
            from mediapipe.python.solutions.pose import Pose

            solution = Pose(
                static_image_mode=True,
                model_complexity=1,  # the only landmark network inside the wheel; 0 and 2 would be downloaded
                enable_segmentation=True,
                min_detection_confidence=MIN_CONFIDENCE,
                min_tracking_confidence=MIN_CONFIDENCE,
            )
            # the graph starts, and logs, on its own threads; one image through it waits for them
            solution.process(np.zeros((INPUT_SIDE_PX, INPUT_SIDE_PX, 3), dtype=np.uint8))
            return solution
    except ImportError as error:
        raise MissingDependencyError(
            'observing a photo needs mediapipe: pip install "render-fit[photo]", or give --mask and --keypoints'
        ) from error


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Runs torch on one thread: crops this small gain nothing from more, which on a busy machine wait for each other
    (2.8 s a photo instead of 0.45 at a load of four per core)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


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
