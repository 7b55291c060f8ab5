"""The learned Gaussian of clothing coefficients: what it says, and for which bases it holds."""

from dataclasses import replace
from importlib import resources

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.parts import ATR, LIP, PASCAL
from render_fit.core.skeletons import SMPL_24
from render_fit.losses.priors.clothing import (
    ClothingPrior,
    basis_functions,
    clothing_prior_of,
    label_shares,
)


@pytest.fixture(scope="module")
def prior() -> ClothingPrior:
    found = clothing_prior_of(open_body())
    assert found is not None
    return found


def shares(space=ATR, **parts: float) -> torch.Tensor:
    found = torch.zeros(1, len(space))
    for name, share in parts.items():
        found[0, space.labels.index(name.replace("_", "-"))] = share
    return found


TROUSERS = {"hair": 0.06, "upper_clothes": 0.42, "pants": 0.32, "face": 0.06, "left_arm": 0.07, "right_arm": 0.07}
SKIRT = {"hair": 0.06, "upper_clothes": 0.34, "skirt": 0.40, "face": 0.06, "left_arm": 0.07, "right_arm": 0.07}


def given(prior: ClothingPrior, space, seen) -> tuple[torch.Tensor, torch.Tensor]:
    found = prior.given(space, seen)
    assert found is not None
    return found


def thickness_cm(prior: ClothingPrior, seen: torch.Tensor, *joints: str) -> float:
    """Mean displacement of a part of the body under the mean clothes."""
    mean, _ = given(prior, ATR, seen)
    on = torch.isin(open_body().vertex_parts, torch.tensor([SMPL_24.index(joint) for joint in joints]))
    return float((mean @ basis_functions(open_body(), mean.shape[1]).T)[0, on].mean())


def test_shares_are_of_the_person_without_bags():
    labels = torch.zeros(4, 5, dtype=torch.long)
    labels[0], labels[1], labels[2, :2] = ATR.labels.index("hair"), ATR.labels.index("bag"), ATR.labels.index("pants")
    found = label_shares(labels, ATR)
    assert found[ATR.labels.index("hair")].item() == pytest.approx(5 / 7)
    assert found[ATR.labels.index("pants")].item() == pytest.approx(2 / 7)
    assert found.sum().item() == pytest.approx(1.0)
    assert label_shares(torch.zeros(4, 5, dtype=torch.long), ATR).abs().sum().item() == 0.0


def test_skirts_stand_off_thighs_farther_than_trousers(prior):
    assert thickness_cm(prior, shares(**SKIRT), "left_hip", "right_hip") > 1.0 + thickness_cm(
        prior, shares(**TROUSERS), "left_hip", "right_hip"
    )


def test_precisions_are_those_of_gaussians(prior):
    for space, seen in ((ATR, shares(**SKIRT)), (LIP, shares(LIP, coat=0.5, pants=0.3))):
        mean, precision = given(prior, space, seen)
        assert mean.shape == (1, 48) and bool(mean.isfinite().all())
        torch.testing.assert_close(precision, precision.mT, rtol=1e-3, atol=1e-2)
        assert float(torch.linalg.eigvalsh(precision[0].double()).min()) > 0.1  # no direction is wider than 3 cm


def test_without_labels_of_clothes_nothing_is_known(prior):
    assert prior.given(None, None) is None and prior.given(ATR, None) is None
    assert prior.given(PASCAL, shares(PASCAL)) is None


def test_shares_that_were_never_seen_say_no_more_than_the_farthest_that_were(prior):
    one = prior.by_space["atr"]
    for found, expected in zip(one(shares(skirt=5.0)), one(shares(skirt=1.0)), strict=True):
        torch.testing.assert_close(found, expected)


def test_it_holds_for_a_basis_with_other_signs_and_mixed_functions(prior):
    """Another machine may find other eigenfunctions of the same spaces: the same clothes must come out."""
    turn = torch.linalg.qr(torch.randn(48, 48, generator=torch.Generator().manual_seed(0)))[0]
    mixed = replace(
        prior,
        functions=prior.functions @ turn,
        by_space={
            name: replace(one, mean=one.mean @ turn, precision=turn.T @ one.precision @ turn)
            for name, one in prior.by_space.items()
        },
    )
    back = mixed.of_body(open_body())
    assert back is not None
    for found, expected in zip(given(back, ATR, shares(**SKIRT)), given(prior, ATR, shares(**SKIRT)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2 * float(expected.abs().max()))


def test_it_does_not_hold_for_other_bodies():
    with resources.as_file(resources.files("render_fit.losses.priors") / "assets" / "clothing.npz") as path:
        shipped = ClothingPrior.from_file(path)
    assert shipped.of_body(open_body()) is not None
    assert replace(shipped, n_vertices=6890).of_body(open_body()) is None
    assert replace(shipped, vertices=shipped.vertices.roll(1)).of_body(open_body()) is None
