"""A person's known height: hypotheses of that height, and what a fit made of it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.fitting.variables import Variables
from render_fit.losses.parameters import standing_height

LARGEST_BETA = 5.0
"""Largest |β| of a hypothesis of known height: beyond, meshes stop looking like people."""

KEPT_M = 0.02
"""Difference from the known height up to which it counts as kept, metres; twice `KnownHeight`'s standard deviation."""


@torch.no_grad()
def of_height(body: Body, variables: Variables, height_m: float) -> Variables:
    """Hypotheses changed to a person's height, at the distance at which they look as large as before.

    Args:
        body: Body model.
        variables: Hypotheses.
        height_m: Standing height, metres.

    Returns:
        The hypotheses with the smallest change of their shape that gives the height, as far as |β| ≤ `LARGEST_BETA`
        allows, and with depths scaled by the ratio of the heights.
    """
    mean_m, per_beta_m = standing_height(body)
    per_beta_m = per_beta_m[: variables.betas.shape[-1]]
    before_m = mean_m + variables.betas @ per_beta_m
    betas = variables.betas
    for _ in range(4):  # coefficients that reach the limit leave the rest to the others
        free = (betas.abs() < LARGEST_BETA).to(betas)
        missing_m = height_m - (mean_m + betas @ per_beta_m)
        step = free * per_beta_m / (free * per_beta_m.square()).sum(dim=1, keepdim=True).clamp(min=1e-9)
        betas = (betas + missing_m[:, None] * step).clamp(-LARGEST_BETA, LARGEST_BETA)
    after_m = mean_m + betas @ per_beta_m
    farther = torch.zeros_like(variables.position)
    farther[:, 2] = (after_m / before_m).log()
    return variables.with_values({"betas": betas, "position": variables.position + farther})


def about_height(body: Body, betas: Float[Tensor, "1 s"], height_m: float) -> list[str]:
    """A sentence if a fit did not reach the known height."""
    mean_m, per_beta_m = standing_height(body)
    reached_m = float(mean_m + betas[0] @ per_beta_m[: betas.shape[-1]])
    if abs(reached_m - height_m) <= KEPT_M:
        return []
    return [
        f"height: asked for {height_m:.2f} m, reached {reached_m:.2f} m: the body's shapes do not go farther; size and "
        "depth are those of the height that was reached"
    ]
