"""Accuracy of an observer: IoU with annotated masks, error against annotated keypoints, missed people, processor time.

    python -m benchmarks.observer [DATA] [--observer NAME] [--json FILE]

DATA is the folder of the research photos (docs/evaluation.md), without which nothing is measured. *Everyone*: of the
people whom the observer finds in the image alone, the one with the largest IoU counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor

from benchmarks.measure import spread
from benchmarks.report import Report, arguments
from render_fit.core.errors import NoPersonError
from render_fit.core.metrics import iou
from render_fit.datasets.images import PhotoSample, data_folder, read_ccp, read_coco, read_up3d
from render_fit.observations import OBSERVERS, Box, Observation, Observer
from render_fit.observations.images import read_photo
from render_fit.observations.observers import PeopleObserver


def observed(observer: Observer, image: Tensor, sample: PhotoSample, given: str) -> list[Observation]:
    """The person in the annotated box, the observer's own choice, or everyone."""
    if given == "box given":
        boxes: Sequence[Box | None] = [tuple(sample.reference_box.tolist())]
    elif given == "everyone" and isinstance(observer, PeopleObserver):
        return observer.observe_people([image])[0]
    else:
        boxes = [None] if given == "image alone" else observer.find_people(image, everyone=True)
    found = []
    for box in boxes:
        with suppress(NoPersonError):
            found.append(observer.observe(image, box))
    return found


def measure(report: Report, row: str, observer: Observer, samples: Sequence[PhotoSample], given: str) -> None:
    overlaps, errors, seconds, missed = [], [], [], 0
    row = f"{row}, {given}"
    for sample in samples:
        image = read_photo(sample.image_path).image
        start = time.process_time()
        people = observed(observer, image, sample, given)
        seconds.append(time.process_time() - start)
        if not people:
            missed += 1
        if sample.mask is None or not people:
            continue
        scores = [0.0 if one.mask is None else float(iou(one.mask[None] >= 0.5, sample.mask[None])) for one in people]
        overlaps.append(max(scores))
        seen = people[scores.index(overlaps[-1])]
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
    report.figures[row, "processor time"] = spread(seconds, "s")
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
    parser.add_argument("--observer", default="blazepose", choices=list(OBSERVERS))
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
    observer = OBSERVERS[chosen.observer]()
    report.facts["observer"] = observer.name
    for name, samples in (("coco", read_coco(folder)), ("ccp", read_ccp(folder))):
        for given in ("box given", "image alone", "everyone"):
            measure(report, name, observer, samples, given)
    measure(report, "up3d", observer, read_up3d(folder), "image alone")
    report.finish(chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
