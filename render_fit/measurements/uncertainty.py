"""From a covariance of betas to error bars of measurements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.measurements.definitions import DENSITY_KG_M3, DENSITY_SIGMA_KG_M3
from render_fit.measurements.measure import checked_names, measure


@dataclass(frozen=True)
class Interval:
    """An interval of a measurement, in its unit.

    Attributes:
        sigma: Standard deviation.
        low: Lower end.
        high: Upper end.
    """

    sigma: float
    low: float
    high: float


def values_and_jacobian(
    body: Body, betas: Float[Tensor, "b s"], names: Iterable[str] | None = None
) -> tuple[Float[Tensor, "b m"], Float[Tensor, "b m s"]]:
    """Measurements and their derivatives with respect to betas.

    Args:
        body: Body model with SMPL's joints.
        betas: (B, S) shape coefficients.
        names: Measurements, all if None.

    Returns:
        (B, M) values in the order of the names, (B, M, S) their change per standard deviation of each coefficient; in
        metres, kilograms and cubic metres, of the dtype and on the device of ``betas``.

    Raises:
        InputError: as `measure`.
    """
    chosen = checked_names(names)
    rows = betas.detach().double().cpu().requires_grad_(True)
    with torch.enable_grad():
        found = measure(body, rows, chosen)
        slopes = [torch.autograd.grad(found[name].sum(), rows, retain_graph=True)[0] for name in chosen]
    values = torch.stack([found[name].detach() for name in chosen], 1)
    return values.to(betas), torch.stack(slopes, 1).to(betas)


def measurement_covariance(
    values: Float[Tensor, "m"], jacobian: Float[Tensor, "m s"], covariance: Float[Tensor, "s s"], names: Iterable[str]
) -> Float[Tensor, "m m"]:
    """Covariance of the measurements of one body, to first order in betas.

    Args:
        values: (M,) measurements.
        jacobian: (M, S) from `values_and_jacobian`.
        covariance: (S, S) of betas.
        names: Names of the M measurements. The mass also gets the uncertainty of the density.

    Returns:
        (M, M) J C Jᵀ, in squared units of the values.
    """
    spread = jacobian @ covariance @ jacobian.mT
    density = torch.tensor([DENSITY_SIGMA_KG_M3 / DENSITY_KG_M3 if name == "mass" else 0.0 for name in names])
    return spread + torch.diag((values * density.to(values)).square())


def intervals(values: Float[Tensor, "m"], covariance: Float[Tensor, "m m"], coverage: float = 0.9) -> list[Interval]:
    """Intervals of measurements whose errors are normally distributed.

    Args:
        values: (M,) measurements.
        covariance: (M, M) from `measurement_covariance`.
        coverage: Probability of an interval.
    """
    reach = NormalDist().inv_cdf(0.5 + coverage / 2)
    sigmas = covariance.diagonal().clamp(min=0).sqrt().tolist()
    pairs = zip(values.tolist(), sigmas, strict=True)
    return [Interval(sigma, value - reach * sigma, value + reach * sigma) for value, sigma in pairs]
