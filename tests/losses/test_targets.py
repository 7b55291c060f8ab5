"""Observations as terms see them: one crop camera for mask, labels and keypoints."""

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.losses import targets as targets_module
from render_fit.losses.targets import FitTargets, targets_from
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


def test_repeated_targets_take_their_maps_from_the_images(monkeypatch):
    masks = torch.zeros(2, 8, 8)
    masks[0, 2, 2], masks[1, 4:6, 4:6] = 1.0, 1.0
    images = [targets(8, mask=masks[:1]), targets(8, mask=masks[1:])]
    rows = torch.tensor([0, 1, 1])
    taken = FitTargets.repeated(images, [1, 2])
    names = ("distance_to_mask_px", "depth_in_mask_px", "mask_area", "outline_length_px")
    expected = {name: torch.cat([getattr(image, name) for image in images])[rows] for name in names}
    outlines = [images[row].mask_outline_px[0] for row in rows]
    # each map of each image was computed once, and none is computed for the rows
    monkeypatch.setattr(targets_module, "ndimage", None)
    for name in names:
        torch.testing.assert_close(getattr(taken, name), expected[name])
    torch.testing.assert_close(taken.mask_outline_px, outlines)


def test_rows_compute_maps_of_their_own_images_only(monkeypatch):
    """A step of a training takes a few rows of thousands of photos."""
    many, computed = FitTargets.joined([targets(8, mask=torch.ones(1, 8, 8))] * 5), []
    transform = targets_module.ndimage.distance_transform_edt
    monkeypatch.setattr(targets_module.ndimage, "distance_transform_edt", lambda m: computed.append(m) or transform(m))
    assert len(many[torch.tensor([3, 1])].distance_to_mask_px) == len(computed) == 2


def test_only_targets_of_one_layout_can_be_joined():
    mask = torch.ones(1, 8, 8)
    assert targets(8, mask=mask).layout == targets(8, mask=0 * mask).layout
    assert targets(8, mask=mask).layout != targets(8).layout
    assert targets(8, mask=mask).layout != targets(16, mask=torch.ones(1, 16, 16)).layout
