"""Crops: everything in an observation lands on the same pixels, and what is outside is not valid."""

import pytest
import torch

from render_fit.core.cameras import Camera
from render_fit.core.parts import NBF_12
from render_fit.core.skeletons import LSP_14
from render_fit.observations.observation import (
    Observation,
    box_of_keypoints,
    box_of_mask,
    box_overlap,
    box_union,
    resample,
    resample_labels,
)


def observation(height: int = 60, width: int = 100) -> Observation:
    """A person of 20 × 40 px with the left top corner at (30, 10)."""
    mask = torch.zeros(height, width)
    mask[10:50, 30:50] = 1
    keypoints = torch.tensor([[30.0, 10.0], [50.0, 50.0]]).repeat(7, 1)
    return Observation(
        image_size=(height, width),
        valid=torch.ones(height, width, dtype=torch.bool),
        box=(30.0, 10.0, 20.0, 40.0),
        image=mask.expand(3, -1, -1) * torch.tensor([1.0, 0.5, 0.25])[:, None, None],
        mask=mask,
        keypoints_px=keypoints,
        confidence=torch.ones(14),
        skeleton=LSP_14,
        labels=(mask * 3).long(),
        part_space=NBF_12,
        camera=Camera(torch.tensor([[[120.0, 0.0, 50.0], [0.0, 120.0, 30.0], [0.0, 0.0, 1.0]]]), height, width),
    )


def test_crop_keeps_everything_on_the_same_pixels():
    # margin 0.25 of 40 px on each side: a square of 60 px around (40, 30), at 2 px per px
    crop = observation().crop(120, margin=0.25)
    assert crop.crop_box == (10.0, 0.0, 60.0, 60.0)
    assert crop.box == (40.0, 20.0, 40.0, 80.0)
    assert crop.keypoints_px[0].tolist() == [40.0, 20.0]
    assert crop.keypoints_px[1].tolist() == [80.0, 100.0]
    assert box_of_mask(crop.mask) == (40.0, 20.0, 40.0, 80.0)
    assert (crop.labels == 3).sum() == 40 * 80
    assert crop.labels[20, 40] == 3 and crop.labels[19, 40] == 0
    assert float(crop.camera.K[0, 0, 0]) == 240.0
    torch.testing.assert_close(crop.image[:, 60, 60], torch.tensor([1.0, 0.5, 0.25]))


def test_cropped_camera_projects_onto_the_cropped_keypoints():
    whole = observation()
    crop = whole.crop((90, 60), margin=0.1)
    points = torch.tensor([[[-0.2, 0.1, 2.0]]])
    in_whole = whole.camera.project(points)
    left, top, width, height = crop.crop_box
    expected = (in_whole - torch.tensor([left, top])) * torch.tensor([60 / width, 90 / height])
    torch.testing.assert_close(crop.camera.project(points), expected)


def test_crops_keep_the_aspect_ratio():
    crop = observation().crop((80, 20), margin=0.0)
    assert crop.image_size == (80, 20)
    _, _, width, height = crop.crop_box
    assert height / width == pytest.approx(4.0)
    assert crop.mask.sum() == pytest.approx(20 * 40 * (20 / width) * (80 / height), rel=0.02)


def test_outside_the_image_nothing_is_valid():
    crop = observation().crop_to((-50.0, 0.0, 100.0, 60.0), 60, 100)
    assert not crop.valid[:, :50].any()
    assert crop.valid[:, 50:].all()
    assert (crop.labels[:, :50] == 0).all()
    assert crop.mask[:, :50].sum() == 0


def test_crops_of_crops_compose():
    once = observation().crop_to((10.0, 5.0, 40.0, 40.0), 80, 80)
    twice = once.crop_to((20.0, 10.0, 40.0, 40.0), 40, 40)
    assert twice.crop_box == (20.0, 10.0, 20.0, 20.0)
    assert float(twice.camera.K[0, 0, 0]) == 240.0


def test_invalid_pixels_stay_invalid():
    whole = observation()
    whole.valid[:, 60:] = False
    crop = whole.crop_to((40.0, 0.0, 40.0, 60.0), 120, 80)
    assert crop.valid[:, :40].all()
    assert not crop.valid[:, 40:].any()


@pytest.mark.parametrize("factor", [0.5, 1, 3, 8, 20])
def test_reducing_keeps_the_mean(factor):
    torch.manual_seed(1)
    image = torch.rand(1, 160, 160)
    side = round(160 / factor)
    reduced = resample(image, (0.0, 0.0, 160.0, 160.0), side, side)
    # the mean of 25,600 uniform values is 0.5 ± 0.002
    assert float(reduced.mean()) == pytest.approx(0.5, abs=0.008)


@pytest.mark.parametrize("factor", [0.5, 1, 1.7, 3, 8])
def test_the_images_edge_is_not_darkened(factor):
    side = round(160 / factor)
    assert float(resample(torch.ones(1, 160, 160), (0.0, 0.0, 160.0, 160.0), side, side).min()) == pytest.approx(1.0)


def test_reducing_by_whole_blocks_is_their_mean():
    image = torch.arange(64.0).reshape(1, 8, 8)
    reduced = resample(image, (0.0, 0.0, 8.0, 8.0), 2, 2)
    # means of the 4 × 4 quadrants of 0..63
    torch.testing.assert_close(reduced, torch.tensor([[[13.5, 17.5], [45.5, 49.5]]]))


def test_resampling_moves_a_point_with_the_crop():
    image = torch.zeros(1, 200, 200)
    image[0, 98:102, 58:62] = 1
    for box, size in [((20.0, 60.0, 80.0, 80.0), 40), ((-13.0, 7.0, 150.0, 150.0), 30), ((50.0, 90.0, 20.0, 20.0), 64)]:
        crop = resample(image, box, size, size)[0]
        rows, columns = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
        centre = torch.stack([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
        expected = (torch.tensor([60.0, 100.0]) - torch.tensor(box[:2])) * (size / box[2])
        torch.testing.assert_close(centre, expected, atol=0.15, rtol=0)


def test_labels_are_picked_not_mixed():
    labels = torch.tensor([[1, 2], [3, 4]])
    enlarged = resample_labels(labels, (0.0, 0.0, 2.0, 2.0), 4, 4)
    assert enlarged.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert resample_labels(labels, (-1.0, 0.0, 2.0, 2.0), 2, 2).tolist() == [[0, 1], [0, 3]]


def test_boxes():
    assert box_union((0.0, 0.0, 2.0, 2.0), (1.0, 1.0, 3.0, 1.0)) == (0.0, 0.0, 4.0, 2.0)
    assert box_union(None, (1.0, 2.0, 3.0, 4.0)) == (1.0, 2.0, 3.0, 4.0)
    assert box_overlap((0.0, 0.0, 2.0, 2.0), (1.0, 0.0, 2.0, 2.0)) == pytest.approx(1 / 3)
    assert box_overlap((0.0, 0.0, 1.0, 1.0), (1.0, 0.0, 1.0, 1.0)) == 0.0
    assert box_of_mask(torch.zeros(4, 4)) is None
    points = torch.tensor([[1.0, 2.0], [5.0, 9.0], [100.0, 100.0]])
    assert box_of_keypoints(points, torch.tensor([1.0, 0.5, 0.0])) == (1.0, 2.0, 4.0, 7.0)
    assert box_of_keypoints(points, torch.zeros(3)) is None


def test_scores_that_mean_not_observed_count_nowhere():
    points = torch.tensor([[10.0, 10.0], [12.0, 20.0], [60.0, 60.0], [1.0, 1.0]]).repeat(4, 1)[:14]
    scores = torch.tensor([0.9, 0.5, 1e-6, torch.nan]).repeat(4)[:14]
    seen = Observation.of(torch.zeros(3, 64, 64), keypoints_px=points, confidence=scores, skeleton=LSP_14)
    assert seen.confidence.tolist()[:4] == pytest.approx([0.9, 0.5, 0.0, 0.0])
    assert seen.box == (10.0, 10.0, 2.0, 10.0)
