"""Errors of regressors on held-out synthetic people."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import view_camera
from render_fit.core.metrics import iou
from render_fit.regressors.network import Regressor
from render_fit.regressors.prediction import Prediction
from render_fit.renderers.base import RenderSettings
from render_fit.renderers.cpu import CpuRenderer
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.validation import CHUNK, HeldOut, score


def regressor_metrics(regressor: Regressor, held_out: HeldOut, synthesis: PeopleSampler) -> dict[str, float]:
    """Errors of a regressor on held-out people, millimetres, and IoU of its silhouettes with the true ones."""
    result = score(regressor, held_out, synthesis.body)
    return {name: round(value, 1) for name, value in result.__dict__.items()} | {
        "iou": round(silhouette_overlap(regressor, held_out, synthesis), 4)
    }


@torch.no_grad()
def silhouette_overlap(regressor: Regressor, held_out: HeldOut, synthesis: PeopleSampler) -> float:
    """Mean IoU of the silhouettes of the likeliest hypotheses with the whole true ones, in the regressor's views."""
    values = []
    for start in range(0, len(held_out.truth), CHUNK):
        rows = slice(start, start + CHUNK)
        truth = held_out.truth[rows]
        prediction: Prediction = regressor(held_out.inputs[rows]).ranked()
        likeliest = torch.arange(len(truth)) * prediction.betas.shape[1]
        parameters = prediction.parameters(synthesis.body, truth.focal)[likeliest]
        offsets = _offsets(prediction.clothing[:, 0], synthesis)
        predicted = BodyParameters(parameters.rotations, parameters.betas, parameters.transl, offsets)
        transl = truth.pelvis - synthesis.body.rest_joints(truth.betas)[:, 0]
        true = BodyParameters(truth.rotations, truth.betas, transl, _offsets(truth.clothing, synthesis))
        masks = [covered_pixels(one, truth.focal, synthesis, synthesis.size) for one in (predicted, true)]
        values.append(iou(*masks))
    return float(torch.cat(values).mean())


def _offsets(clothing: Tensor, synthesis: PeopleSampler) -> Tensor | None:
    return None if synthesis.basis is None or not clothing.shape[1] else synthesis.basis(clothing)


@torch.no_grad()
def covered_pixels(
    parameters: BodyParameters, focal: Float[Tensor, "n"], synthesis: PeopleSampler, size: int
) -> Bool[Tensor, "n size size"]:
    """Pixels of square views of side ``size`` and focal length ``focal``, pixels, that clothed bodies cover."""
    body = synthesis.body
    rendered = CpuRenderer()(
        body(parameters).vertices, body.faces, view_camera(focal, size), RenderSettings(), outputs=("face_index",)
    )
    assert rendered.face_index is not None
    return rendered.face_index >= 0
