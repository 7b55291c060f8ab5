"""Accuracy of the offline observer: IoU with annotated masks, error against annotated keypoints, missed people, time.

    python -m benchmarks.observer [DATA] [--json FILE]

DATA is the folder of the research photos (docs/evaluation.md), without which nothing is measured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import torch

from benchmarks.measure import spread
from benchmarks.report import Report, arguments
from render_fit.core.errors import NoPersonError
from render_fit.core.metrics import iou
from render_fit.datasets.images import PhotoSample, data_folder, read_ccp, read_coco, read_up3d
from render_fit.observations import Observer
from render_fit.observations.images import read_photo
from render_fit.observations.mediapipe_observer import MediapipeObserver


def measure(report: Report, row: str, observer: Observer, samples: Sequence[PhotoSample], with_box: bool) -> None:
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
        if sample.mask is None or seen.mask is None:
            continue
        overlaps.append(float(iou(seen.mask[None] >= 0.5, sample.mask[None] >= 0.5)))
        if sample.keypoints_px is None or overlaps[-1] < 0.4:
            continue
        assert seen.skeleton is not None and seen.confidence is not None and seen.keypoints_px is not None
        assert sample.skeleton is not None and sample.confidence is not None
        pairs = torch.tensor(seen.skeleton.map_to(sample.skeleton))
        known = (sample.confidence[pairs[:, 1]] > 0) & (seen.confidence[pairs[:, 0]] > 0.5)
        distance = (seen.keypoints_px[pairs[:, 0]] - sample.keypoints_px[pairs[:, 1]]).norm(dim=1)[known]
        errors.append(float(distance.mean() / sample.reference_box[2:].max()))
    right = [value for value in overlaps if value >= 0.4]
    report.facts[f"{row}: nobody found"] = f"{missed} of {len(samples)}"
    report.figures[row, "time"] = spread(seconds, "s")
    if overlaps:
        report.facts[f"{row}: right person"] = f"{len(right)} of {len(samples)}"
    if right:
        report.figures[row, "IoU where right"] = spread(right)
        report.facts[f"{row}: mean IoU where right"] = round(sum(right) / len(right), 3)
    if errors:
        report.figures[row, "keypoint error, % of the box"] = spread([100 * error for error in errors], "%")


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=1)
    parser.add_argument("data", nargs="?", default=None)
    chosen = parser.parse_args(words)
    report = Report("observer")
    try:
        folder = data_folder(chosen.data)
    except FileNotFoundError as error:
        print(f"not measured: {error}")
        report.facts["not measured"] = "the research photos are not there"
        report.finish(chosen.json)
        return 0
    torch.set_num_threads(chosen.threads)
    observer = MediapipeObserver()
    for name, samples in (("coco", read_coco(folder)), ("ccp", read_ccp(folder))):
        measure(report, f"{name}, box given", observer, samples, True)
        measure(report, f"{name}, image alone", observer, samples, False)
    measure(report, "up3d, image alone", observer, read_up3d(folder), False)
    report.finish(chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
