"""Observations as terms see them: one crop camera for mask, labels and keypoints."""

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.losses.targets import targets_from
from tests.losses.factories import drawn, targets


def test_crop_keeps_pictures_keypoints_and_camera_together():
    scene = drawn()
    for size in (48, 96):
        made = targets_from(scene.observation(), scene.camera, size, 0.1)
        # The person's box fills the crop up to the margin: 1 / 1.2 of its side.
        assert made.person_size_px.item() == pytest.approx(size / 1.2, rel=1e-4)
        assert made.mask is not None and made.mask.shape == (1, size, size)
        projected = made.camera.project(open_body().keypoints(scene.parameters, scene.skeleton))
        torch.testing.assert_close(projected, made.keypoints_px, atol=1e-2, rtol=0)
        inside = projected[0].long()
        assert made.mask[0, inside[:, 1], inside[:, 0]].mean() > 0.8


def test_distance_to_the_mask():
    mask = torch.zeros(1, 8, 8)
    mask[0, 4, 4] = 1.0
    distance = targets(8, mask=mask).distance_to_mask_px
    assert distance[0, 4, 4] == 0 and distance[0, 4, 7] == 3 and distance[0, 7, 0] == 5
    assert not targets(8, mask=torch.zeros(1, 8, 8)).distance_to_mask_px.any()


def test_outline_has_at_most_300_points():
    mask = torch.zeros(1, 200, 200)
    mask[:, 20:180, 20:180] = 1.0
    outline = targets(200, mask=mask).mask_outline_px[0]
    assert 200 < len(outline) <= 300
    assert outline.min() == 20.5 and outline.max() == 179.5
    assert len(targets(200, mask=torch.zeros(1, 200, 200)).mask_outline_px[0]) == 0
