"""Predictions of a folder against a data set: errors of each person, and their summary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

import torch

from render_fit.bodies import Body, load_body
from render_fit.core.errors import InputError
from render_fit.core.motion_metrics import acceleration_error
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson
from render_fit.datasets.benchmarks.formats import BenchmarkFormat, format_of
from render_fit.evaluation.benchmark.errors import PersonErrors, person_errors
from render_fit.evaluation.benchmark.joint_regressor import read_joint_regressor
from render_fit.evaluation.benchmark.predictions import SavedPrediction, match, read_predictions
from render_fit.evaluation.benchmark.silhouettes import silhouette_errors
from render_fit.export.saved_body import body_of

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Metric:
    """How a metric is shown.

    Attributes:
        title: Name in tables, with its unit.
        needs: What the data set must have for it.
        higher: Whether higher is better.
        factor: From the stored to the shown value.
    """

    title: str
    needs: str
    higher: bool = False
    factor: float = 1.0


METRICS: dict[str, Metric] = {
    "mpjpe_mm": Metric("MPJPE, mm", "3D joints"),
    "pa_mpjpe_mm": Metric("PA-MPJPE, mm", "3D joints"),
    "pck_3d": Metric("3D PCK at 150 mm, %", "3D joints", True, 100.0),
    "auc_3d": Metric("AUC of 3D PCK to 150 mm, %", "3D joints", True, 100.0),
    "accel_mm": Metric("acceleration error, mm/frame²", "3D joints of consecutive frames"),
    "pve_mm": Metric("PVE, mm", "the truth's body model (--truth-body) and predictions of the same mesh"),
    "pa_pve_mm": Metric("PA-PVE, mm", "the truth's body model (--truth-body) and predictions of the same mesh"),
    "pve_t_sc_mm": Metric("PVE-T-SC, mm", "the truth's body model (--truth-body) and predictions of the same mesh"),
    "rotation_deg": Metric("rotation error, degrees", "SMPL poses"),
    "quaternion": Metric("quaternion distance", "SMPL poses"),
    "iou": Metric("mIoU of the silhouette, %", "masks", True, 100.0),
    "part_f1": Metric("part F1, %", "the truth's body model and place (--truth-body; SSP-3D)", True, 100.0),
    "keypoint_px": Metric("keypoint error, px", "2D keypoints"),
    "pck_box": Metric("PCK at 5 % of the box, %", "2D keypoints and boxes", True, 100.0),
    "pckh": Metric("PCKh at 0.5, %", "2D keypoints of neck and head", True, 100.0),
}
"""Metrics in the order of tables."""


@dataclass(frozen=True)
class EvaluatedPerson:
    """Errors of one person.

    Attributes:
        person: The truth.
        prediction: The predicted body.
        errors: Errors; see `METRICS`.
    """

    person: AnnotatedPerson
    prediction: SavedPrediction
    errors: PersonErrors


@dataclass(frozen=True)
class Statistics:
    """Values of one metric over people."""

    mean: float
    median: float
    worst: float
    n: int


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    Attributes:
        dataset: File or folder of the data set.
        format: Name of its format.
        people: Errors of each person that was predicted.
        notes: What was compared how, and what was left out.
        body: Body model of the predictions, where it is not the one that they name.
    """

    dataset: Path
    format: str
    people: list[EvaluatedPerson]
    notes: list[str] = field(default_factory=list)
    body: str | None = None

    @property
    def summary(self) -> dict[str, Statistics]:
        """Statistics of every metric that has a value, in the order of `METRICS`."""
        found = {}
        for name, metric in METRICS.items():
            values = [one.errors.values[name] for one in self.people if name in one.errors.values]
            values = [value for value in values if value == value]
            if values:
                worst = min(values) if metric.higher else max(values)
                found[name] = Statistics(mean(values), median(values), worst, len(values))
        return found

    @property
    def left_out(self) -> dict[str, str]:
        """Titles of the metrics without any value → what they need."""
        summary = self.summary
        return {metric.title: metric.needs for name, metric in METRICS.items() if name not in summary}


def evaluate(
    results: Path,
    dataset: Path,
    format_name: str | None = None,
    *,
    truth_body: str | None = None,
    body: str | None = None,
    joint_regressor: Path | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluates the fits of a folder.

    Args:
        results: Output folder of ``render-fit fit``, ``predict`` or ``fit-person``.
        dataset: File or folder of the data set.
        format_name: Name of its format; recognised if None.
        truth_body: Body model of the true parameters: ``open``, an SMPL file, or a folder with one for each gender.
        body: Body model of the predictions, where it has moved; None: as they say.
        joint_regressor: ``J_regressor_h36m.npy``, for predictions with SMPL's mesh; None: the body's landmarks.
        limit: Number of people, spread evenly over the data set; all if None.
        progress: Called with the number of people done, and of all.

    Raises:
        InputError: if the data set or the predictions cannot be read, or do not belong together.
    """
    name, chosen = format_of(dataset, format_name)
    people = annotated_people(chosen, dataset, limit)
    predictions = read_predictions(results)
    matches = match(people, predictions, results)
    true_body = _truth_bodies(truth_body)
    regressor = None if joint_regressor is None else read_joint_regressor(joint_regressor)
    bodies: dict[tuple[str, int], Body] = {}
    evaluated = []
    for number, (index, prediction) in enumerate(matches.pairs):
        person, fit = people[index], prediction.fit
        key = (fit.body, len(fit.betas))
        if key not in bodies:
            bodies[key] = body_of(fit, prediction.source, body)
        true = None if person.smpl is None else true_body(person.smpl.gender)
        errors = person_errors(fit, bodies[key], person, chosen.joints, true, regressor)
        errors.values.update(silhouette_errors(fit, bodies[key], person, true))
        evaluated.append(EvaluatedPerson(person, prediction, errors))
        if progress is not None:
            progress(number + 1, len(matches.pairs))
    add_accelerations(evaluated)
    regressed = regressor is not None and any(one.n_vertices == regressor.shape[1] for one in bodies.values())
    notes = [_protocol(chosen, evaluated, regressed)]
    if regressor is not None and not regressed:
        notes.append(f"--joint-regressor is for meshes of {regressor.shape[1]} vertices, which no prediction has")
    if matches.missing:
        notes.append(f"{len(matches.missing)} annotated people of images with predictions have none of their own")
    if matches.without:
        notes.append(f"{matches.without} annotated people are in images without predictions")
    if matches.unused:
        notes.append(f"{len(matches.unused)} predictions are of nobody in the data set")
    return Evaluation(dataset, name, evaluated, notes, body)


def annotated_people(chosen: BenchmarkFormat, dataset: Path, limit: int | None = None) -> list[AnnotatedPerson]:
    """People of a data set: all, or some that are spread evenly over it.

    Raises:
        InputError: if it cannot be read, or has nobody in it.
    """
    people = chosen.read(dataset)
    if not people:
        raise InputError(f"{dataset}: has nobody in it ({chosen.title})")
    if limit is None or limit >= len(people):
        return people
    return [people[number * len(people) // limit] for number in range(limit)]


def _truth_bodies(name: str | None) -> Callable[[str], Body | None]:
    """Function from a gender to the body model of true parameters; None without a name."""

    @cache
    def load(gender: str) -> Body | None:
        if name is None:
            return None
        try:
            return load_body(name, gender if Path(name).is_dir() else None)
        except (FileNotFoundError, ValueError) as error:
            raise InputError(f"--truth-body: {error}") from None

    return load


def add_accelerations(people: Sequence[EvaluatedPerson]) -> None:
    """Adds the errors of accelerations to people who are in consecutive frames of a motion.

    Frames are consecutive if they are as far apart as the closest two of the motion.
    """
    motions: dict[tuple[str, int], list[EvaluatedPerson]] = defaultdict(list)
    for one in people:
        if one.person.sequence is not None and one.person.frame is not None and one.errors.joints is not None:
            motions[one.person.sequence, one.person.person].append(one)
    for frames in motions.values():
        frames.sort(key=lambda one: one.person.frame or 0)
        numbers = [one.person.frame or 0 for one in frames]
        steps = [b - a for a, b in pairwise(numbers)]
        run: list[EvaluatedPerson] = frames[:1]
        for step, one in zip(steps, frames[1:], strict=True):
            if step != min(steps) or _n_joints(one) != _n_joints(run[-1]):
                _add_run(run)
                run = []
            run.append(one)
        _add_run(run)


def _n_joints(one: EvaluatedPerson) -> int:
    assert one.errors.joints is not None
    return len(one.errors.joints[0])


def _add_run(run: Sequence[EvaluatedPerson]) -> None:
    if len(run) < 3:
        return
    predicted, true = (torch.stack([one.errors.joints[k] for one in run if one.errors.joints]) for k in (0, 1))
    for one, value in zip(run, acceleration_error(predicted, true).tolist(), strict=True):
        if value == value:
            one.errors.values["accel_mm"] = 1000 * value


def _protocol(chosen: BenchmarkFormat, people: Sequence[EvaluatedPerson], regressed: bool) -> str:
    """How 3D joints were compared."""
    counts = sorted({len(one.errors.distances_m) for one in people if one.errors.distances_m is not None})
    if not counts:
        return "no 3D joints were compared"
    number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    which = "those of published tables" if chosen.joints and counts == [len(chosen.joints)] else "all that are known"
    how = "regressed from the mesh" if regressed else "the body's own landmarks, not regressed from SMPL's mesh"
    return f"3D: {number} joints ({which}), relative to the pelvis; predicted joints are {how}"
