"""MediaPipe Pose's own graph, with the regions that it finds: what BlazePose's networks are compared with.

    python -m tests.observations.mediapipe_graph     # needs mediapipe; writes blazepose_astronaut.npz

writes what mediapipe 0.10.21 finds in scikit-image's public-domain astronaut, upright and turned by 90°: the region,
keypoints (x, y, visibility), 3D keypoints, and every fourth pixel of the mask in the region's own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from render_fit.observations.blazepose.regions import Regions

FIXTURE = Path(__file__).parent / "blazepose_astronaut.npz"
TURNS = (0, 1)


@dataclass(frozen=True)
class Found:
    """What MediaPipe finds in an image; None without a person."""

    region: Regions
    keypoints_px: Tensor
    visibility: Tensor
    world: Tensor
    mask: Tensor


class PoseGraph:
    """MediaPipe's pose solution for single images, which also tells the region that it used."""

    def __init__(self) -> None:
        from mediapipe.python.solution_base import SolutionBase
        from mediapipe.python.solutions import pose

        self._solution = SolutionBase(
            binary_graph_path=pose._BINARYPB_FILE_PATH,
            side_inputs={
                "model_complexity": 1,
                "smooth_landmarks": False,
                "enable_segmentation": True,
                "smooth_segmentation": False,
                "use_prev_landmarks": False,
            },
            outputs=["pose_landmarks", "pose_world_landmarks", "segmentation_mask", "pose_rect_from_detection"],
        )

    def find(self, pixels: np.ndarray) -> Found | None:
        """Runs the graph on an (H, W, 3) image, 8 bits."""
        height, width = pixels.shape[:2]
        result = self._solution.process({"image": np.ascontiguousarray(pixels)})
        if result.pose_landmarks is None:
            return None
        rect = result.pose_rect_from_detection
        centre = torch.tensor([[rect.x_center * width, rect.y_center * height]])
        points = torch.tensor([[p.x * width, p.y * height, p.visibility] for p in result.pose_landmarks.landmark])
        return Found(
            region=Regions(centre, torch.tensor([rect.width * width]), torch.tensor([rect.rotation])),
            keypoints_px=points[:, :2],
            visibility=points[:, 2],
            world=torch.tensor([[p.x, p.y, p.z] for p in result.pose_world_landmarks.landmark]),
            mask=torch.from_numpy(np.array(result.segmentation_mask)),
        )


def main() -> None:
    from skimage.data import astronaut

    graph, arrays = PoseGraph(), {}
    for turns in TURNS:
        found = graph.find(np.rot90(astronaut(), turns))
        assert found is not None
        mask = found.region.crop(found.mask[None], 256, replicate=False)[0, 0, ::4, ::4]
        region = torch.cat([found.region.centre_px[0], found.region.side_px, found.region.angle])
        for name in ("keypoints_px", "visibility", "world"):
            arrays[f"{name}_{turns}"] = getattr(found, name).numpy().astype(np.float32)
        arrays[f"region_{turns}"] = region.numpy()
        arrays[f"mask_{turns}"] = (mask.numpy() * 255).round().astype(np.uint8)
    np.savez_compressed(FIXTURE, **arrays)
    print(f"{FIXTURE}: {FIXTURE.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
