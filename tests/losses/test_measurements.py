"""Known weight, girths and lengths as terms: values by hand, gradients, and shapes that they lead to."""

import pytest
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.errors import InputError
from render_fit.losses.fit_state import FitState
from render_fit.losses.measurements import KnownMeasurements, KnownWeight
from render_fit.measurements.measure import measure
from tests.losses.factories import gradients_agree, standing, targets, targets64

BODY = open_body()


def shaped(betas: torch.Tensor) -> FitState:
    made = standing(len(betas))
    return FitState(BODY, BodyParameters(made.rotations, betas, made.transl), targets())


def test_known_weight_by_hand():
    betas = torch.zeros(2, 10)
    betas[1, 1] = 1.0
    mass = measure(BODY, betas)["mass"]
    term = KnownWeight(float(mass[0]) + 3.0, sigma_kg=2.0)
    expected = 0.5 * ((mass - term.weight_kg) / 2).square()
    torch.testing.assert_close(term(shaped(betas)), expected, rtol=1e-3, atol=1e-4)
    assert expected[0].item() == pytest.approx(1.125)
    # of 70 kg: 1.8 % of the density is 1.28 kg, clothes and the hour of the day 1 kg
    assert KnownWeight(70.0).sigma == pytest.approx((1.279**2 + 1) ** 0.5, abs=1e-3)


def test_known_measurements_by_hand():
    values = measure(BODY, torch.zeros(1, 10))
    term = KnownMeasurements({"waist": float(values["waist"]) + 0.02, "hip": float(values["hip"]) - 0.01})
    assert term(shaped(torch.zeros(1, 10))).item() == pytest.approx(2.0 + 0.5, rel=1e-3)


TERMS = [KnownWeight(80.0), KnownMeasurements({"waist": 0.9, "inside_leg": 0.8}, 0.1)]


@pytest.mark.parametrize("term", TERMS, ids=lambda term: type(term).__name__)
def test_gradients(term):
    assert gradients_agree(term, targets64())


def test_hypotheses_of_one_shape_have_gradients_of_their_own():
    betas = torch.zeros(3, 10)
    betas[2, 1] = 0.5
    betas.requires_grad_(True)
    values = KnownMeasurements({"waist": 0.9})(shaped(betas))
    slopes = torch.stack([torch.autograd.grad(value, betas, retain_graph=True)[0] for value in values])
    assert bool((slopes.abs().sum(-1) > 0).eq(torch.eye(3, dtype=torch.bool)).all())
    torch.testing.assert_close(slopes[0, 0], slopes[1, 1])


def test_shapes_that_are_no_bodies_have_values_and_a_way_back():
    betas = torch.zeros(3, 10)
    betas[0, 1], betas[1, 1], betas[2, 3] = 5.0, 300.0, torch.nan
    betas.requires_grad_(True)
    values = KnownMeasurements({"waist": 0.9})(shaped(betas))
    assert values[1] > values[0] > 100 and bool(values[2].isnan())
    (slope,) = torch.autograd.grad(values[:2].sum(), betas)
    assert slope[1, 1] > slope[0, 1] > 0


def test_a_shape_of_known_waist_and_weight_is_found():
    betas = torch.zeros(1, 10, requires_grad=True)
    terms = KnownMeasurements({"waist": 0.95, "stature": 1.8}), KnownWeight(85.0, sigma_kg=0.5)
    solver = torch.optim.LBFGS([betas], max_iter=40, line_search_fn="strong_wolfe")

    def closure():
        solver.zero_grad()
        loss = 0.5 * betas.square().sum() + sum(term(shaped(betas)).sum() for term in terms)
        loss.backward()
        return loss

    solver.step(closure)
    found = measure(BODY, betas.detach())
    assert float(found["waist"][0]) == pytest.approx(0.95, abs=0.01)
    assert float(found["stature"][0]) == pytest.approx(1.8, abs=0.01)
    assert float(found["mass"][0]) == pytest.approx(85, abs=0.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"wasit": 0.9}, "did you mean 'waist'"),
        ({"waist": 84.0}, "waist 84: expected metres"),
        ({"waist": float("nan")}, "expected metres"),
        ({"mass": 80.0}, "known weight is the term 'weight'"),
    ],
)
def test_values_that_cannot_be_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        KnownMeasurements(values)


@pytest.mark.parametrize("weight", [0.0, -70.0, 7000.0, float("nan")])
def test_weights_of_nobody_are_refused(weight):
    with pytest.raises(InputError, match="weight in kilograms"):
        KnownWeight(weight)
