"""Predictions of a regressor on the images of a data set, given its boxes and cameras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output, write_json
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson
from render_fit.datasets.photo_folder import PhotoJob
from render_fit.evaluation.benchmark.predictions import REPORT
from render_fit.observations.observation import box_grown
from render_fit.pipelines.options import FitOptions
from render_fit.pipelines.photo import FitComponents, fit_photos

ROOM_SHARE = 0.1
"""Room around an annotated box, as a share of its longer side: boxes of joints end inside of the person."""


def predict_people(
    people: Sequence[AnnotatedPerson],
    regressor: str,
    out: Path,
    body: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Predicts every person whose image is on this disk, as ``render-fit predict`` does, into a folder of her own.

    What is in the folder already is kept. The person's box and the camera are given where the data set has them; what
    the regressor sees besides is observed.

    Args:
        people: Annotated people.
        regressor: Name or file of the regressor.
        out: Folder of the predictions.
        body: Body model; the recipe's if None.
        progress: Called with the number of people done, and of all.

    Returns:
        Why people have no prediction, a sentence each.

    Raises:
        InputError: if there is no such regressor, none of the images is there, or the output cannot be written.
    """
    there = [one for one in people if one.image_path is not None]
    if not there:
        raise InputError(
            f"none of the {len(people)} images is on this disk; expected {people[0].image} beside the annotations"
            if people
            else "the data set has nobody in it"
        )
    prepare_output(out)
    options = FitOptions(recipe="predict", regressor=regressor, body=body, save=())
    components, failures = FitComponents(options), []
    for number, person in enumerate(there):
        name = f"{PurePosixPath(person.image).with_suffix('')}_{person.person}".lstrip("/").replace("..", "")
        if not (out / name / REPORT).is_file():
            components.options = replace(options, **_given(person, out))
            assert person.image_path is not None
            (found,) = fit_photos([PhotoJob(person.image_path.absolute(), name)], out, components)
            if isinstance(found, Exception):
                failures.append(f"{person.name}: {found}")
        if progress is not None:
            progress(number + 1, len(there))
    return failures


def _given(person: AnnotatedPerson, out: Path) -> dict[str, object]:
    """Options of the fit that the annotation gives."""
    given: dict[str, object] = {}
    if person.box_xywh is not None:
        left, top, width, height = person.box_xywh.tolist()
        if min(width, height) > 0:
            given["box"] = box_grown((left, top, width, height), ROOM_SHARE * max(width, height))
    if person.K is not None:
        given["camera"] = write_json(out / "camera.json", {"K": person.K.tolist()})
    return given
