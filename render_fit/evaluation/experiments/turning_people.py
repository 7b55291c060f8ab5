"""The outer surface of people who turn in front of the camera, from 1, 2, 4 and 8 images."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core import metrics
from render_fit.core.parts import ATR
from render_fit.evaluation.experiments.images_of_one import PosedPerson, counts_of, posed_people, turning_images
from render_fit.evaluation.experiments.runner import Row, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.surfaces import surface_distance
from render_fit.evaluation.tables import ExperimentResult, Metrics, mean_of, median_of
from render_fit.fitting.person import fit_person
from render_fit.observations.observation import Observation
from render_fit.synthesis.clothed_people import ClothedPerson
from render_fit.synthesis.garments.dressing import dress

Surface = tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]

N_PEOPLE = 20

SEEN = {
    "tight": "tight clothes, exact masks and labels",
    "all": "all clothes, masks and labels with a segmenter's errors",
}
"""What the person wears and how it is seen; suffixes of the columns."""

FIGURES = {
    "outer_sc": "outer surface at rest, scale corrected, mm",
    "outer": "outer surface at rest, mm",
    "pve_t_sc": "PVE-T-SC of the body, mm",
    "body_sc": "body alone against the true outer surface, scale corrected, mm",
    "iou": "IoU of the images",
}
"""Columns of each fit, and what they are."""


def turning_people(config: ExperimentConfig) -> ExperimentResult:
    """20 clothed synthetic people who turn in an A-pose, 1, 2, 4 and 8 images: their outer surface at rest."""
    config = config if config.recipes else replace(config, recipes=("octopus",))
    people = run_all(_person, list(config.limited(posed_people(config, N_PEOPLE))), config)
    counts = counts_of(config)
    summary: Row = {"people": len(people), "images": counts}
    for seen, words in SEEN.items():
        for name, figure in FIGURES.items():
            columns = {count: f"{name}_{count}_{seen}" for count in counts}
            summary[f"{words}: {figure}"] = {
                "mean": {count: mean_of(people, column, 3) for count, column in columns.items()},
                "median": {count: median_of(people, column, 3) for count, column in columns.items()},
            }
    columns = ("number", "clothes", *(f"outer_sc_{count}_{seen}" for seen in SEEN for count in counts))
    return ExperimentResult("turning-people", people, summary, columns)


def _person(person: PosedPerson, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body = components.body
    values: Row = {"number": person.number}
    for seen in SEEN:
        images = list(islice(turning_images(body, person, tight=seen == "tight"), max(counts_of(config))))
        observed = [_exact(one, body) if seen == "tight" else one.observation(body, space=ATR) for one in images]
        outer_true = _outer_at_rest(images[0], body)
        rest_true = body.rest_vertices(images[0].parameters.betas)
        joints_true = body.rest_joints(images[0].parameters.betas)
        for count in counts_of(config):
            fit = fit_person(observed[:count], components.resolved, clothing=config.clothing, seed=config.seed)
            found = next(one for one in fit.results if one is not None)
            bare, joints = body.rest_vertices(fit.betas[None]), body.rest_joints(fit.betas[None])
            offsets = found.parameters.offsets
            worn = bare if offsets is None else bare + offsets
            scale = float(_spread(joints_true) / _spread(joints))

            def placed(vertices: Tensor, factor: float, joints: Tensor = joints, true: Tensor = joints_true) -> Surface:
                moved = factor * (vertices - joints.mean(dim=1)) + true.mean(dim=1)
                return moved[0].detach().double().numpy(), body.faces.numpy()

            ious = [one.report.iou.after for one in fit.results if one is not None and one.report.iou is not None]
            values |= {
                f"outer_sc_{count}_{seen}": number(1000 * surface_distance(*placed(worn, scale), *outer_true), 2),
                f"outer_{count}_{seen}": number(1000 * surface_distance(*placed(worn, 1.0), *outer_true), 2),
                f"body_sc_{count}_{seen}": number(1000 * surface_distance(*placed(bare, scale), *outer_true), 2),
                f"pve_t_sc_{count}_{seen}": number(1000 * metrics.pve_t_sc(bare, rest_true), 2),
                f"iou_{count}_{seen}": number(float(np.mean(ious))),
                f"left_out_{count}_{seen}": len(fit.left_out),
                f"seconds_{count}_{seen}": number(fit.seconds["total"], 2),
            }
    clothes = images[0].dressed.clothes
    values["clothes"] = f"{clothes.bottom}, {clothes.outerwear}, {clothes.hair} hair"
    return Metrics(values)


def _exact(person: ClothedPerson, body: Body) -> Observation:
    """What is seen of a person with the exact mask and labels; keypoints have a detector's errors."""
    observation = person.observation(body, space=ATR)
    labels = torch.from_numpy(person.label_map(ATR).astype(np.int64))
    return replace(observation, mask=torch.from_numpy(person.mask.astype(np.float32)), labels=labels)


def _outer_at_rest(person: ClothedPerson, body: Body) -> Surface:
    """Vertices, metres, and faces of the outer surface in the zero pose, dressed in the same clothes."""
    parameters = BodyParameters.from_rotvec(torch.zeros(1, 24, 3), person.parameters.betas, torch.zeros(1, 3))
    dressed = dress(body, parameters, person.dressed.clothes, np.eye(3))
    return dressed.layers.vertices_camera.astype(np.float64), dressed.layers.faces


def _spread(joints: Float[Tensor, "b j 3"]) -> Float[Tensor, "b"]:
    """Root mean square distance of joints from their mean."""
    return (joints - joints.mean(dim=1, keepdim=True)).square().sum(dim=(1, 2)).sqrt()
