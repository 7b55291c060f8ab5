"""What ``ok``, ``poor`` and ``failed`` are worth: people with 3D truth, fitted to gradedly wrong observations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from render_fit.evaluation.experiments.ground_truth_3d import SyntheticView, comparison_images, held_out_views, scene_of
from render_fit.evaluation.experiments.runner import Row, Settings, fit_person, number, run_all, tools
from render_fit.evaluation.fit_errors import error_3d
from render_fit.evaluation.tables import ExperimentResult, Metrics, mean_of, median_of
from render_fit.fitting.quality import Quality, Thresholds, judge
from render_fit.synthesis.perturbations import PERTURBATIONS, perturb

N_TRIALS = 96
"""Eight of each of the twelve ways to be wrong."""

GOOD_MM, BAD_MM = 80.0, 130.0
"""PA-MPJPE up to which a body is good, and from which it is bad."""

LARGEST_FALSE_ALARM = 0.2
"""Share of the ``failed`` that may be no bad bodies."""

IOU_GRID = (0.0, *(round(0.1 + 0.05 * step, 3) for step in range(18)))
KEYPOINT_GRID = (*(round(0.01 + 0.005 * step, 3) for step in range(29)), math.inf)
"""What thresholds are chosen from; the first and the last are limits that no fit breaks."""

STATUSES = ("ok", "poor", "failed")


@dataclass(frozen=True)
class Trial:
    """A view, what is wrong with its observation, and another view that wrong parts come from."""

    view: SyntheticView
    wrong: str
    other: SyntheticView


def status(settings: Settings) -> ExperimentResult:
    """96 views of held-out subjects' poses, most observed wrongly: what each status says about the error in 3D."""
    views = held_out_views(settings, N_TRIALS)
    names = list(PERTURBATIONS)
    tasks = [
        Trial(view, names[place % len(names)], views[(place + 1) % len(views)]) for place, view in enumerate(views)
    ]
    people = list(run_all(_trial, tasks, settings))
    columns = ("number", "wrong", "iou", "keypoint_percent", "beta_max", "status", "pa_mpjpe", "in_3d")
    return ExperimentResult("status", people, _summary(people), (*columns, "limb_flips", "facing_flipped", "seconds"))


def _trial(trial: Trial, settings: Settings) -> Metrics:
    kit, view = tools(settings), trial.view
    scene = scene_of(view, kit, settings)
    seen, other = (one.observation(parts=False) for one in (scene, scene_of(trial.other, kit, settings)))
    rng = np.random.default_rng([settings.seed, view.number])
    observation = perturb(trial.wrong, seen, other, rng)
    fit = fit_person(observation, kit, settings)
    error = error_3d(kit.body, fit.parameters, scene.skeleton, kit.body.keypoints(scene.parameters, scene.skeleton)[0])
    iou, keypoint_px = fit.report.iou, fit.report.keypoint_error_px
    values: Row = {
        "number": view.number,
        "clip": view.clip,
        "wrong": trial.wrong,
        "iou": None if iou is None else iou.after,
        "keypoint_percent": None if keypoint_px is None else 100 * keypoint_px.after / max(observation.box[2:]),
        "beta_max": number(fit.report.beta_max, 2),
        "status": fit.report.status,
        "pa_mpjpe": error.pa_mpjpe_mm,
        "in_3d": "good" if error.pa_mpjpe_mm <= GOOD_MM else "bad" if error.pa_mpjpe_mm >= BAD_MM else "usable",
        "limb_flips": error.limb_flips,
        "facing_flipped": error.facing_flipped,
        "seconds": number(fit.report.seconds["total"], 2),
    }
    caption = f"{view.number}: {trial.wrong}, {values['status']}, {error.pa_mpjpe_mm:.0f} mm"
    return Metrics(values, comparison_images(view, scene, fit, kit), caption)


def youden(ok: list[bool], bad: list[bool]) -> float:
    """Share of ``ok`` among what is not bad, minus that among what is bad: 1 separates them, 0 is chance."""
    n_ok_bad = sum(a and b for a, b in zip(ok, bad, strict=True))
    return (sum(ok) - n_ok_bad) / max(1, bad.count(False)) - n_ok_bad / max(1, sum(bad))


def choose_thresholds(qualities: Sequence[Quality], bad: list[bool]) -> Thresholds:
    """The thresholds that figures of fits with known errors choose, on a grid.

    ``ok`` is tried with every pair of an IoU and a keypoint error. The pair stays that separates best what is not
    bad from what is: the largest Youden index. ``failed`` is tried with every pair no stricter than that. Of the
    pairs whose ``failed`` are bad by 80 % at least, the one stays that finds most of the bad; a pair that calls
    nothing failed is on the grid and always allowed. Of equals the laxest stays: the lowest IoU, then the largest
    keypoint error.

    Args:
        qualities: What the status is judged by.
        bad: Whether each of these fits is bad in 3D.

    Returns:
        Thresholds on the grid; |β| keeps its default.
    """

    def called(limits: Thresholds, name: str) -> list[bool]:
        return [judge(quality, limits)[0] == name for quality in qualities]

    def separation(limits: Thresholds) -> tuple[float, float, float]:
        return youden(called(limits, "ok"), bad), -limits.iou_ok, limits.keypoint_error_ok

    def found(limits: Thresholds) -> tuple[float, float, float]:
        among = [wrong for failed, wrong in zip(called(limits, "failed"), bad, strict=True) if failed]
        true_enough = among.count(False) <= LARGEST_FALSE_ALARM * len(among)
        return float(sum(among)) if true_enough else -1.0, -limits.iou_failed, limits.keypoint_error_failed

    grid = list(product(IOU_GRID, KEYPOINT_GRID))
    never_failed = Thresholds(iou_failed=0.0, keypoint_error_failed=math.inf)
    ok = max((replace(never_failed, iou_ok=iou, keypoint_error_ok=error) for iou, error in grid), key=separation)
    laxer = [(iou, error) for iou, error in grid if iou <= ok.iou_ok and error >= ok.keypoint_error_ok]
    return max((replace(ok, iou_failed=iou, keypoint_error_failed=error) for iou, error in laxer), key=found)


def quality_of(person: Metrics) -> Quality:
    """What a person's status was judged by."""
    percent = person.values["keypoint_percent"]
    error = None if percent is None else percent / 100
    return Quality(person.values["iou"], None, error, person.values["beta_max"])


def _summary(people: list[Metrics]) -> Row:
    grades = [person.values["in_3d"] for person in people]
    summary: Row = {
        "fits": len(people),
        f"good (≤ {GOOD_MM:g} mm), usable, bad (≥ {BAD_MM:g} mm)": _counts(grades, ("good", "usable", "bad")),
    }
    chosen = choose_thresholds([quality_of(person) for person in people], [grade == "bad" for grade in grades])
    for which, limits in (("in force", Thresholds()), ("chosen by these data", chosen)):
        named = [judge(quality_of(person), limits)[0] for person in people]
        summary |= {f"{name}, thresholds {which}": value for name, value in worth(people, named, limits).items()}
    for wrong in PERTURBATIONS:
        own = [person for person in people if person.values["wrong"] == wrong]
        counts = _counts([person.values["status"] for person in own], STATUSES)
        figures = (
            f"{name} {median_of(own, column, digits)}"
            for name, column, digits in (
                ("PA-MPJPE", "pa_mpjpe", 0),
                ("IoU", "iou", 2),
                ("keypoints %", "keypoint_percent", 1),
            )
        )
        summary[f"wrong: {wrong}"] = f"{counts}; medians: {', '.join(figures)}"
    summary["median seconds of a fit"] = median_of(people, "seconds", 2)
    return summary


def worth(people: list[Metrics], named: list[str], limits: Thresholds) -> Row:
    """How many people get each status, and what that says about their errors in 3D."""

    def among(*statuses: str) -> list[Metrics]:
        return [person for person, name in zip(people, named, strict=True) if name in statuses]

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
        "status": _counts(named, STATUSES),
        "ok against bad, Youden index": round(youden([name == "ok" for name in named], bad), 2),
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
