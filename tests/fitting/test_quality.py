"""Shares of mask and body that a fit leaves unexplained; the other figures are tested with fits and metrics."""

from dataclasses import replace

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.bodies.mesh_operators import vertex_normals
from render_fit.fitting.landscapes import compose
from render_fit.fitting.quality import Quality, quality
from render_fit.losses.fit_state import FitState
from render_fit.renderers import CpuRenderer
from render_fit.synthesis import everyday_pose, synthetic_scene

BODY = open_body()


@pytest.fixture(scope="module")
def scene():
    return synthetic_scene(BODY, everyday_pose("striding"), seed=2, yaw_rad=0.6)


@pytest.fixture(scope="module")
def targets(scene):
    return compose(scene.observation(parts=False), {"silhouette_l2": 1.0}, size=96).targets


@pytest.fixture(scope="module")
def covered(scene, targets):
    """(1, H, W) pixels that the true body covers in the crop."""
    return FitState(BODY, scene.parameters, targets, CpuRenderer()).render("silhouette") > 0.5


def measured(scene, targets, mask, valid=None, offsets=None) -> Quality:
    seen = replace(targets, mask=mask.float(), valid=torch.ones_like(mask) if valid is None else valid)
    return quality(FitState(BODY, replace(scene.parameters, offsets=offsets), seen, CpuRenderer()))


def test_a_mask_that_is_the_body_is_explained(scene, targets, covered):
    found = measured(scene, targets, covered)
    assert (found.unexplained_share, found.body_outside_share, found.iou) == (0, 0, 1)


def test_a_bag_is_unexplained_and_nothing_of_the_body_is_outside(scene, targets, covered):
    bag = torch.zeros_like(covered)
    bag[:, :30, :20] = True
    bag &= ~covered
    found = measured(scene, targets, covered | bag)
    assert found.unexplained_share == pytest.approx(float(bag.sum() / (bag.sum() + covered.sum())))
    assert found.body_outside_share == 0
    # what hides the bag makes its pixels invalid
    hidden = measured(scene, targets, covered | bag, valid=~bag)
    assert (hidden.unexplained_share, hidden.body_outside_share) == (0, 0)


def test_a_limb_beside_the_mask_is_outside_and_leaves_nothing_unexplained(scene, targets, covered):
    limb = covered.clone()
    limb[:, :70] = False
    assert 0.05 < float(limb.sum() / covered.sum()) < 0.5
    found = measured(scene, targets, covered & ~limb)
    assert found.unexplained_share == 0
    assert found.body_outside_share == pytest.approx(float(limb.sum() / covered.sum()))
    assert measured(scene, targets, covered & ~limb, valid=~limb).body_outside_share == 0


def test_clothing_explains_the_mask_but_is_not_the_body(scene, targets, covered):
    offsets = 0.03 * vertex_normals(BODY.v_template, BODY.faces)[None]
    clothed = replace(scene.parameters, offsets=offsets)
    wide = FitState(BODY, clothed, targets, CpuRenderer()).render("silhouette") > 0.5
    tight = measured(scene, targets, wide)
    dressed = measured(scene, targets, wide, offsets=offsets)
    assert tight.unexplained_share > 0.1
    assert (dressed.unexplained_share, dressed.body_outside_share) == (0, 0)
    # clothing beyond the mask is not the body's fault
    assert measured(scene, targets, covered, offsets=offsets).body_outside_share == 0


def test_a_body_outside_the_image_explains_nothing(scene, targets, covered):
    away = replace(scene.parameters, transl=scene.parameters.transl + torch.tensor([50.0, 0.0, 0.0]))
    found = quality(FitState(BODY, away, replace(targets, mask=covered.float()), CpuRenderer()))
    assert (found.unexplained_share, found.body_outside_share) == (1, 1)


def test_without_a_mask_nothing_is_said(scene, targets):
    found = quality(FitState(BODY, scene.parameters, replace(targets, mask=None), CpuRenderer()))
    assert (found.unexplained_share, found.body_outside_share) == (None, None)
