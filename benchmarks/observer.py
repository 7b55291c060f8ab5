"""How good the offline observer is: IoU with human masks, keypoint error against human clicks, people missed, time.

    python benchmarks/observer.py [DATA]

DATA is the folder of the research photos (docs/evaluation.md); without them there is nothing to measure.
"""

import sys
import time

import torch

from render_fit.errors import NoPersonError
from render_fit.evaluation.datasets import data_folder, read_ccp, read_coco, read_up3d
from render_fit.evaluation.metrics import iou
from render_fit.observations.images import read_photo
from render_fit.observations.mediapipe import MediapipeObserver


def measure(observer, samples, with_box: bool) -> str:
    overlaps, errors, seconds, missed = [], [], [], 0
    for sample in samples:
        image = read_photo(sample.image_path).image
        start = time.perf_counter()
        try:
            seen = observer.observe(image, tuple(sample.reference_box.tolist()) if with_box else None)
        except NoPersonError:
            missed += 1
            continue
        finally:
            seconds.append(time.perf_counter() - start)
        if sample.mask is None:
            continue
        overlaps.append(float(iou(seen.mask[None] >= 0.5, sample.mask[None] >= 0.5)))
        if sample.keypoints_px is None or overlaps[-1] < 0.4:
            continue
        pairs = torch.tensor(seen.skeleton.map_to(sample.skeleton))
        known = (sample.confidence[pairs[:, 1]] > 0) & (seen.confidence[pairs[:, 0]] > 0.5)
        distance = (seen.keypoints_px[pairs[:, 0]] - sample.keypoints_px[pairs[:, 1]]).norm(dim=1)[known]
        errors.append(float(distance.mean() / sample.reference_box[2:].max()))
    right = torch.tensor([value for value in overlaps if value >= 0.4])
    text = f"nobody found {missed}/{len(samples)}, seconds {sorted(seconds)[len(seconds) // 2]:.2f}"
    if overlaps:
        text += f", right person {len(right)}, IoU mean {right.mean():.3f} median {right.median():.3f}"
    if errors:
        text += f", keypoint error {100 * sum(errors) / len(errors):.1f} % of the box"
    return text


def main() -> None:
    try:
        folder = data_folder(sys.argv[1] if len(sys.argv) > 1 else None)
    except FileNotFoundError as error:
        print(f"not measured: {error}")
        return
    torch.set_num_threads(2)
    observer = MediapipeObserver()
    for name, samples in (("coco", read_coco(folder)), ("ccp", read_ccp(folder))):
        print(f"{name}, box given: {measure(observer, samples, True)}")
        print(f"{name}, image alone: {measure(observer, samples, False)}")
    print(f"up3d, image alone: {measure(observer, read_up3d(folder), False)}")


if __name__ == "__main__":
    main()
