"""Saved fits of a folder, and which of them shows which annotated person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from render_fit.core.errors import InputError
from render_fit.core.text_files import read_json
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson, box_of_points
from render_fit.datasets.photo_search import shortened
from render_fit.export.parameters import SavedFit, read_params

PARAMS, REPORT = "params.npz", "report.json"


@dataclass(frozen=True)
class SavedPrediction:
    """A predicted body in one image.

    Attributes:
        source: File that it was read from.
        names: Relative paths by which the image may be known, without the ending, the longest first.
        fit: Parameters, joints and camera.
    """

    source: Path
    names: tuple[PurePosixPath, ...]
    fit: SavedFit

    @property
    def box_xywh(self) -> np.ndarray:
        """(4,) box of the projected joints, pixels of the image."""
        camera = self.fit.camera()
        points = camera.project(torch.from_numpy(self.fit.joints))[0].numpy()
        box = box_of_points(points, np.ones(len(points), dtype=bool))
        assert box is not None
        return box


def read_predictions(folder: Path) -> list[SavedPrediction]:
    """Reads every ``params.npz`` of a folder and the folders in it; a person in several images gives one each.

    Raises:
        InputError: if there is none, or one is damaged.
    """
    files = sorted(path for path in folder.rglob(PARAMS) if not any(part.startswith(".") for part in path.parts))
    if not files:
        raise InputError(f"{folder}: contains no {PARAMS}; expected the output folder of render-fit fit or predict")
    found = []
    for file in files:
        place = PurePosixPath(*file.parent.relative_to(folder).parts)
        place = place if place.parts else PurePosixPath(folder.absolute().name)
        fit = read_params(file)
        if fit.image_names is None:
            found.append(SavedPrediction(file, _names(place, file.with_name(REPORT)), fit.frame(0)))
            continue
        for index, name in enumerate(fit.image_names):
            if fit.found is None or fit.found[index]:
                image = PurePosixPath(str(name)).with_suffix("")
                found.append(SavedPrediction(file, (place / image, image), fit.frame(index)))
    return found


def _names(place: PurePosixPath, report: Path) -> tuple[PurePosixPath, ...]:
    """Names of a photo's image: its path in the report, else its folder, with and without the number of a person."""
    if report.is_file():
        content = read_json(report)
        image = content.get("image") if isinstance(content, dict) else None
        if isinstance(image, str):
            return (PurePosixPath(image.replace("\\", "/")).with_suffix(""), place)
    stem, _, number = place.name.rpartition("_")
    return (place, place.with_name(stem)) if stem and number.isdigit() else (place,)


@dataclass(frozen=True)
class Matches:
    """Annotated people and their predictions.

    Attributes:
        pairs: For each person with a prediction: index of the person, and the prediction.
        missing: Indices of people of images that have predictions, but none left for them.
        without: Number of annotated people in images without any prediction.
        unused: Predictions of no annotated person.
    """

    pairs: tuple[tuple[int, SavedPrediction], ...]
    missing: tuple[int, ...]
    without: int
    unused: tuple[SavedPrediction, ...]


def match(people: Sequence[AnnotatedPerson], predictions: Sequence[SavedPrediction], what: Path) -> Matches:
    """Matches predictions and people by the names of their images, and within an image by their boxes.

    Of several images whose names end alike, as ``image_00012`` of each sequence of 3DPW, the one that shares most of
    the path is chosen.

    Args:
        people: Annotated people.
        predictions: Predicted bodies.
        what: Folder of the predictions, for messages.

    Raises:
        InputError: if nothing matches, or a prediction could be of several images alike.
    """
    images: dict[str, list[int]] = defaultdict(list)
    for index, person in enumerate(people):
        images[person.image].append(index)
    by_stem: dict[str, list[str]] = defaultdict(list)
    for image in images:
        by_stem[PurePosixPath(image).stem].append(image)
    claimed: dict[str, list[SavedPrediction]] = defaultdict(list)
    unused = []
    for prediction in predictions:
        image = _image_of(prediction, by_stem)
        if image is None:
            unused.append(prediction)
        else:
            claimed[image].append(prediction)
    if not claimed:
        raise InputError(
            f"{what}: none of the {len(predictions)} predictions is of an image of the data set; there are "
            f"{shortened(str(one.names[0]) for one in predictions)}; expected names like {shortened(images)}"
        )
    pairs: list[tuple[int, SavedPrediction]] = []
    for image, candidates in claimed.items():
        there = images[image]
        rows, columns = linear_sum_assignment([[-_overlap(people[i], one) for one in candidates] for i in there])
        pairs += [(there[row], candidates[column]) for row, column in zip(rows, columns, strict=True)]
        unused += [one for number, one in enumerate(candidates) if number not in columns]
    taken = {index for index, _ in pairs}
    missing = [index for image in claimed for index in images[image] if index not in taken]
    without = sum(len(there) for image, there in images.items() if image not in claimed)
    return Matches(tuple(sorted(pairs, key=lambda pair: pair[0])), tuple(missing), without, tuple(unused))


def _image_of(prediction: SavedPrediction, by_stem: dict[str, list[str]]) -> str | None:
    for name in prediction.names:
        images = by_stem.get(name.name, [])
        shared = {image: _shared_end(PurePosixPath(image).with_suffix(""), name) for image in images}
        best = [image for image, length in shared.items() if length == max(shared.values())]
        if len(best) > 1:
            raise InputError(
                f"{prediction.source}: {name} could be {shortened(best)}; keep the folders of the images' names in the "
                "folder of the predictions"
            )
        if best:
            return best[0]
    return None


def _shared_end(a: PurePosixPath, b: PurePosixPath) -> int:
    """Number of names that two paths share at their ends."""
    count = 0
    for one, other in zip(reversed(a.parts), reversed(b.parts), strict=False):
        if one != other:
            break
        count += 1
    return count


def _overlap(person: AnnotatedPerson, prediction: SavedPrediction) -> float:
    """IoU of the box of a person with that of a prediction; 0 without a box."""
    if person.box_xywh is None:
        return 0.0
    a, b = person.box_xywh, prediction.box_xywh
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:], b[:2] + b[2:])
    inside = float(np.prod(np.clip(high - low, 0, None)))
    return inside / max(float(np.prod(a[2:]) + np.prod(b[2:])) - inside, 1e-9)
