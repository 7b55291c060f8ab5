"""One pass of MediaPipe's pose network over a square crop of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.c_streams import quiet_c_libraries
from render_fit.core.errors import MissingDependencyError
from render_fit.core.skeletons import MEDIAPIPE_33
from render_fit.observations.observation import Box, box_of_keypoints, box_of_mask, box_union, resample

INPUT_SIDE_PX = 384
"""Side of the square input image, pixels. Inside, MediaPipe detects people at 224 px and keypoints at 256 px."""

MIN_CONFIDENCE = 0.3
"""Thresholds of MediaPipe for a detection and for its keypoints; the default of 0.5 is meant for video."""

PADDING_GREY = 0.5
"""Grey level outside of the image, and around the person where the surroundings are hidden."""


@dataclass(frozen=True)
class PoseDetection:
    """Detection of one pass, or the mean of several passes that agree.

    Attributes:
        keypoints_px: (33, 2) keypoints, pixels of the image.
        confidence: (33,) confidence in [0, 1].
        keypoints_3d: (33, 3) keypoints in camera axes, metres.
        mask: (H, W) mask in [0, 1].
        n_passes: Number of passes that agree.
        visible_box: Box outside of which the image was greyed out, pixels; None: nothing was greyed out.
    """

    keypoints_px: Tensor
    confidence: Tensor
    keypoints_3d: Tensor
    mask: Tensor
    n_passes: int = 1
    visible_box: Box | None = None

    @property
    def score(self) -> float:
        return float(self.confidence.mean())

    @property
    def box(self) -> Box:
        """Box of the mask and of the keypoints with confidence of at least 0.5, pixels."""
        sure = torch.where(self.confidence >= 0.5, self.confidence, torch.zeros_like(self.confidence))
        height, width = self.mask.shape
        box = box_union(box_of_mask(self.mask), box_of_keypoints(self.keypoints_px, sure))
        return box or (0.0, 0.0, float(width), float(height))


class PoseNetwork:
    """MediaPipe Pose for single images. Not thread-safe."""

    def __init__(self) -> None:
        """Loads the network.

        Raises:
            MissingDependencyError: If mediapipe is not installed.
        """
        self._solution = _load_solution()

    def detect(self, image: Float[Tensor, "3 h w"], square: Box) -> PoseDetection | None:
        """Runs one pass over a square of an image.

        The crop is square because MediaPipe's rectangle arithmetic is wrong for other crops of inclined people.

        Args:
            image: (3, H, W) RGB in [0, 1].
            square: Left, top, width, height of the square, pixels; grey outside of the image.

        Returns:
            The most confident detection, in pixels of the image; None if there is none.
        """
        crop = resample(image - PADDING_GREY, square, INPUT_SIDE_PX, INPUT_SIDE_PX) + PADDING_GREY
        pixels = (crop.permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).contiguous().numpy()
        with quiet_c_libraries():
            result = self._solution.process(pixels)
        if result.pose_landmarks is None:
            return None
        landmarks = torch.tensor([[p.x, p.y, p.visibility] for p in result.pose_landmarks.landmark])
        # MediaPipe has the same camera axes: x right, y down, z away from the camera
        world = torch.tensor([[p.x, p.y, p.z] for p in result.pose_world_landmarks.landmark])
        height, width = image.shape[1:]
        scale = INPUT_SIDE_PX / square[2]
        image_in_crop = (-square[0] * scale, -square[1] * scale, width * scale, height * scale)
        mask = resample(torch.from_numpy(result.segmentation_mask.copy())[None], image_in_crop, height, width)[0]
        return PoseDetection(landmarks[:, :2] * square[2] + torch.tensor(square[:2]), landmarks[:, 2], world, mask)

    def detect_mirrored(self, image: Float[Tensor, "3 h w"], square: Box) -> PoseDetection | None:
        """Runs `detect` on the mirror image, and mirrors the detection back."""
        width = image.shape[2]
        one = self.detect(image.flip(2), (width - square[0] - square[2], *square[1:]))
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


def _load_solution() -> Any:
    """Loads MediaPipe's pose solution for single images."""
    try:
        with quiet_c_libraries():
            from mediapipe.python.solutions.pose import Pose

            solution = Pose(
                static_image_mode=True,
                model_complexity=1,  # the only landmark network inside the wheel; 0 and 2 would be downloaded
                enable_segmentation=True,
                min_detection_confidence=MIN_CONFIDENCE,
                min_tracking_confidence=MIN_CONFIDENCE,
            )
            # the graph starts and logs on its own threads; processing one image waits for them
            solution.process(np.zeros((INPUT_SIDE_PX, INPUT_SIDE_PX, 3), dtype=np.uint8))
            return solution
    except ImportError as error:
        raise MissingDependencyError(
            'the observer mediapipe needs mediapipe: pip install "render-fit[mediapipe]" (Python below 3.13, numpy '
            "below 2), or use the observer blazepose"
        ) from error
