"""Errors of regressors on held-out synthetic people."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import view_camera
from render_fit.core.metrics import iou
from render_fit.regressors.network import Prediction, Regressor
from render_fit.renderers.base import RenderSettings
from render_fit.renderers.cpu import CpuRenderer
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.validation import CHUNK, HeldOut, score


def regressor_metrics(regressor: Regressor, held_out: HeldOut, synthesis: PeopleSampler) -> dict[str, float]:
    """How good a regressor is on held-out people: errors in millimetres, and silhouette IoU with the true ones."""
    result = score(regressor, held_out, synthesis.body)
    return {name: round(value, 1) for name, value in result.__dict__.items()} | {
        "iou": round(silhouette_overlap(regressor, held_out, synthesis), 4)
    }


@torch.no_grad()
def silhouette_overlap(regressor: Regressor, held_out: HeldOut, synthesis: PeopleSampler) -> float:
    """Mean IoU of the likeliest hypotheses' silhouettes with the true people's, whole, in the regressor's views."""
    values = []
    for start in range(0, len(held_out.truth), CHUNK):
        rows = slice(start, start + CHUNK)
        truth = held_out.truth[rows]
        said: Prediction = regressor(held_out.inputs[rows]).ranked()
        parameters = said.parameters(synthesis.body, truth.focal)[torch.arange(len(truth)) * said.betas.shape[1]]
        first = BodyParameters(
            parameters.rotations, parameters.betas, parameters.transl, _worn(said.clothing[:, 0], synthesis)
        )
        transl = truth.pelvis - synthesis.body.rest_joints(truth.betas)[:, 0]
        true = BodyParameters(truth.rotations, truth.betas, transl, _worn(truth.clothing, synthesis))
        drawn = [covered(who, truth.focal, synthesis, synthesis.size) for who in (first, true)]
        values.append(iou(drawn[0], drawn[1]))
    return float(torch.cat(values).mean())


def _worn(clothing: Tensor, synthesis: PeopleSampler) -> Tensor | None:
    return None if synthesis.basis is None or not clothing.shape[1] else synthesis.basis(clothing)


@torch.no_grad()
def covered(
    who: BodyParameters, focal: Float[Tensor, "n"], synthesis: PeopleSampler, size: int
) -> Bool[Tensor, "n size size"]:
    """Which pixels of their views people cover, clothes and all."""
    body = synthesis.body
    seen = CpuRenderer()(
        body(who).vertices, body.faces, view_camera(focal, size), RenderSettings(), outputs=("face_index",)
    )
    assert seen.face_index is not None
    return seen.face_index >= 0
