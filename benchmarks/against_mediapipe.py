"""BlazePose's networks and graph here, compared with MediaPipe Pose: differences, and processor time per image.

    python -m benchmarks.against_mediapipe [DATA] [--json FILE]
    python -m benchmarks.against_mediapipe --fixture FILE

Needs mediapipe 0.10.21; without it the program prints a message and succeeds. DATA is the folder of the research photos
(docs/evaluation.md). *Same region*: the landmark network sees the region that MediaPipe used. *End to end*: one
detection in the whole photo, its region, one pass. Pixels are those of the network's input of 256 px.

The second form writes what the tests compare with: what mediapipe finds in scikit-image's public-domain astronaut,
upright and turned by 90° (region, keypoints, visibility, 3D keypoints, every fourth pixel of the mask in the region).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import spread
from benchmarks.report import Report, arguments
from render_fit.core.threads import one_torch_thread
from render_fit.datasets.images import data_folder
from render_fit.observations.blazepose.passes import Networks, People, Pyramid, View
from render_fit.observations.blazepose.regions import Regions
from render_fit.observations.images import read_photo
from render_fit.observations.surroundings import search_squares

TURNS = (0, 1)
"""Quarter turns of the stored image."""

PHOTOS = ("ccp/*.jpg", "coco/*.jpg", "up3d_photos/*_image.png", "h36m/*.jpg")
"""Files in the data folder."""


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
        result: Any = self._solution.process({"image": np.ascontiguousarray(pixels)})
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


@one_torch_thread()
def compare(report: Report, paths: Sequence[Path]) -> None:
    graph, networks = PoseGraph(), Networks(torch.device("cpu"))
    same: list[Tensor] = []
    same_masks, same_world, end_points, end_masks, our_time, their_time, disagree = [], [], [], [], [], [], 0
    for path in paths:
        image = read_photo(path).image
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        start = time.process_time()
        found = graph.find(pixels)
        between = time.process_time()
        pyramid = Pyramid(image, most_halvings=0)
        whole = Regions.squares(search_squares(*image.shape[1:])[0])
        regions, _ = networks.detect([View(pyramid, whole)], 0.5)[0][0]
        own = networks.look([View(pyramid, regions[:1])])[0]
        end = time.process_time()
        if found is None or len(own) == 0:
            disagree += int((found is None) != (len(own) == 0 or float(own.presence[0]) < 0.5))
            continue
        their_time.append(between - start)
        our_time.append(end - between)
        people = networks.look([View(pyramid, found.region)])[0]
        same.append(_distances(people, found))
        same_masks.append(_mask_difference(people, found))
        same_world.append(float((people.keypoints_3d[0] - found.world).norm(dim=1).mean()))
        end_points.append(float(_distances(own, found).mean()))
        end_masks.append(_mask_difference(own, found))
    distances = torch.stack(same)
    report.figures["same region", "keypoints, mean of a photo, px"] = spread(distances.mean(dim=1).numpy())
    report.figures["same region", "mask, mean absolute"] = spread(same_masks)
    report.figures["end to end", "keypoints, mean of a photo, px"] = spread(end_points)
    report.figures["end to end", "mask, mean absolute"] = spread(end_masks)
    report.facts["photos; found by one of the two only"] = f"{len(same)} of {len(paths)}; {disagree}"
    report.facts["same region, keypoints: mean, 95 %, 99 %, px"] = [
        round(float(value), 3) for value in (distances.mean(), distances.quantile(0.95), distances.quantile(0.99))
    ]
    report.facts["same region, keypoints within 0.5 px"] = round(float((distances <= 0.5).float().mean()), 4)
    report.facts["same region, mask: largest mean absolute difference of a photo"] = round(max(same_masks), 5)
    report.facts["same region, 3D keypoints: mean, m"] = round(sum(same_world) / len(same_world), 5)
    report.facts["end to end: mean of keypoints, px; of masks"] = [
        round(sum(end_points) / len(end_points), 3),
        round(sum(end_masks) / len(end_masks), 5),
    ]
    report.facts["processor time of one detection and one pass: here, mediapipe, ms"] = [
        round(1000 * float(np.median(times)), 1) for times in (our_time, their_time)
    ]


def _distances(people: People, found: Found) -> Tensor:
    """Distances of the 33 keypoints, pixels of the network's input."""
    return (people.keypoints_px[0] - found.keypoints_px).norm(dim=1) * 256 / found.region.side_px


def _mask_difference(people: People, found: Found) -> float:
    """Mean absolute difference of the masks over MediaPipe's region."""
    pasted = people.regions.paste_mean(people.mask, *found.mask.shape)
    return float(found.region.crop((pasted - found.mask)[None], 256, replicate=False).abs().mean())


def write_fixture(path: Path) -> None:
    """Writes what MediaPipe finds in the astronaut."""
    from skimage.data import astronaut

    graph, arrays = PoseGraph(), {}
    for turns in TURNS:
        found = graph.find(np.rot90(astronaut(), turns))
        assert found is not None
        mask = found.region.crop(found.mask[None], 256, replicate=False)[0, 0, ::4, ::4]
        region = torch.cat([found.region.centre_px[0], found.region.side_px, found.region.angle])
        for name in ("keypoints_px", "visibility", "world"):
            arrays[f"{name}_{turns}"] = getattr(found, name).numpy()
        arrays[f"region_{turns}"] = region.numpy()
        arrays[f"mask_{turns}"] = (mask.numpy() * 255).round().astype(np.uint8)
    np.savez_compressed(path, **arrays)


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=1, threads=False)
    parser.add_argument("data", nargs="?", default=None)
    parser.add_argument("--fixture", type=Path, default=None, help="file to write what the tests compare with")
    chosen = parser.parse_args(words)
    if find_spec("mediapipe") is None:
        print('not measured: mediapipe is not installed (pip install "render-fit[mediapipe]")')
        return 0
    if chosen.fixture is not None:
        write_fixture(chosen.fixture)
        return 0
    report = Report("against_mediapipe")
    try:
        folder = data_folder(chosen.data)
    except FileNotFoundError as error:
        print(f"not measured: {error}")
        return 0
    paths = [path for part in PHOTOS for path in sorted(folder.glob(part))]
    compare(report, paths)
    report.finish(chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
