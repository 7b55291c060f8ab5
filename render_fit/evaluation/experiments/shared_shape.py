"""Shape from 1, 2, 4 and 8 unrelated images of one person, against the mean of the shapes of single images."""

from __future__ import annotations

from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.core import metrics
from render_fit.evaluation.experiments.images_of_one import PosedPerson, counts_of, posed_people, unrelated_images
from render_fit.evaluation.experiments.runner import Row, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import ExperimentResult, Metrics, mean_of, median_of
from render_fit.fitting.person import fit_person

N_PEOPLE = 20

SEEN = {"unclothed": "unclothed", "changing": "other clothes in every image"}
"""How the person is seen; suffixes of the columns."""

FIGURES = {"pve_t_sc": "PVE-T-SC, mm", "pve_t": "PVE of the rest pose, mm"}
"""Columns of each fit, and what they are."""

MADE = {"joint": "fitted together", "mean": "mean of single images"}
"""How the shape was found."""


def shared_shape(config: ExperimentConfig) -> ExperimentResult:
    """20 synthetic people in 1, 2, 4 and 8 unrelated images, mask and keypoints: shape of all images together."""
    people = run_all(_person, list(config.limited(posed_people(config, N_PEOPLE))), config)
    counts = counts_of(config)
    summary: Row = {"people": len(people), "images": counts}
    for name, words in FIGURES.items():
        for seen, dressed in SEEN.items():
            for made, how in MADE.items():
                columns = {count: f"{name}_{made}_{count}_{seen}" for count in counts}
                summary[f"{words}, {dressed}, {how}"] = {
                    "mean": {count: mean_of(people, column, 2) for count, column in columns.items()},
                    "median": {count: median_of(people, column, 2) for count, column in columns.items()},
                }
    columns = ("number", *(f"pve_t_sc_{made}_{count}_unclothed" for made in MADE for count in counts))
    return ExperimentResult("shared-shape", people, summary, columns)


def _person(person: PosedPerson, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body = components.body
    values: Row = {"number": person.number}
    for seen in SEEN:
        images = list(islice(unrelated_images(body, person, changing=seen == "changing"), max(counts_of(config))))
        true = images[0].parameters.betas
        observed = [one.observation(body, clothed=seen != "unclothed") for one in images]
        alone = [fit_person([one], components.resolved, clothing="none", seed=config.seed) for one in observed]
        for count in counts_of(config):
            if count == 1:
                joint = alone[0]
            else:
                joint = fit_person(observed[:count], components.resolved, clothing="none", seed=config.seed)
            values |= _errors(body, joint.betas, true[0], f"joint_{count}_{seen}")
            values |= _errors(
                body, torch.stack([one.betas for one in alone[:count]]).mean(dim=0), true[0], f"mean_{count}_{seen}"
            )
            values[f"left_out_{count}_{seen}"] = len(joint.left_out)
            values[f"seconds_{count}_{seen}"] = number(joint.seconds["total"], 2)
    return Metrics(values)


def _errors(body: Body, betas: Float[Tensor, "s"], betas_true: Float[Tensor, "s"], suffix: str) -> Row:
    """Columns of one shape, see `FIGURES`."""
    rest, rest_true = body.rest_vertices(betas[None]), body.rest_vertices(betas_true[None])
    return {
        f"pve_t_sc_{suffix}": number(1000 * metrics.pve_t_sc(rest, rest_true), 2),
        f"pve_t_{suffix}": number(1000 * metrics.pve(rest, rest_true, "translation"), 2),
    }
