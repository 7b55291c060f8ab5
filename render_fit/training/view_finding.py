"""Training of the view finder: alignment points of synthetic people, whose orientations are known."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from render_fit.core.skeletons import SMPL_24
from render_fit.regressors.view_finder import ViewFinder, ViewFinderConfig
from render_fit.training.samples import GroundTruth

BATCH = 256
"""People in a step."""

LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 2e-3, 0.1, 50

TURNED_WEIGHT = 3.0
"""How much more often people are chosen who are not upright (within 37 degrees): they are 17 %."""

LONG_TRUNK = 0.3
"""Length of the trunk in the image over the circle's radius, below which its direction counts less."""

_HIPS, _SHOULDERS = ([SMPL_24.index(f"{side}_{name}") for side in ("left", "right")] for name in ("hip", "shoulder"))


def view_targets(truth: GroundTruth) -> tuple[Float[Tensor, "n 5"], Float[Tensor, "n"]]:
    """What `ViewFinder.forward` shall give for people, and how much the direction counts for each, in [0, 1]."""
    joints = truth.joints + truth.pelvis[:, None]
    places = joints[..., :2] / joints[..., 2:].clamp(min=0.1) * (2 * truth.focal[:, None, None])
    hips, shoulders = places[:, _HIPS].mean(1), places[:, _SHOULDERS].mean(1)
    radius = (places - hips[:, None]).norm(dim=2).amax(1, keepdim=True)
    sure = ((shoulders - hips).norm(dim=1) / radius[:, 0] / LONG_TRUNK).clamp(max=1)
    return torch.cat([hips, normalize(shoulders - hips, dim=1), radius.log()], 1), sure


def train_view_finder(
    features: Float[Tensor, "n f"], truth: GroundTruth, steps: int = 1500, seed: int = 0
) -> ViewFinder:
    """Trains a view finder on people.

    Args:
        features: (N, F) features of their upright crops (`BlazePoseBackbone.first_features`).
        truth: Ground truth of the people.
        steps: Steps of `BATCH` people.
        seed: Seed of weights and order.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ViewFinder(ViewFinderConfig(features=features.shape[1]))
        network.standard.measure(features)
        target, sure = view_targets(truth)
        weight = torch.stack([torch.full_like(sure, 2.0)] * 2 + [sure] * 2 + [torch.ones_like(sure)], 1)
        often = torch.where(-truth.rotations[:, 0, 1, 1] > 0.8, 1.0, TURNED_WEIGHT)
        optimiser = torch.optim.AdamW(network.layers.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        for step in range(steps):
            rate = 0.5 * LEARNING_RATE * (1 + math.cos(math.pi * step / steps)) * min(1, (step + 1) / WARM_UP)
            for group in optimiser.param_groups:
                group["lr"] = rate
            rows = torch.multinomial(often, BATCH, replacement=True)
            error = network(features[rows].float()) - target[rows]
            optimiser.zero_grad()
            (weight[rows] * error.square()).sum(1).mean().backward()
            optimiser.step()
    return network.eval().requires_grad_(False)
