"""Conversion to another body and back: what is left between the surfaces."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies import Body, open_body
from render_fit.core.rotations import roma
from render_fit.evaluation.experiments.clothed_people import clothed_views
from render_fit.evaluation.experiments.runner import Row, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.stand_in_bodies import write_smpl_stand_in
from render_fit.evaluation.tables import ExperimentResult, Metrics, column, mean_of
from render_fit.exchange.conversion import Converted, convert
from render_fit.exchange.posed_points import BodySurface, Posed, posed_vertices
from render_fit.exchange.sources import SourceSurface
from render_fit.synthesis.scene import sample_betas

N_PEOPLE = 20

POSES = {"zero": "zero pose", "everyday": "everyday pose"}
"""How each person stands; part of the columns."""

TRIPS = {"anny": "open → Anny → open", "smpl": "open → SMPL stand-in → open"}
"""Ways there and back; part of the columns."""


@dataclass(frozen=True)
class Traveller:
    """Number and everyday pose of one person."""

    number: int
    pose: Float[Tensor, "24 3"]


def body_round_trips(config: ExperimentConfig) -> ExperimentResult:
    """20 people, zero pose and everyday pose: open → Anny → open, open → SMPL stand-in → open, residuals in mm."""
    people = run_all(
        _person,
        [Traveller(view.number, view.pose) for view in config.limited(clothed_views(config)[:N_PEOPLE])],
        config,
    )
    summary: Row = {"people": len(people)}
    if find_spec("anny") is None:
        summary["Anny"] = "not measured: the package anny is not installed"
    for trip, words in TRIPS.items():
        for pose, stands in POSES.items():
            for leg, name in (("there", "residual of the first conversion"), ("back", "after the way back")):
                key = f"{trip}_{pose}_{leg}"
                largest = column(people, f"{key}_max")
                summary[f"{words}, {stands}, {name}, mm"] = {
                    "mean": mean_of(people, key, 3), "largest of anybody": max(largest) if largest else None,
                }  # fmt: skip
    columns = tuple(f"{trip}_{pose}_{leg}" for trip in TRIPS for pose in POSES for leg in ("there", "back"))
    return ExperimentResult("body-round-trips", people, summary, ("number", *columns))


@torch.no_grad()
def _person(person: Traveller, config: ExperimentConfig) -> Metrics:
    body = open_body()
    rng = np.random.default_rng([config.seed, person.number])
    betas = sample_betas(body, rng).double()
    file = stand_in_file(config.out)
    values: Row = {"number": person.number}
    for pose in POSES:
        rotvec = torch.zeros(24, 3) if pose == "zero" else person.pose
        state = Posed(roma.rotvec_to_rotmat(rotvec.double()), betas, torch.tensor([0.0, 0.0, 3.0]).double())
        values |= _there_and_back(body, state, f"smpl:{file}", f"smpl_{pose}")
        if find_spec("anny") is not None:
            values |= _there_and_back(body, state, "anny", f"anny_{pose}")
    return Metrics(values)


def _there_and_back(body: Body, state: Posed, to: str, key: str) -> Row:
    """Residual of the conversion, and distances of the open body's vertices after the way back, millimetres."""
    surface = BodySurface(body)
    vertices = posed_vertices(surface, state)
    pose = dict(zip(body.joint_names, state.rotations, strict=True))
    there = convert(SourceSurface("open", vertices, body.faces.numpy(), pose, {}), to)
    back = convert(_source(there), "open")
    apart = 1000 * (posed_vertices(surface, back.state) - vertices).norm(dim=1)
    return {
        f"{key}_there": round(there.mean_mm, 3), f"{key}_there_max": round(there.max_mm, 2),
        f"{key}_back": round(float(apart.mean()), 3), f"{key}_back_max": round(float(apart.max()), 2),
    }  # fmt: skip


def _source(converted: Converted) -> SourceSurface:
    """A converted body as the surface of the next conversion."""
    if converted.anny is not None:
        return SourceSurface("open", posed_vertices(converted.anny, converted.state), None, None, {})
    assert converted.body is not None
    vertices = posed_vertices(BodySurface(converted.body), converted.state)
    pose = dict(zip(converted.body.joint_names, converted.state.rotations, strict=True))
    return SourceSurface(converted.body.name, vertices, converted.body.faces.numpy(), pose, {})


def stand_in_file(folder: Path) -> Path:
    """The stand-in's file in a folder, written if it is not there."""
    file = folder / "SMPL_NEUTRAL.npz"
    return file if file.exists() else write_smpl_stand_in(file)
