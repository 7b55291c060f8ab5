"""Fits of photos with human masks, from annotations and from the image alone."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from render_fit.bodies.body import Body
from render_fit.core import metrics
from render_fit.core.errors import NoPersonError
from render_fit.datasets.images import PhotoSample, data_folder, read_ccp, read_coco, read_up3d
from render_fit.evaluation.experiments.runner import Row, fit_person, load_components, number, observes_3d, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
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
"""Kinds of keypoints of which one each, left or right at random, is withheld from the second fit."""

RIGHT_PERSON_IOU = 0.5
"""IoU of the observer's and the human mask from which the observer found the right person."""


def coco_masks(config: ExperimentConfig) -> ExperimentResult:
    """19 COCO people, given mask and keypoints: IoU by kind of clothing, keypoint error, PCK of withheld keypoints."""
    samples = config.limited(read_coco(data_folder(config.data)))
    people = run_all(_coco_person, samples, config)
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
        "status": statuses(people),
        "median seconds of a fit": median_of(people, "seconds", 2),
    }
    columns = ("name", "iou_none", "iou_smooth", "iou_free", "beta_max", "keypoint_percent")
    columns += (*(f"withheld_pck_{t:g}" for t in PCK_THRESHOLDS), "defects", "status", "seconds")
    return ExperimentResult("coco-masks", people, summary, columns)


def _coco_person(sample: PhotoSample, config: ExperimentConfig) -> Metrics:
    body, renderer = load_components(config).body, load_components(config).renderer
    observation = observed_photo(sample, config)
    fits = {clothing: fit_person(observation, config, clothing=clothing) for clothing in get_args(Clothing)}
    assert sample.mask is not None and observation.image is not None and observation.confidence is not None
    values: Row = {"name": sample.name}
    for clothing, fit in fits.items():
        values[f"iou_{clothing}"] = number(silhouette_iou(body, fit.parameters, fit.camera, sample.mask.float()))
    values |= _fit_metrics(sample, fits["smooth"], body)
    values["beta_max"] = max(number(fit.parameters.betas.abs().max(), 2) for fit in fits.values())
    withheld = withheld_keypoints(sample, config.seed)
    confidence = observation.confidence.clone()
    confidence[withheld] = 0.0
    reduced = replace(observation, confidence=confidence, confidence_3d=None, keypoints_3d=None)
    values |= _withheld_pck(sample, fit_person(reduced, config), withheld, body)
    smooth = fits["smooth"]
    pictures = render_views(observation.image, body, smooth.parameters, smooth.camera, sample.reference_box, renderer)
    caption = f"{sample.name[:12]} {values['iou_none']:.2f} {values['iou_smooth']:.2f} {values['status']}"
    return Metrics(values, pictures, caption)


def observed_photo(sample: PhotoSample, config: ExperimentConfig) -> Observation:
    """Observation of a person as by ``render-fit fit --mask --keypoints``."""
    always_observe_3d = observes_3d(config)
    (observation,) = observe(
        sample.image_path,
        mask=sample.mask_path,
        keypoints=sample.keypoints_path,
        observer=load_components(config).observer if always_observe_3d else None,
        always_observe_3d=always_observe_3d,
    )
    return observation


def _fit_metrics(sample: PhotoSample, fit: FitResult, body: Body) -> Row:
    """Keypoint error, failure modes, status and time of one fit."""
    failures = find_failure_modes(body, fit.parameters, sample.skeleton, sample.keypoints_px, sample.confidence)
    values: Row = {
        **failures.__dict__,
        "defects": failures.count,
        "status": fit.report.status,
        "reason": fit.report.reason,
        "beta_max": number(fit.parameters.betas.abs().max(), 2),
        "seconds": number(fit.report.seconds["total"], 2),
    }
    if sample.skeleton is not None and sample.keypoints_px is not None and sample.confidence is not None:
        points = fit.camera.project(body.keypoints(fit.parameters, sample.skeleton))
        reference = metrics.box_reference(sample.reference_box[None])
        error = metrics.keypoint_error(points, sample.keypoints_px[None], sample.confidence[None] > 0, reference)
        values["keypoint_percent"] = number(100 * error, 3)
    return values


def withheld_keypoints(sample: PhotoSample, seed: int) -> list[int]:
    """Indices of four annotated keypoints to withhold from a fit: a wrist, an elbow, a knee and an ankle.

    The side is random among the annotated ones. Where neither side of a kind is annotated, another limb keypoint
    takes its place.
    """
    assert sample.skeleton is not None and sample.confidence is not None
    # Seeded by the person's name as well, so that the choice does not depend on other people.
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


def _withheld_pck(sample: PhotoSample, fit: FitResult, withheld: list[int], body: Body) -> Row:
    """PCK and mean error of the withheld keypoints."""
    assert sample.skeleton is not None and sample.keypoints_px is not None
    points = fit.camera.project(body.keypoints(fit.parameters, sample.skeleton))
    counted = torch.zeros(1, len(sample.skeleton), dtype=torch.bool)
    counted[0, withheld] = True
    reference = metrics.box_reference(sample.reference_box[None])
    values: Row = {"withheld": " ".join(sample.skeleton.joints[index] for index in withheld)}
    for threshold in PCK_THRESHOLDS:
        score = metrics.pck(points, sample.keypoints_px[None], counted, reference, threshold)
        values[f"withheld_pck_{threshold:g}"] = number(score)
    error = metrics.keypoint_error(points, sample.keypoints_px[None], counted, reference)
    values["withheld_percent"] = number(100 * error, 2)
    return values


def image_only(config: ExperimentConfig) -> ExperimentResult:
    """COCO, street and sports photos, given the image alone: IoU of the observer and of the fit with human masks."""
    folder = data_folder(config.data)
    samples = [sample for read in (read_coco, read_ccp, read_up3d) for sample in config.limited(read(folder))]
    people = run_all(_image_only_person, samples, config)
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
    summary["status"] = statuses(people)
    summary["largest |β|"] = max(column(people, "beta_max"), default=None)
    summary["median seconds of a fit"] = median_of(people, "seconds", 2)
    summary["median seconds of observing"] = median_of(people, "observe_seconds", 2)
    columns = ("dataset", "name", "found", "iou_observer", "iou_fit", "ratio", "iou_reported")
    columns += ("beta_max", "status", "seconds")
    return ExperimentResult("image-only", people, summary, columns)


def _image_only_person(sample: PhotoSample, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body, renderer, observer = components.body, components.renderer, components.observer
    started = time.perf_counter()
    values: Row = {"dataset": sample.dataset, "name": sample.name, "found": "missed"}
    values |= {"iou_observer_or_0": 0.0, "iou_fit_or_0": 0.0}
    try:
        (observation,) = observe(sample.image_path, observer=observer)
    except NoPersonError:
        photo = read_photo(sample.image_path).image.permute(1, 2, 0).mul(255).byte().numpy()
        return Metrics(values, (photo,), f"{sample.dataset} {sample.name[:12]} missed")
    values["observe_seconds"] = number(time.perf_counter() - started, 3)
    fit = fit_person(observation, config)
    # The observer's keypoints define up and front, because these photos have no annotated ones.
    box = torch.tensor(observation.box)
    annotated = replace(
        sample,
        skeleton=observation.skeleton,
        keypoints_px=observation.keypoints_px,
        confidence=observation.confidence,
        box_xywh=box,
    )
    values |= _fit_metrics(annotated, fit, body)
    values["iou_reported"] = None if fit.report.iou is None else fit.report.iou.after
    values["found"] = "unknown" if sample.mask is None else "right"
    assert observation.image is not None
    if sample.mask is not None and observation.mask is not None:
        observed = float(metrics.iou((observation.mask >= 0.5)[None], sample.mask[None]))
        fitted = silhouette_iou(body, fit.parameters, fit.camera, sample.mask.float())
        values |= {"iou_observer": number(observed), "iou_fit": number(fitted)}
        if observed >= RIGHT_PERSON_IOU:
            values |= {"ratio": number(fitted / observed)}
            values |= {"iou_observer_or_0": number(observed), "iou_fit_or_0": number(fitted)}
        else:
            values["found"] = "mistaken"
    pictures = render_views(observation.image, body, fit.parameters, fit.camera, box, renderer)
    scores = " ".join(f"{values[name]:.2f}" for name in ("iou_observer", "iou_fit") if name in values)
    caption = f"{sample.dataset} {Path(sample.name).name[:12]} {scores} {values['status']}"
    return Metrics(values, pictures, caption)


def statuses(people: list[Metrics], name: str = "status") -> str:
    """Number of fits of each status in a column, as text."""
    found = [person.values[name] for person in people if name in person.values]
    return ", ".join(f"{found.count(status)} {status}" for status in ("ok", "poor", "failed"))
