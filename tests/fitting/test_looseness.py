"""How loosely somebody is dressed: measured by hand on painted pictures, and used by the law of clothes."""

from dataclasses import replace

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.parts import NBF_12_OF_OUTLINE
from render_fit.fitting.fit import fit_image
from render_fit.fitting.looseness import (
    LOOSENESS_RANGE,
    UNFILLED_CLOTHED_M,
    UNFILLED_UNCLOTHED_M,
    estimate_looseness,
)
from render_fit.fitting.problem import Problem
from render_fit.fitting.recipe import Stage, load_recipe
from render_fit.fitting.variables import Variables
from render_fit.losses.targets import LENGTH_PER_EDGE_PIXEL, MASK_ERROR_M, targets_from
from render_fit.losses.term import Objective
from render_fit.synthesis import everyday_pose, synthetic_scene
from tests.losses.factories import SIZE, Painter, camera, standing, targets

PIXEL_M = 4.0 / float(camera().K[0, 0, 0])
"""Size of a pixel at the person of `standing`."""


def looseness_of(gap_px: float, valid: torch.Tensor | None = None) -> float:
    """Estimate for a mask of 40 columns whose body leaves ``gap_px`` columns unfilled; its outline is two columns."""
    mask, body = torch.zeros(1, SIZE, SIZE), torch.zeros(1, SIZE, SIZE)
    mask[:, :, 10:50] = 1.0
    body[:, :, 10:49] = 1.0
    body[:, :, 49] = 1 - gap_px
    observed = targets(SIZE, mask=mask, **({} if valid is None else {"valid": valid}))
    problem = Problem(open_body(), observed, Objective({}), Painter(silhouette=body))
    return float(estimate_looseness(problem, Variables.from_parameters(open_body(), standing())))


def test_the_estimate_is_linear_in_the_unfilled_width_within_its_range() -> None:
    between = UNFILLED_CLOTHED_M - UNFILLED_UNCLOTHED_M
    outline_px = LENGTH_PER_EDGE_PIXEL * 2 * (SIZE - 2)  # two edges, without the pixels at the image's border
    per_column = PIXEL_M * SIZE / outline_px
    usual = UNFILLED_CLOTHED_M / per_column
    assert looseness_of(usual) == pytest.approx(1.0, abs=0.01)
    assert looseness_of(usual + 0.1) - looseness_of(usual) == pytest.approx(0.1 * per_column / between, rel=0.05)
    assert looseness_of(0.0) == LOOSENESS_RANGE[0] and looseness_of(1.0) == LOOSENESS_RANGE[1]


def test_pixels_that_are_not_valid_are_no_gap() -> None:
    valid = torch.ones(1, SIZE, SIZE, dtype=torch.bool)
    valid[:, :, 45:] = False
    assert looseness_of(1.0, valid) == LOOSENESS_RANGE[0]


def test_the_law_of_clothes_follows_the_estimate_but_not_where_labels_tell() -> None:
    scene = synthetic_scene(open_body(), everyday_pose("standing"), seed=0)
    observation = scene.observation(parts=False)
    usual = targets_from(observation, scene.camera, 112, 0.1)
    assert usual.looseness_m is not None
    for scale in (0.05, 2.0):
        scaled = replace(usual, looseness_scale=torch.tensor([scale]))
        torch.testing.assert_close(scaled.looseness_m, (scale * usual.looseness_m).clamp(min=MASK_ERROR_M))
    assert NBF_12_OF_OUTLINE.looseness_m is not None
    labels = torch.ones(1, SIZE, SIZE, dtype=torch.long)
    labelled = targets(labels=labels, part_space=NBF_12_OF_OUTLINE, looseness_scale=torch.tensor([2.0]))
    assert labelled.looseness_m is not None
    assert labelled.looseness_m.unique().tolist() == pytest.approx([float(NBF_12_OF_OUTLINE.looseness_m[1])])


def test_a_stage_without_pictures_cannot_estimate_it() -> None:
    stage = load_recipe("smplify").resolved()["stages"][0]
    with pytest.raises(ValueError, match="estimate_looseness"):
        Stage.model_validate(stage | {"estimate_looseness": True})


def test_people_in_wide_clothes_are_found_looser_than_the_same_unclothed() -> None:
    """The outline of the second fit stands 4 cm off the body on every side."""
    scene = synthetic_scene(open_body(), everyday_pose("standing"), seed=3)
    plain = scene.observation(parts=False)
    assert plain.mask is not None
    radius = round(0.04 * float(scene.camera.K[0, 0, 0]) / float(scene.parameters.transl[0, 2]))
    wide = torch.nn.functional.max_pool2d(plain.mask[None, None], 2 * radius + 1, stride=1, padding=radius)[0, 0]
    unclothed, clothed = (
        fit_image(one, "hybrid", clothing="none").report.looseness for one in (plain, replace(plain, mask=wide))
    )
    assert unclothed is not None and clothed is not None
    assert unclothed < 0.8 < 1.2 < clothed
