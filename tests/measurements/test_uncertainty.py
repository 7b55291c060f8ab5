"""From a covariance of betas to error bars: against sampling, and by hand."""

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.measurements.measure import measure
from render_fit.measurements.uncertainty import intervals, measurement_covariance, values_and_jacobian

BODY = open_body()
NAMES = ["stature", "bust", "waist", "knee", "volume"]
"""Without levels to search, which makes the samples quick."""


def test_error_bars_are_those_of_samples():
    generator = torch.Generator().manual_seed(0)
    root = 0.15 * torch.randn(10, 10, dtype=torch.float64, generator=generator) / 10**0.5
    centre = 0.5 * torch.randn(10, dtype=torch.float64, generator=generator)
    values, jacobian = values_and_jacobian(BODY, centre[None], NAMES)
    covariance = measurement_covariance(values[0], jacobian[0], root @ root.T, NAMES)
    samples = centre + torch.randn(400, 10, dtype=torch.float64, generator=generator) @ root.T
    found = torch.stack([value for value in measure(BODY, samples, NAMES).values()], 1)
    # the standard deviation of 400 samples is known to 3.5 %
    torch.testing.assert_close(covariance.diagonal().sqrt(), found.std(0), rtol=0.11, atol=0)
    correlation = torch.corrcoef(found.T)
    sigmas = covariance.diagonal().sqrt()
    torch.testing.assert_close(covariance / sigmas / sigmas[:, None], correlation, rtol=0, atol=0.12)
    bounds = intervals(values[0], covariance, 0.9)
    inside = [((found[:, i] > one.low) & (found[:, i] < one.high)).double().mean() for i, one in enumerate(bounds)]
    assert all(0.85 < share < 0.95 for share in inside)


def test_an_interval_by_hand():
    (one,) = intervals(torch.tensor([0.9]), torch.tensor([[1e-4]]), 0.9)
    assert (one.sigma, one.low, one.high) == pytest.approx((0.01, 0.9 - 0.016449, 0.9 + 0.016449), abs=1e-6)


def test_the_mass_also_has_the_uncertainty_of_the_density():
    values, jacobian = values_and_jacobian(BODY, torch.zeros(1, 10), ["volume", "mass"])
    covariance = measurement_covariance(values[0], jacobian[0], torch.zeros(10, 10), ["volume", "mass"])
    assert float(covariance[0, 0]) == 0
    assert float(covariance[1, 1].sqrt()) == pytest.approx(18 / 985 * float(values[0, 1]))
