"""Known measurements of a person as observations of the shape: weight, and girths and lengths of any name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.errors import InputError
from render_fit.core.plausibility import check_length, check_weight
from render_fit.losses.fit_state import FitState
from render_fit.measurements.definitions import DENSITY_KG_M3, DENSITY_SIGMA_KG_M3, MEASUREMENTS
from render_fit.measurements.measure import checked_names
from render_fit.measurements.uncertainty import values_and_jacobian
from render_fit.measurements.volume import volumes

SCALES_SIGMA_KG = 1.0
"""Standard deviation of a known weight, kilograms: clothes, meals and the hour of the day."""

LARGEST_BETA = 5.0
"""|β| beyond which measurements go on as straight lines: a solver may try shapes that no tape goes around."""


@dataclass(frozen=True)
class KnownWeight:
    """Penalises the difference to a known weight, which tells how stout the body under loose clothes is.

    Args:
        weight_kg: Weight of the person, kilograms.
        sigma_kg: Standard deviation of the difference, kilograms; if None that of the density (1.8 % of the weight)
            and 1 kg for clothes and the hour of the day.

    Returns:
        (B,) ½ ((985 kg/m³ · volume(β) − weight_kg) / sigma_kg)².

    Raises:
        InputError: if nobody weighs so much, or the body has not SMPL's joints.
    """

    skeletal: ClassVar[bool] = True
    of_shape: ClassVar[bool] = True

    weight_kg: float
    sigma_kg: float | None = None

    def __post_init__(self) -> None:
        check_weight(self.weight_kg, f"weight_kg {self.weight_kg:g}")

    @property
    def sigma(self) -> float:
        """Standard deviation of the difference, kilograms."""
        if self.sigma_kg is not None:
            return self.sigma_kg
        return math.hypot(DENSITY_SIGMA_KG_M3 / DENSITY_KG_M3 * self.weight_kg, SCALES_SIGMA_KG)

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        mass = DENSITY_KG_M3 * volumes(state.body, state.parameters.betas)
        return 0.5 * ((mass - self.weight_kg) / self.sigma).square()


@dataclass(frozen=True)
class KnownMeasurements:
    """Penalises differences to known girths and lengths, such as a waist of 84 cm.

    Args:
        values_m: Metres by name of the measurement, e.g. ``{"waist": 0.84, "inside_leg": 0.79}``.
        sigma_m: Standard deviation of each, metres: two people who measure the same person differ by a centimetre.

    Returns:
        (B,) ½ Σ ((measurement(β) − value) / sigma_m)².

    Raises:
        InputError: if a name is not known or no length, a value cannot be true, or the body has not SMPL's joints.
    """

    skeletal: ClassVar[bool] = True
    of_shape: ClassVar[bool] = True

    values_m: Mapping[str, float]
    sigma_m: float = 0.01

    def __post_init__(self) -> None:
        for name in checked_names(self.values_m):
            if MEASUREMENTS[name].unit != "m":
                raise InputError(f"measurement {name!r} is no length; a known weight is the term 'weight'")
            check_length(self.values_m[name], f"{name} {self.values_m[name]:g}")

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        betas, wanted = state.parameters.betas, torch.tensor(list(self.values_m.values()))
        near = betas.detach().nan_to_num(0.0).clamp(-LARGEST_BETA, LARGEST_BETA)
        # Hypotheses and differences of other variables share their shapes: each shape is measured once.
        shapes, shape = torch.unique(near, dim=0, return_inverse=True)
        values, jacobian = values_and_jacobian(state.body, shapes, self.values_m)
        measured = values[shape] + (jacobian[shape] * (betas - near)[:, None, :]).sum(-1)
        return 0.5 * ((measured - wanted.to(betas)) / self.sigma_m).square().sum(1)
