"""Photos with human masks: fitted from annotation files (coco), and from the image alone (image-alone)."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from render_fit.core import metrics
from render_fit.core.errors import NoPersonError
from render_fit.datasets.images import PhotoSample, data_folder, read_ccp, read_coco, read_up3d
from render_fit.evaluation.experiments.runner import (
    ExperimentComponents,
    Row,
    Settings,
    fit_person,
    limited,
    number,
    run_all,
    tools,
)
from render_fit.evaluation.fit_errors import find_failure_modes, render_views, silhouette_iou
from render_fit.evaluation.tables import ExperimentResult, Metrics, column, count_of, mean_of, median_of
from render_fit.fitting.result import FitResult
from render_fit.fitting.stages import Clothing
from render_fit.observations import observe
from render_fit.observations.images import read_photo
from render_fit.observations.observation import Observation

PCK_THRESHOLDS = (0.05, 0.1, 0.2)
"""Shares of the box's longer side."""

WITHHELD = ("wrist", "elbow", "knee", "ankle")
"""One visible keypoint of each kind, left or right by lot, is kept from the second fit."""

RIGHT_PERSON_IOU = 0.5
"""The observer found the right person where its mask overlaps the human one by this much."""


def coco(settings: Settings) -> ExperimentResult:
    """19 people, mask and keypoints from files: IoU without and with clothing, keypoints, PCK of withheld ones."""
    samples = limited(read_coco(data_folder(settings.data)), settings)
    people = list(run_all(_coco_person, samples, settings))
    summary: Row = {
        "people": len(people),
        "mean IoU, body only (target 0.85)": mean_of(people, "iou_none"),
        "mean IoU, smooth offsets (target 0.91)": mean_of(people, "iou_smooth"),
        "mean IoU, free offsets": mean_of(people, "iou_free"),
        "largest |β| (target 3)": max(column(people, "beta_max"), default=None),
        "people with |β| > 3": sum(value > 3 for value in column(people, "beta_max")),
        "mean keypoint error, % of the box (target 2)": mean_of(people, "keypoint_percent", 2),
        **{
            f"PCK@{threshold:g} of withheld keypoints": mean_of(people, f"withheld_pck_{threshold:g}")
            for threshold in PCK_THRESHOLDS
        },
        **{name: count_of(people, name) for name in ("upside_down", "back_to_front", "spiky", "inside_out")},
        "status": _statuses(people),
        "median seconds of a fit": median_of(people, "seconds", 2),
    }
    columns = ("name", "iou_none", "iou_smooth", "iou_free", "beta_max", "keypoint_percent")
    columns += (*(f"withheld_pck_{t:g}" for t in PCK_THRESHOLDS), "defects", "status", "seconds")
    return ExperimentResult("coco", people, summary, columns)


def _coco_person(sample: PhotoSample, settings: Settings) -> Metrics:
    kit = tools(settings)
    observation = observed_photo(sample, kit)
    fits = {clothing: fit_person(observation, kit, settings, clothing=clothing) for clothing in get_args(Clothing)}
    assert sample.mask is not None
    values: Row = {"name": sample.name}
    for clothing, fit in fits.items():
        mask = sample.mask.float()
        values[f"iou_{clothing}"] = number(silhouette_iou(kit.body, fit.parameters, fit.camera, mask))
    values |= _fit_figures(sample, fits["smooth"], kit)
    values["beta_max"] = max(number(fit.parameters.betas.abs().max(), 2) for fit in fits.values())
    hidden = withheld_keypoints(sample, settings.seed)
    assert observation.confidence is not None
    confidence = observation.confidence.clone()
    confidence[hidden] = 0.0
    blind = replace(observation, confidence=confidence, confidence_3d=None, keypoints_3d=None)
    second = fit_person(blind, kit, settings)
    values |= _withheld_pck(sample, second, hidden, kit)
    assert observation.image is not None
    pictures = render_views(
        observation.image,
        kit.body,
        fits["smooth"].parameters,
        fits["smooth"].camera,
        sample.reference_box,
        kit.renderer,
    )
    caption = f"{sample.name[:12]} {values['iou_none']:.2f} {values['iou_smooth']:.2f} {values['status']}"
    return Metrics(values, pictures, caption)


def observed_photo(sample: PhotoSample, kit: ExperimentComponents) -> Observation:
    """What ``render-fit fit --mask --keypoints`` sees of a person."""
    (observation,) = observe(
        sample.image_path,
        mask=sample.mask_path,
        keypoints=sample.keypoints_path,
        observer=kit.observer if kit.uses_3d else None,
        always_observe_3d=kit.uses_3d,
    )
    return observation


def _fit_figures(sample: PhotoSample, fit: FitResult, kit: ExperimentComponents) -> Row:
    """Keypoint error, defects, status and time of one fit."""
    wrong = find_failure_modes(kit.body, fit.parameters, sample.skeleton, sample.keypoints_px, sample.confidence)
    figures: Row = {
        "upside_down": wrong.upside_down,
        "back_to_front": wrong.back_to_front,
        "spiky": wrong.spiky,
        "inside_out": wrong.inside_out,
        "defects": wrong.count,
        "status": fit.report.status,
        "reason": fit.report.reason,
        "beta_max": number(fit.parameters.betas.abs().max(), 2),
        "seconds": number(fit.report.seconds["total"], 2),
    }
    if sample.skeleton is not None and sample.keypoints_px is not None and sample.confidence is not None:
        points = fit.camera.project(kit.body.keypoints(fit.parameters, sample.skeleton))
        error = metrics.keypoint_error(
            points,
            sample.keypoints_px[None],
            sample.confidence[None] > 0,
            metrics.box_reference(sample.reference_box[None]),
        )
        figures["keypoint_percent"] = number(100 * error, 3)
    return figures


def withheld_keypoints(sample: PhotoSample, seed: int) -> list[int]:
    """Indices of four annotated keypoints that a fit is not given: a wrist, an elbow, a knee and an ankle.

    The side is drawn by lot among the annotated ones. Where neither side of a kind is annotated, another limb
    keypoint takes its place.
    """
    assert sample.skeleton is not None and sample.confidence is not None
    # Drawn from the seed and the person's name, so that one person's lot does not depend on the others.
    rng = np.random.default_rng([seed, *sample.name.encode()])
    given = {name for name, value in zip(sample.skeleton.joints, sample.confidence.tolist(), strict=True) if value > 0}
    chosen: list[str] = []
    for kind in WITHHELD:
        sides = [name for name in (f"left_{kind}", f"right_{kind}") if name in given]
        if sides:
            chosen.append(sides[rng.integers(len(sides))])
    limbs = [f"{side}_{kind}" for kind in (*WITHHELD, "shoulder", "hip") for side in ("left", "right")]
    spare = [name for name in limbs if name in given and name not in chosen]
    while len(chosen) < len(WITHHELD) and spare:
        chosen.append(spare.pop(rng.integers(len(spare))))
    return [sample.skeleton.index(name) for name in chosen]


def _withheld_pck(sample: PhotoSample, fit: FitResult, hidden: list[int], kit: ExperimentComponents) -> Row:
    assert sample.skeleton is not None and sample.keypoints_px is not None
    points = fit.camera.project(kit.body.keypoints(fit.parameters, sample.skeleton))
    asked = torch.zeros(1, len(sample.skeleton), dtype=torch.bool)
    asked[0, hidden] = True
    reference = metrics.box_reference(sample.reference_box[None])
    figures: Row = {"withheld": " ".join(sample.skeleton.joints[index] for index in hidden)}
    for threshold in PCK_THRESHOLDS:
        score = metrics.pck(points, sample.keypoints_px[None], asked, reference, threshold)
        figures[f"withheld_pck_{threshold:g}"] = number(score)
    error = metrics.keypoint_error(points, sample.keypoints_px[None], asked, reference)
    figures["withheld_percent"] = number(100 * error, 2)
    return figures


def image_alone(settings: Settings) -> ExperimentResult:
    """The same photos, street photos and sports photos from the image alone, against the human masks."""
    folder = data_folder(settings.data)
    samples = [sample for read in (read_coco, read_ccp, read_up3d) for sample in limited(read(folder), settings)]
    people = list(run_all(_alone_person, samples, settings))
    summary: Row = {}
    for dataset in ("coco", "ccp"):
        own = [person for person in people if person.values["dataset"] == dataset]
        right = [person for person in own if person.values["found"] == "right"]
        observer, fit = mean_of(right, "iou_observer"), mean_of(right, "iou_fit")
        ratio = round(fit / observer, 4) if observer and fit else None
        summary |= {
            f"{dataset}: people": len(own),
            f"{dataset}: right person found": len(right),
            f"{dataset}: missed": sum(person.values["found"] == "missed" for person in own),
            f"{dataset}: mistaken": sum(person.values["found"] == "mistaken" for person in own),
            f"{dataset}: mean IoU of the observer, right person": observer,
            f"{dataset}: mean IoU of the fit, right person": fit,
            f"{dataset}: fit / observer (target 0.93)": ratio,
            f"{dataset}: mean IoU of the observer, missed and mistaken as 0": mean_of(own, "iou_observer_or_0"),
            f"{dataset}: mean IoU of the fit, missed and mistaken as 0": mean_of(own, "iou_fit_or_0"),
        }
    sports = [person for person in people if person.values["dataset"] == "up3d"]
    summary["up3d: photos"] = len(sports)
    summary["up3d: nobody found"] = sum(person.values["found"] == "missed" for person in sports)
    summary["status"] = _statuses(people)
    summary["largest |β|"] = max(column(people, "beta_max"), default=None)
    summary["median seconds of a fit"] = median_of(people, "seconds", 2)
    summary["median seconds of observing"] = median_of(people, "observe_seconds", 2)
    columns = ("dataset", "name", "found", "iou_observer", "iou_fit", "ratio", "iou_reported")
    columns += ("beta_max", "status", "seconds")
    return ExperimentResult("image-alone", people, summary, columns)


def _alone_person(sample: PhotoSample, settings: Settings) -> Metrics:
    kit = tools(settings)
    began = time.perf_counter()
    values: Row = {"dataset": sample.dataset, "name": sample.name, "found": "missed"}
    values |= {"iou_observer_or_0": 0.0, "iou_fit_or_0": 0.0}
    try:
        (observation,) = observe(sample.image_path, observer=kit.observer)
    except NoPersonError:
        photo = read_photo(sample.image_path).image.permute(1, 2, 0).mul(255).byte().numpy()
        return Metrics(values, (photo,), f"{sample.dataset} {sample.name[:12]} missed")
    values["observe_seconds"] = number(time.perf_counter() - began, 3)
    fit = fit_person(observation, kit, settings)
    # Without annotated keypoints the observer's say what is up and what is in front.
    seen = replace(
        sample,
        skeleton=observation.skeleton,
        keypoints_px=observation.keypoints_px,
        confidence=observation.confidence,
        box_xywh=torch.tensor(observation.box),
    )
    values |= _fit_figures(seen, fit, kit)
    values["iou_reported"] = None if fit.report.iou is None else fit.report.iou.after
    values["found"] = "unknown" if sample.mask is None else "right"
    assert observation.image is not None
    if sample.mask is not None and observation.mask is not None:
        observed = float(metrics.iou((observation.mask >= 0.5)[None], sample.mask[None]))
        fitted = silhouette_iou(kit.body, fit.parameters, fit.camera, sample.mask.float())
        values |= {"iou_observer": number(observed), "iou_fit": number(fitted)}
        if observed >= RIGHT_PERSON_IOU:
            values |= {"ratio": number(fitted / observed)}
            values |= {"iou_observer_or_0": number(observed), "iou_fit_or_0": number(fitted)}
        else:
            values["found"] = "mistaken"
    pictures = render_views(
        observation.image, kit.body, fit.parameters, fit.camera, torch.tensor(observation.box), kit.renderer
    )
    scores = " ".join(f"{values[name]:.2f}" for name in ("iou_observer", "iou_fit") if name in values)
    caption = f"{sample.dataset} {Path(sample.name).name[:12]} {scores} {values['status']}"
    return Metrics(values, pictures, caption)


def _statuses(people: list[Metrics]) -> str:
    found = [person.values["status"] for person in people if "status" in person.values]
    return ", ".join(f"{found.count(status)} {status}" for status in ("ok", "poor", "failed"))
