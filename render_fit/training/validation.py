"""Errors of a regressor on held-out synthetic people."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from render_fit.bodies.body import Body
from render_fit.core.metrics import mpjpe, pa_mpjpe
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import Regressor
from render_fit.regressors.prediction import Prediction
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.samples import GroundTruth, training_batch

CHUNK = 128
"""People in a batch."""


@dataclass(frozen=True)
class HeldOut:
    """Held-out people, the same in every validation."""

    inputs: RegressorInputs
    truth: GroundTruth


@dataclass(frozen=True)
class Score:
    """Mean joint errors, millimetres.

    Attributes:
        pa_mpjpe_mm: PA-MPJPE of the most probable hypothesis.
        mpjpe_mm: MPJPE of the most probable hypothesis, with the pelvis aligned.
        best_pa_mpjpe_mm: PA-MPJPE of each person's best hypothesis.
    """

    pa_mpjpe_mm: float
    mpjpe_mm: float
    best_pa_mpjpe_mm: float


def sample_held_out(sampler: PeopleSampler, count: int, seed: int = 7) -> HeldOut:
    """Samples held-out people."""
    inputs, truth = training_batch(sampler, count, torch.Generator().manual_seed(seed))
    return HeldOut(inputs, truth)


@torch.no_grad()
def score(regressor: Regressor, held_out: HeldOut, body: Body) -> Score:
    """Mean joint errors of a regressor.

    Args:
        regressor: Regressor, on the device of the body.
        held_out: Held-out people.
        body: Body model.
    """
    device = body.v_template.device
    errors = []
    for start in range(0, len(held_out.truth), CHUNK):
        rows = slice(start, start + CHUNK)
        truth = held_out.truth[rows].to(device)
        prediction: Prediction = regressor(held_out.inputs[rows].to(device)).ranked()
        n, h = prediction.log_likelihood.shape
        joints = body.kinematics(prediction.parameters(body, truth.focal)).joints
        true = truth.joints.repeat_interleave(h, 0)
        aligned = pa_mpjpe(joints, true).view(n, h)
        errors.append(torch.stack([aligned[:, 0], mpjpe(joints, true, root=0).view(n, h)[:, 0], aligned.amin(1)]))
    return Score(*(1000 * torch.cat(errors, 1).mean(1)).tolist())
