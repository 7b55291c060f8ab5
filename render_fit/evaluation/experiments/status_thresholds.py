"""3D errors of fits by status (``ok``, ``poor``, ``failed``), on perturbed observations of synthetic people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy.stats import rankdata

from render_fit.evaluation.experiments.ground_truth_3d import SyntheticView, comparison_images, held_out_views, scene_of
from render_fit.evaluation.experiments.runner import Row, fit_person, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.fit_errors import error_3d
from render_fit.evaluation.tables import ExperimentResult, Metrics, mean_of, median_of
from render_fit.fitting.quality import Quality, Thresholds, fit_status
from render_fit.synthesis.perturbations import PERTURBATIONS, perturb

N_TRIALS = 96
"""Number of views: eight of each of the twelve kinds of perturbation, of which one is none."""

GOOD_MM, BAD_MM = 80.0, 130.0
"""PA-MPJPE up to which a fit is good, and from which it is bad, millimetres."""

LARGEST_FALSE_ALARM = 0.2
"""Largest share of fits that are not bad among the ``failed``."""

IOU_GRID = (0.0, *(round(0.1 + 0.05 * step, 3) for step in range(18)))
KEYPOINT_GRID = (*(round(0.01 + 0.005 * step, 3) for step in range(29)), math.inf)
"""Candidate thresholds; no fit exceeds the first IoU or the last keypoint error."""

SIGNS = {"iou": -1, "keypoint_percent": 1, "beta_max": 1, "unexplained": 1, "body_outside": 1, "sigma_depth_mm": 1}
"""Columns that may tell bad fits from others; −1 where a small value is the sign of a bad fit."""

STATUSES = ("ok", "poor", "failed")


@dataclass(frozen=True)
class Trial:
    """A view, the perturbation of its observation, and another view from which wrong masks or keypoints are taken."""

    view: SyntheticView
    perturbation: str
    other: SyntheticView


def status_thresholds(config: ExperimentConfig) -> ExperimentResult:
    """96 synthetic views of held-out poses, mostly perturbed observations: 3D errors by status of the fit."""
    views = held_out_views(config, N_TRIALS)
    names = list(PERTURBATIONS)
    tasks = [
        Trial(view, names[place % len(names)], views[(place + 1) % len(views)]) for place, view in enumerate(views)
    ]
    people = run_all(_trial, tasks, config)
    columns = ("number", "wrong", *SIGNS, "status", "pa_mpjpe", "in_3d", "limb_flips", "facing_flipped", "seconds")
    return ExperimentResult("status-thresholds", people, _summary(people), columns)


def _trial(trial: Trial, config: ExperimentConfig) -> Metrics:
    components, view = load_components(config), trial.view
    scene = scene_of(view, config)
    correct, other = (one.observation(parts=False) for one in (scene, scene_of(trial.other, config)))
    rng = np.random.default_rng([config.seed, view.number])
    observation = perturb(correct, trial.perturbation, other, rng)
    fit = fit_person(observation, config)
    error = error_3d(
        components.body, fit.parameters, scene.skeleton, components.body.keypoints(scene.parameters, scene.skeleton)[0]
    )
    iou, keypoint_px = fit.report.iou, fit.report.keypoint_error_px
    unexplained, outside = fit.report.unexplained_share, fit.report.body_outside_share
    sigma = fit.report.joint_sigma_mm
    values: Row = {
        "number": view.number,
        "clip": view.clip,
        "wrong": trial.perturbation,
        "iou": None if iou is None else iou.after,
        "keypoint_percent": None if keypoint_px is None else 100 * keypoint_px.after / max(observation.box[2:]),
        "beta_max": number(fit.report.beta_max, 2),
        "unexplained": None if unexplained is None else unexplained.after,
        "body_outside": None if outside is None else outside.after,
        "sigma_depth_mm": None if sigma is None else sigma["depth"],
        "status": fit.report.status,
        "pa_mpjpe": error.pa_mpjpe_mm,
        "in_3d": "good" if error.pa_mpjpe_mm <= GOOD_MM else "bad" if error.pa_mpjpe_mm >= BAD_MM else "usable",
        "limb_flips": error.limb_flips,
        "facing_flipped": error.facing_flipped,
        "seconds": number(fit.report.seconds["total"], 2),
    }
    caption = f"{view.number}: {trial.perturbation}, {values['status']}, {error.pa_mpjpe_mm:.0f} mm"
    return Metrics(values, comparison_images(view, scene, fit, components), caption)


def youden(ok: list[bool], bad: list[bool]) -> float:
    """Youden index of ``ok``: its share among fits that are not bad, minus its share among bad ones. 0 is chance."""
    n_ok_bad = sum(a and b for a, b in zip(ok, bad, strict=True))
    return (sum(ok) - n_ok_bad) / max(1, bad.count(False)) - n_ok_bad / max(1, sum(bad))


def roc_area(people: Sequence[Metrics], sign: str) -> float | None:
    """Area under the ROC curve of one of `SIGNS` against bad.

    It is the probability that a bad fit shows the sign more strongly than one that is not bad; ties count half. 0.5 is
    chance, less is a sign that misleads.

    Args:
        people: Fits, with the columns ``in_3d`` and ``sign``.
        sign: Key of `SIGNS`.

    Returns:
        0 to 1; None where there are no bad fits or no others.
    """
    known = [person.values for person in people if person.values[sign] is not None]
    strength = SIGNS[sign] * np.array([values[sign] for values in known], dtype=float)
    bad = np.array([values["in_3d"] == "bad" for values in known], dtype=bool)
    if not bad.any() or bad.all():
        return None
    return round(float((rankdata(strength)[bad].mean() - (bad.sum() + 1) / 2) / (~bad).sum()), 3)


def choose_thresholds(qualities: Sequence[Quality], bad: list[bool]) -> Thresholds:
    """Choose thresholds on a grid from fits with known 3D errors.

    The limits of ``ok`` are the pair of IoU and keypoint error with the largest Youden index against bad. The limits of
    ``failed`` are no stricter than these. Of the pairs whose ``failed`` fits are bad to at least 80 %, the one that
    finds most bad fits is chosen; a pair that rates no fit ``failed`` is on the grid and always allowed. Ties are
    resolved to the laxest pair: the lowest IoU, then the largest keypoint error.

    Args:
        qualities: Quality of each fit.
        bad: Whether each fit is bad in 3D.

    Returns:
        Thresholds on the grid; |β| keeps its default.
    """

    def has_status(limits: Thresholds, name: str) -> list[bool]:
        return [fit_status(quality, limits)[0] == name for quality in qualities]

    def separation(limits: Thresholds) -> tuple[float, float, float]:
        return youden(has_status(limits, "ok"), bad), -limits.iou_ok, limits.keypoint_error_ok

    def found(limits: Thresholds) -> tuple[float, float, float]:
        among = [is_bad for failed, is_bad in zip(has_status(limits, "failed"), bad, strict=True) if failed]
        true_enough = among.count(False) <= LARGEST_FALSE_ALARM * len(among)
        return float(sum(among)) if true_enough else -1.0, -limits.iou_failed, limits.keypoint_error_failed

    grid = list(product(IOU_GRID, KEYPOINT_GRID))
    never_failed = Thresholds(iou_failed=0.0, keypoint_error_failed=math.inf)
    ok = max((replace(never_failed, iou_ok=iou, keypoint_error_ok=error) for iou, error in grid), key=separation)
    laxer = [(iou, error) for iou, error in grid if iou <= ok.iou_ok and error >= ok.keypoint_error_ok]
    return max((replace(ok, iou_failed=iou, keypoint_error_failed=error) for iou, error in laxer), key=found)


def quality_of(person: Metrics) -> Quality:
    """Quality of a fit, from its row of the table."""
    percent = person.values["keypoint_percent"]
    error = None if percent is None else percent / 100
    unexplained, outside = person.values["unexplained"], person.values["body_outside"]
    return Quality(person.values["iou"], None, error, person.values["beta_max"], unexplained, outside)


def _summary(people: list[Metrics]) -> Row:
    grades = [person.values["in_3d"] for person in people]
    summary: Row = {
        "fits": len(people),
        f"good (≤ {GOOD_MM:g} mm), usable, bad (≥ {BAD_MM:g} mm)": _counts(grades, ("good", "usable", "bad")),
    }
    chosen = choose_thresholds([quality_of(person) for person in people], [grade == "bad" for grade in grades])
    for which, limits in (("in force", Thresholds()), ("chosen by these data", chosen)):
        statuses = [fit_status(quality_of(person), limits)[0] for person in people]
        summary |= {
            f"{name}, thresholds {which}": value for name, value in errors_by_status(people, statuses, limits).items()
        }
    called_ok = [person for person in people if fit_status(quality_of(person))[0] == "ok"]
    for which, some in (("all fits", people), ("fits that are ok", called_ok)):
        areas = ", ".join(f"{sign} {roc_area(some, sign)}" for sign in SIGNS)
        summary[f"area under the ROC curve against bad, {which}"] = areas
    for perturbation in PERTURBATIONS:
        own = [person for person in people if person.values["wrong"] == perturbation]
        counts = _counts([person.values["status"] for person in own], STATUSES)
        medians = (
            f"{name} {median_of(own, column, digits)}"
            for name, column, digits in (
                ("PA-MPJPE", "pa_mpjpe", 0),
                ("IoU", "iou", 2),
                ("keypoints %", "keypoint_percent", 1),
            )
        )
        summary[f"wrong: {perturbation}"] = f"{counts}; medians: {', '.join(medians)}"
    summary["median seconds of a fit"] = median_of(people, "seconds", 2)
    return summary


def errors_by_status(people: list[Metrics], statuses: list[str], limits: Thresholds) -> Row:
    """Number of people with each status, and their 3D errors."""

    def among(status: str) -> list[Metrics]:
        return [person for person, name in zip(people, statuses, strict=True) if name == status]

    def share(part: list[Metrics], whole: list[Metrics]) -> str:
        return f"{len(part)} of {len(whole)}" + (f" ({len(part) / len(whole):.0%})" if whole else "")

    def graded(some: list[Metrics], grade: str) -> list[Metrics]:
        return [person for person in some if person.values["in_3d"] == grade]

    bad = [person.values["in_3d"] == "bad" for person in people]
    bad_ok = graded(among("ok"), "bad")
    turned = [person for person in bad_ok if person.values["limb_flips"] or person.values["facing_flipped"]]
    return {
        "limits": f"ok: IoU ≥ {limits.iou_ok:g}, keypoints ≤ {100 * limits.keypoint_error_ok:g} %; "
        f"failed: IoU < {limits.iou_failed:g} or keypoints > {100 * limits.keypoint_error_failed:g} %",
        "status": _counts(statuses, STATUSES),
        "ok against bad, Youden index": round(youden([name == "ok" for name in statuses], bad), 2),
        **{
            f"mean, median PA-MPJPE of {name}, mm": f"{mean_of(among(name), 'pa_mpjpe', 0)}, "
            f"{median_of(among(name), 'pa_mpjpe', 0)}"
            for name in STATUSES
        },
        "good among ok": share(graded(among("ok"), "good"), among("ok")),
        "bad among poor": share(graded(among("poor"), "bad"), among("poor")),
        "bad among failed": share(graded(among("failed"), "bad"), among("failed")),
        "bad called failed": share(graded(among("failed"), "bad"), graded(people, "bad")),
        "bad that slipped through as ok": share(bad_ok, graded(people, "bad")),
        "of these with a limb flipped in depth or facing the wrong way": share(turned, bad_ok),
    }


def _counts(values: Sequence[str], names: Sequence[str]) -> str:
    return ", ".join(f"{values.count(name)} {name}" for name in names)
