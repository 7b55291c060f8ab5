"""The mask's likelihood under the unclothed body: its law by hand, and the body that it finds under a coat."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from render_fit.core.parts import ATR
from render_fit.losses.clothed_silhouette import ClothedSilhouette
from render_fit.losses.pixels import SilhouetteL2
from tests.losses.factories import painted, standing, targets

SIZE_M = 0.01
"""Size of a pixel at the person: 4 m away, focal length 400 px."""


def strip(gap_px: int, mask_px: int = 40, size: int = 64):
    """A mask of some columns, and a body that covers it but for a gap on its right side."""
    mask, body = torch.zeros(1, size, size), torch.zeros(1, size, size)
    mask[:, :, :mask_px] = 1.0
    body[:, :, : mask_px - gap_px] = 1.0
    return mask, body


def cost(term: ClothedSilhouette, mask, silhouette) -> float:
    state = painted(targets(64, mask=mask), silhouette=silhouette)
    depth = SIZE_M * float(state.targets.camera.K[0, 0, 0])
    state.parameters = standing(transl=(0.0, 0.3, depth))
    return term(state).item()


@pytest.mark.parametrize("gap_px", [1, 4, 15])
def test_the_cost_of_a_gap_is_the_integral_of_its_law(gap_px: int) -> None:
    term = ClothedSilhouette(loose_m=0.04)
    outline_m = 64 * SIZE_M
    law, _ = quad(lambda u: (1 + (u / term.loose_m) ** 2) ** -2 / term.tight_m, 0, gap_px * SIZE_M)
    expected = law * outline_m / term.correlation_m
    assert cost(term, *strip(gap_px)) == pytest.approx(expected, rel=0.1)


def test_gaps_cost_less_the_thicker_they_are_and_passing_the_outline_never_does() -> None:
    term = ClothedSilhouette()
    gaps = np.diff([cost(term, *strip(gap)) for gap in range(1, 20)])
    assert (np.diff(gaps) < 0).all() and gaps[-1] < 0.1 * gaps[0]
    outside = [cost(term, *reversed(strip(gap))) for gap in (2, 4, 8)]
    assert outside[1] == pytest.approx(2 * outside[0]) and outside[2] == pytest.approx(4 * outside[0])
    assert outside[0] > cost(term, *strip(2))


def test_learned_clothes_end_at_the_outline() -> None:
    """Passing it costs as much as a gap, and that is ``learned_m``; without a learned prior it makes no difference."""
    mean = {"clothing_mean": torch.zeros(1, 48), "clothing_precision": torch.eye(48)[None]}
    term = ClothedSilhouette(loose_m=10.0, learned_m=0.02)
    for mask, body in (strip(3), strip(3)[::-1]):
        state = painted(targets(64, mask=mask), silhouette=body)
        state.parameters = standing(transl=(0.0, 0.3, SIZE_M * float(state.targets.camera.K[0, 0, 0])))
        assert term(state).item() == ClothedSilhouette(loose_m=10.0)(state).item()
        state.targets = replace(state.targets, **mean)
        expected = 3 * SIZE_M / 0.02 * 64 * SIZE_M / term.correlation_m
        assert term(state).item() == pytest.approx(expected, rel=0.01)
        assert ClothedSilhouette(loose_m=10.0)(state).item() != pytest.approx(expected, rel=0.1)


def test_learned_clothes_leave_bags_out() -> None:
    mask, body = strip(8)
    labels = torch.zeros(1, 64, 64, dtype=torch.long)
    labels[:, :, :32], labels[:, :, 32:40] = ATR.labels.index("upper-clothes"), ATR.labels.index("bag")
    mean = {"clothing_mean": torch.zeros(1, 48), "clothing_precision": torch.eye(48)[None]}
    state = painted(targets(64, mask=mask, labels=labels, part_space=ATR, **mean), silhouette=body)
    assert ClothedSilhouette(learned_m=0.02)(state).item() == 0.0


@pytest.mark.parametrize("beyond_px", [1, 4, 15])
def test_a_body_far_outside_of_the_mask_is_rather_hidden_than_wrong(beyond_px: int) -> None:
    term = ClothedSilhouette(occluded_m=0.05)
    law, _ = quad(lambda u: (1 + (u / term.occluded_m) ** 2) ** -2 / term.outside_m, 0, beyond_px * SIZE_M)
    expected = law * 64 * SIZE_M / term.correlation_m
    # the centre of the first pixel outside is a pixel away from that of the last one inside
    assert cost(term, *reversed(strip(beyond_px))) == pytest.approx(expected, rel=0.15)
    assert cost(term, *strip(beyond_px)) == cost(ClothedSilhouette(), *strip(beyond_px))


def test_pixels_that_are_not_valid_do_not_count() -> None:
    mask, body = strip(4)
    valid = torch.ones_like(mask, dtype=torch.bool)
    valid[:, :, 30:] = False
    state = painted(targets(64, mask=mask, valid=valid), silhouette=body)
    assert ClothedSilhouette()(state).item() == 0


def test_a_coat_pulls_the_body_less_than_the_plain_silhouette() -> None:
    """Share of the pull of a gap of 12 cm in that of 1 cm: constant for the plain square, a tenth here."""
    thin, thick = strip(1), strip(12)

    def pull(term, mask, body) -> float:
        silhouette = body.clone().requires_grad_()
        state = painted(targets(64, mask=mask), silhouette=silhouette)
        state.parameters = standing(transl=(0.0, 0.3, SIZE_M * float(state.targets.camera.K[0, 0, 0])))
        (gradient,) = torch.autograd.grad(term(state).sum(), silhouette)
        edge = int(body[0, 32].sum())
        return float(gradient[0, 32, edge])

    assert pull(SilhouetteL2(), *thick) == pytest.approx(pull(SilhouetteL2(), *thin))
    assert abs(pull(ClothedSilhouette(), *thick)) < 0.1 * abs(pull(ClothedSilhouette(), *thin))
