"""Turned views: where points go, roll and mirror images, and predictions turned back to the crop."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import interpolate

from render_fit.bodies import open_body
from render_fit.core.rotations import roma
from render_fit.core.skeletons import SMPL_24
from render_fit.regressors.prediction import (
    Prediction,
    mean_prediction,
    mirrored_prediction,
    pelvis_in_view,
    turned_back,
)
from render_fit.regressors.turned_view import PersonFeatures, TurnedView

SWAP = SMPL_24.left_right_swap
FOCAL = torch.tensor([1.2, 3.0])
ALIGNMENT = torch.tensor([[[0.2, -0.1], [0.5, -0.8]], [[-0.3, 0.2], [0.4, 0.7]]])  # the second is upside down


def crops(size: int = 64) -> torch.Tensor:
    """Smooth random images in [0, 1]."""
    generator = torch.Generator().manual_seed(1)
    return interpolate(torch.rand(2, 3, 8, 8, generator=generator), (size, size), mode="bicubic").clamp(0, 1)


def rays(places: torch.Tensor) -> torch.Tensor:
    """Directions of points in units of half the crop's side."""
    return torch.cat([places / (2 * FOCAL[:, None]), torch.ones(2, 1)], 1)


def test_hips_are_in_the_middle_and_the_head_is_above() -> None:
    view = TurnedView.around(ALIGNMENT, FOCAL)
    identity = view.rotation @ view.rotation.mT
    torch.testing.assert_close(identity, torch.eye(3).expand(2, 3, 3), atol=1e-6, rtol=0)
    assert (torch.linalg.det(view.rotation) > 0).all()
    hips = (view.rotation @ rays(ALIGNMENT[:, 0])[..., None])[..., 0]
    head = (view.rotation @ rays(ALIGNMENT[:, 1])[..., None])[..., 0]
    torch.testing.assert_close(hips[:, :2], torch.zeros(2, 2), atol=1e-6, rtol=0)
    seen = head[:, :2] / head[:, 2:] * view.focal[:, None]  # from the middle, shares of the side
    # MediaPipe's region has 1.25 times the diameter of the circle on which the second point lies
    torch.testing.assert_close(seen, torch.tensor([[0.0, -0.4], [0.0, -0.4]]), atol=1e-5, rtol=0)


def test_the_image_shows_what_the_camera_sees() -> None:
    images, size = torch.zeros(2, 1, 64, 64), 80
    for row, (x, y) in enumerate(ALIGNMENT[:, 1].tolist()):
        images[row, 0, round((y + 1) * 32 - 0.5), round((x + 1) * 32 - 0.5)] = 1.0
    seen = TurnedView.around(ALIGNMENT, FOCAL).warp(images, FOCAL, size)
    for one in seen[:, 0]:
        row, column = divmod(int(one.argmax()), size)
        assert abs(column + 0.5 - 40) < 2 and abs(row + 0.5 - 8) < 2  # 0.4 of 80 pixels above the middle


def test_turned_crops_give_the_same_view() -> None:
    images, turn = crops(), torch.tensor([[0.0, 1.0], [-1.0, 0.0]])  # a quarter, as torch.rot90
    first = TurnedView.around(ALIGNMENT, FOCAL)
    second = TurnedView.around(ALIGNMENT @ turn.mT, FOCAL)
    torch.testing.assert_close(
        first.warp(images, FOCAL, 48), second.warp(torch.rot90(images, 1, (2, 3)), FOCAL, 48), atol=1e-4, rtol=0
    )
    roll = torch.eye(3)
    roll[:2, :2] = turn
    torch.testing.assert_close(second.rotation @ roll, first.rotation, atol=1e-5, rtol=0)
    torch.testing.assert_close(second.focal, first.focal, atol=0, rtol=1e-4)


def test_the_view_of_a_mirror_image_is_the_mirror_image_of_the_view() -> None:
    images, view = crops(), TurnedView.around(ALIGNMENT, FOCAL)
    seen = view.mirrored().warp(images.flip(3), FOCAL, 48)
    torch.testing.assert_close(seen, view.warp(images, FOCAL, 48).flip(3), atol=1e-4, rtol=0)
    flipped = TurnedView.around(ALIGNMENT * torch.tensor([-1.0, 1.0]), FOCAL)
    torch.testing.assert_close(view.mirrored().rotation, flipped.rotation, atol=1e-6, rtol=0)


def test_alignment_points_of_nobody_give_a_finite_view() -> None:
    nobody = torch.tensor([[[9.0, 9.0], [9.0, 9.0]], [[0.0, 0.0], [0.0, 0.0]]])
    view = TurnedView.around(nobody, FOCAL)
    assert view.rotation.isfinite().all() and view.focal.isfinite().all()
    side = FOCAL / view.focal
    assert (side >= 0.4 - 1e-6).all() and (side <= 3 + 1e-6).all()


def test_numbers_of_a_cache_are_the_features_again() -> None:
    people = PersonFeatures(TurnedView.around(ALIGNMENT, FOCAL), torch.randn(2, 7), torch.randn(2, 7))
    again = PersonFeatures.split_numbers(people.joined_numbers())
    assert torch.equal(again.own, people.own) and torch.equal(again.mirrored, people.mirrored)
    assert torch.equal(again.view.rotation, people.view.rotation) and torch.equal(again.view.focal, people.view.focal)
    twice = people.of_mirror_images().of_mirror_images()
    assert torch.equal(twice.own, people.own)
    torch.testing.assert_close(twice.view.rotation, people.view.rotation)


def prediction(n: int = 2, seed: int = 0) -> Prediction:
    generator = torch.Generator().manual_seed(seed)
    rotations = roma.rotvec_to_rotmat(0.4 * torch.randn(n, 1, 24, 3, generator=generator))
    offset = 0.2 * torch.randn(n, 1, 3, generator=generator)
    betas, error = torch.randn(n, 1, 10, generator=generator), torch.rand(n, 1, 24, generator=generator)
    return Prediction(rotations, betas, offset, torch.zeros(n, 1, 4), torch.zeros(n, 1), error)


def joints(found: Prediction, focal: torch.Tensor) -> torch.Tensor:
    body = open_body()
    return body.kinematics(found.parameters(body, focal)).joints


def test_predictions_are_turned_back_exactly() -> None:
    view, found = TurnedView.around(ALIGNMENT, FOCAL), prediction()
    turned = joints(found, view.focal)
    expected = turned @ view.rotation  # rotated by the inverse, as rows
    torch.testing.assert_close(joints(turned_back(found, view, FOCAL), FOCAL), expected, atol=2e-5, rtol=0)


def test_mirrored_predictions_are_mirrored_bodies() -> None:
    found = prediction()
    expected = joints(found, FOCAL)[:, list(SWAP)] * torch.tensor([-1.0, 1.0, 1.0])
    # metres; the joints of the open body are symmetric to 2 mm
    torch.testing.assert_close(joints(mirrored_prediction(found, SWAP), FOCAL), expected, atol=3e-3, rtol=0)


def test_the_mean_with_the_mirror_image_is_symmetric() -> None:
    found = prediction()
    mean = mean_prediction(found, mirrored_prediction(found, SWAP))
    torch.testing.assert_close(mirrored_prediction(mean, SWAP).rotations, mean.rotations, atol=1e-5, rtol=0)
    torch.testing.assert_close(mean.pelvis_offset[..., 0], torch.zeros(2, 1))
    same = mean_prediction(found, found)
    torch.testing.assert_close(same.rotations, found.rotations, atol=1e-6, rtol=0)


@pytest.mark.parametrize("better", ["first", "second"])
def test_of_opposite_directions_the_surer_one_is_taken(better: str) -> None:
    found = prediction()
    half_turn = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.95 * math.pi, 0.0]))
    rotations = torch.cat([found.rotations[:, :, :1] @ half_turn, found.rotations[:, :, 1:]], 2)
    sign = 1.0 if better == "first" else -1.0
    other = replace(found, rotations=rotations, joint_error=found.joint_error + 0.1 * sign)
    chosen = mean_prediction(found, other)
    expected = found if better == "first" else other
    torch.testing.assert_close(chosen.rotations, expected.rotations, atol=1e-6, rtol=0)


def test_bodies_behind_the_crop_camera_stay_finite() -> None:
    view = TurnedView(roma.rotvec_to_rotmat(torch.tensor([[0.0, math.pi, 0.0]])), torch.tensor([1.0]))
    back = turned_back(prediction(1), view, torch.tensor([1.2]))
    assert pelvis_in_view(back.pelvis_offset, torch.tensor([[1.2]])).isfinite().all()
