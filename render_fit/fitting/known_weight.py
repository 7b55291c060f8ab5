"""What a fit made of a person's known weight."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.losses.measurements import KnownWeight
from render_fit.measurements.definitions import DENSITY_KG_M3
from render_fit.measurements.volume import volumes

KEPT = 2.0
"""Standard deviations of `KnownWeight` up to which a known weight counts as kept."""


def about_weight(body: Body, betas: Float[Tensor, "1 s"], weight_kg: float) -> list[str]:
    """A sentence if a fit did not reach the known weight."""
    reached_kg = DENSITY_KG_M3 * float(volumes(body, betas)[0])
    if abs(reached_kg - weight_kg) <= KEPT * KnownWeight(weight_kg).sigma:
        return []
    return [
        f"weight: asked for {weight_kg:g} kg, reached {reached_kg:.0f} kg: the image, the height or the body's shapes "
        "speak against it; is it the weight of this person?"
    ]
