"""The focal length that several images of a person tell, and what it is worth: assumed, estimated and known."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice

import numpy as np

from render_fit.bodies.body import Body
from render_fit.core import metrics
from render_fit.core.skeletons import SMPL_24
from render_fit.evaluation.experiments.images_of_one import (
    PosedPerson,
    posed_people,
    turning_images,
    unrelated_images,
)
from render_fit.evaluation.experiments.runner import Row, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import ExperimentResult, Metrics, mean_of
from render_fit.fitting.person import PersonFit, fit_person
from render_fit.observations.camera_source import ASSUMED, assumed_camera
from render_fit.observations.observation import Observation
from render_fit.synthesis.clothed_people import ClothedPerson

N_PEOPLE = 20

FOCAL_RANGE = (0.6, 2.0)
"""True focal lengths over the diagonal, evenly spread in their logarithm: 26 to 87 mm equivalent."""

FIGURES = {
    "focal": "error of the logarithm of the focal length",
    "pve_t_sc": "PVE-T-SC, mm",
    "pa_mpjpe": "PA-MPJPE, mm",
    "mpjpe": "MPJPE relative to the pelvis, mm",
    "depth": "error of the logarithm of the distance",
}
"""Columns of each fit, and what they are."""

CAMERAS = ("assumed", "estimated", "known")
"""What the fit knows of the focal length."""

SEEN = ("turning", "unrelated")
"""How the person is seen: turning in a pose, or in unrelated images."""


def focal_length(config: ExperimentConfig) -> ExperimentResult:
    """20 synthetic people, 8 images by one lens of 26 to 87 mm: focal length assumed, estimated, known."""
    people = run_all(_person, list(config.limited(posed_people(config, N_PEOPLE))), config)
    summary: Row = {"people": len(people)}
    for seen in SEEN:
        for name, words in FIGURES.items():
            summary[f"{words}, {seen}"] = {camera: mean_of(people, f"{name}_{camera}_{seen}", 3) for camera in CAMERAS}
    columns = ("number", "true_focal", *(f"focal_{camera}_{seen}" for seen in SEEN for camera in CAMERAS[:2]))
    return ExperimentResult("focal-length", people, summary, columns)


def _person(person: PosedPerson, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body = components.body
    low, high = FOCAL_RANGE
    focal = low * (high / low) ** np.random.default_rng(person.seed).uniform()
    values: Row = {"number": person.number, "true_focal": number(focal, 3)}
    for seen in SEEN:
        if seen == "turning":
            made = turning_images(body, person, tight=True, focal=focal)
        else:
            made = unrelated_images(body, person, changing=False, focal=focal)
        images = list(islice(made, config.images))
        for camera in CAMERAS:
            observed = [one.observation(body) for one in images]
            if camera != "known":
                observed = [_without_camera(one) for one in observed]
            fit = fit_person(
                observed, components.resolved, clothing="none", same_lens=camera == "estimated", seed=config.seed
            )
            values |= _errors(body, fit, images, focal, f"{camera}_{seen}")
    return Metrics(values)


def _without_camera(observation: Observation) -> Observation:
    """The observation with the assumed camera."""
    camera = assumed_camera(*observation.image_size)
    return replace(observation, camera=camera, source={**observation.source, "camera": ASSUMED})


def _errors(body: Body, fit: PersonFit, images: list[ClothedPerson], focal: float, suffix: str) -> Row:
    """Columns of one fit, see `FIGURES`."""
    true_shape = body.rest_vertices(images[0].parameters.betas)
    values: Row = {
        f"pve_t_sc_{suffix}": number(1000 * metrics.pve_t_sc(body.rest_vertices(fit.betas[None]), true_shape), 2)
    }
    rows: list[dict[str, float]] = []
    for result, true in zip(fit.results, images, strict=True):
        if result is None:
            continue
        joints, joints_true = result.output.joints[:, : len(SMPL_24)], true.joints_camera[None, : len(SMPL_24)]
        found = float(result.camera.K[0, 0, 0]) / math.hypot(result.camera.height, result.camera.width)
        rows.append(
            {
                "focal": abs(math.log(found / focal)),
                "pa_mpjpe": 1000 * float(metrics.pa_mpjpe(joints, joints_true)),
                "mpjpe": 1000 * float(metrics.mpjpe(joints, joints_true, root=0)),
                "depth": abs(float((joints[0, 0, 2] / joints_true[0, 0, 2]).log())),
            }
        )
    return values | {f"{name}_{suffix}": number(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
