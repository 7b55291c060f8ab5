"""Silhouette terms: values by hand, what they ignore, where they pull, and where their optimum lies."""

import numpy as np
import pytest
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.bodies.mesh_operators import vertex_normals
from render_fit.losses.pixels import SilhouetteDistance, SilhouetteIoU, SilhouetteL2
from tests.losses.factories import (
    SIZE,
    at,
    drawn,
    finite_gradient,
    joined,
    leaves,
    moved,
    painted,
    seen,
    standing,
    targets,
)

TERMS = [SilhouetteIoU(), SilhouetteL2(), SilhouetteL2(noise=0.03), SilhouetteDistance()]
by_name = pytest.mark.parametrize("term", TERMS, ids=repr)


def halves():
    """Mask: the upper half of 4 × 4 pixels. Silhouette: the left half."""
    mask, silhouette = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    mask[:, :2], silhouette[:, :, :2] = 1.0, 1.0
    return mask, silhouette


def test_iou_by_hand():
    mask, silhouette = halves()
    # 4 pixels in both, 12 in either
    assert SilhouetteIoU()(painted(targets(4, mask=mask), silhouette=silhouette)).item() == pytest.approx(1 - 4 / 12)
    assert SilhouetteIoU()(painted(targets(4, mask=mask), silhouette=mask)).item() == pytest.approx(0.0)


def test_l2_by_hand():
    mask, silhouette = halves()
    # 8 pixels differ, the mask has 8; a half-drawn mask differs by a half in each of its pixels
    assert SilhouetteL2()(painted(targets(4, mask=mask), silhouette=silhouette)).item() == pytest.approx(1.0)
    assert SilhouetteL2()(painted(targets(4, mask=mask), silhouette=mask / 2)).item() == pytest.approx(0.25)


def test_l2_of_unknown_noise_counts_good_masks_in_full_and_bad_ones_less():
    mask, silhouette = halves()
    plain, noisy = SilhouetteL2(), SilhouetteL2(noise=0.25)
    bad = painted(targets(4, mask=mask), silhouette=silhouette)
    nearly = painted(targets(4, mask=mask), silhouette=0.99 * mask)
    assert noisy(bad).item() == pytest.approx(0.25 * np.log(1 + 1.0 / 0.25))
    assert noisy(nearly).item() == pytest.approx(plain(nearly).item(), rel=1e-3)
    assert noisy(painted(targets(4, mask=mask), silhouette=mask)).item() == 0


def test_distance_by_hand():
    mask, silhouette = torch.zeros(1, 32, 32), torch.zeros(1, 32, 32)
    mask[0, 16, 20] = 1.0
    silhouette[0, 16, 23] = 0.5
    scene = painted(targets(32, person_size_px=10.0, mask=mask), silhouette=silhouette)
    # From so far away all vertices project to the principal point (16, 16).
    scene.parameters = standing(transl=(0.0, 0.0, 1e5))
    outside = 0.5 * 3 / 10  # half a pixel, three pixels beside the one of the mask
    uncovered = np.hypot(20.5 - 16, 16.5 - 16) / 10
    assert SilhouetteDistance()(scene).item() == pytest.approx(outside + uncovered, abs=2e-3)
    # The cap says how far one pixel pulls harder.
    assert SilhouetteDistance(cap=0.2)(scene).item() == pytest.approx(0.5 * 0.2 + uncovered, abs=2e-3)


@by_name
def test_rows_do_not_couple(term):
    true = drawn().parameters
    states = [true, moved(true, (0.2, 0.0, 0.0)), moved(true, (0.0, 0.0, 2.0))]
    together = term(at(seen(), joined(*states)))
    alone = torch.cat([term(at(seen(), state)) for state in states])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    assert together.argmin() == 0


@by_name
def test_invalid_pixels_do_not_count(term):
    valid = torch.ones(1, SIZE, SIZE, dtype=torch.bool)
    valid[:, :, : SIZE // 2] = False
    blank, full = seen().seen_mask.clone(), seen().seen_mask.clone()
    blank[:, :, : SIZE // 2], full[:, :, : SIZE // 2] = 0.0, 1.0
    left = targets(person_size_px=48.0, mask=blank, valid=valid)
    right = targets(person_size_px=48.0, mask=full, valid=valid)
    parameters = standing(transl=(0.3, 0.3, 4.0))
    assert term(at(left, parameters)).item() == pytest.approx(term(at(right, parameters)).item(), rel=1e-5)


def test_what_ends_at_the_border_has_no_outline_there():
    mask = torch.zeros(1, 16, 16)
    mask[:, 4:, 4:12] = 1.0  # runs out of the image below
    outline = targets(16, mask=mask).mask_outline_px[0]
    assert outline[:, 1].max() < 15.5
    assert {3.5, 12.5}.isdisjoint(outline[:, 0].tolist())
    # The same where an occluder, not the image, ends what can be seen: columns from 9 on are not valid.
    valid = torch.ones(1, 16, 16, dtype=torch.bool)
    valid[:, :, 9:] = False
    outline = targets(16, mask=mask, valid=valid).mask_outline_px[0]
    assert outline[:, 0].max() < 8.5
    assert outline[:, 0].min() == 4.5


@by_name
@pytest.mark.parametrize(
    "transl", [(5.0, 0.3, 4.0), (0.0, 0.3, -4.0), (0.0, 0.3, 0.1), (0.0, 0.3, 4000.0)],
    ids=["beside the image", "behind the camera", "around the camera", "a dot"],
)  # fmt: skip
def test_finite_where_nothing_overlaps(term, transl):
    parameters, wanted = leaves(standing(transl=transl))
    finite_gradient(term, at(seen(), parameters), wanted)


@by_name
@pytest.mark.parametrize("value", [0.0, 1.0], ids=["empty", "full"])
def test_finite_for_an_empty_and_a_full_mask(term, value):
    parameters, wanted = leaves(standing())
    finite_gradient(term, at(targets(mask=torch.full((1, SIZE, SIZE), value)), parameters), wanted)


@by_name
def test_finite_where_no_pixel_is_valid(term):
    parameters, wanted = leaves(standing())
    nothing = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    finite_gradient(term, at(targets(mask=seen().seen_mask, valid=nothing), parameters), wanted)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_distance_pulls_back_what_does_not_overlap(side):
    away, wanted = leaves(moved(drawn().parameters, (side * 2.5, 0.0, 0.0)))
    scene = at(seen(), away)
    assert (scene.render("silhouette") * seen().seen_mask).sum() < 1e-3
    transl = finite_gradient(SilhouetteDistance(), scene, wanted)[2]
    # Descent is −gradient: back to the mask.
    assert side * transl[0, 0] > 1e-3
    # which the other two cannot
    away, wanted = leaves(moved(drawn().parameters, (side * 2.5, 0.0, 0.0)))
    overlap = finite_gradient(SilhouetteIoU(), at(seen(), away), wanted)[2]
    assert overlap.abs().max() < 1e-3


@by_name
def test_neither_a_vanishing_nor_a_covering_body_is_good(term):
    true = drawn().parameters
    depth = float(true.transl[0, 2])
    vanishing, covering = moved(true, (0.0, 0.0, 30 * depth)), moved(true, (0.0, 0.0, -0.75 * depth))
    best, small, large = term(at(seen(), joined(true, vanishing, covering), sigma_px=0.5))
    assert small > 2 * best and large > 2 * best


def test_optimum_over_thickness():
    """Squares want the true body, soft intersection over union a thicker one, as both terms' documentation says."""
    body, true = open_body(), drawn().parameters
    thickness_mm = np.array([-9.0, -4.5, 0.0, 4.5, 9.0])
    normals = vertex_normals(body.v_template, body.faces)
    offsets = torch.tensor(thickness_mm / 1000, dtype=torch.float32)[:, None, None] * normals
    n = len(offsets)
    thick = BodyParameters(
        true.rotations.expand(n, -1, -1, -1), true.betas.expand(n, -1), true.transl.expand(n, -1), offsets
    )
    best = {}
    for term in (SilhouetteL2(), SilhouetteIoU()):
        curve = np.polyfit(thickness_mm, term(at(seen(size=160), thick, sigma_px=2.0)).numpy(), 2)
        assert curve[0] > 0
        best[type(term).__name__] = -curve[1] / (2 * curve[0])
    # Issue 2 asks for ± 2 mm; docs/rendering.md measures +5 mm for soft IoU at σ = 2 px of 224.
    assert abs(best["SilhouetteL2"]) < 2.0, best
    assert 2.0 < best["SilhouetteIoU"] < 20.0, best


@by_name
def test_no_mask_is_said_clearly(term):
    with pytest.raises(ValueError, match="mask: the observation has none"):
        term(at(targets(), standing()))
