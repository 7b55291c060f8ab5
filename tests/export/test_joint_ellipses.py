"""Ellipses of joints: where they are drawn, and how large."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from render_fit.bodies import open_body
from render_fit.export.joint_ellipses import COLOURS, projected, uncertainty_picture, with_ellipses
from render_fit.renderers import make_renderer
from tests.fits import known_fit

NAMES = ("pelvis", "left_hip", "right_hip")


def test_projected_covariance_is_that_of_projected_samples():
    camera = known_fit().camera
    joints = torch.tensor([[0.1, -0.2, 3.0], [0.6, 0.4, 2.0]])
    root = 0.01 * torch.tensor([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, 1.0, 3.0]])
    places, covariance = projected(joints, (root @ root.T).expand(2, 3, 3), camera)
    samples = camera.project((joints[:, None] + torch.randn(2, 20_000, 3) @ root.T).reshape(1, -1, 3)).reshape(2, -1, 2)
    torch.testing.assert_close(places, camera.project(joints[None])[0])
    for joint in range(2):
        torch.testing.assert_close(covariance[joint], torch.cov(samples[joint].T), rtol=0.05, atol=0.02)


def test_nine_of_ten_samples_are_inside_and_the_pelvis_is_not_drawn():
    paper = np.full((200, 300, 3), 255, dtype=np.uint8)
    places = torch.tensor([[40.5, 40.5], [150.5, 100.5], [250.5, 100.5]])  # centres of pixels
    covariance = torch.tensor([[[90.0, 0.0], [0.0, 90.0]], [[900.0, 200.0], [200.0, 300.0]], [[1.0, 0.0], [0.0, 1.0]]])
    drawn = with_ellipses(paper, places, covariance, NAMES)
    changed = (drawn != 255).any(axis=2)
    assert not changed[:80, :80].any()
    samples = np.random.default_rng(0).multivariate_normal(places[1].numpy(), covariance[1].numpy(), 5000)
    columns, rows = np.rint(samples - 0.5).astype(int).T
    inside = (columns >= 0) & (columns < 300) & (rows >= 0) & (rows < 200)
    # the line has a width of a pixel
    assert changed[rows[inside], columns[inside]].sum() / len(samples) == pytest.approx(0.9, abs=0.015)
    assert drawn[100, 150].tolist() == list(COLOURS["left_"]) and drawn[100, 250].tolist() == list(COLOURS["right_"])


@pytest.mark.parametrize("with_photo", [True, False])
def test_unsure_depth_is_long_from_the_side_and_not_over_the_photo(with_photo):
    fit, body = known_fit(), open_body()
    joints = fit.output.joints[0]
    image = fit.observation.image if with_photo else None
    deep = torch.zeros(24, 3, 3)
    deep[20] = torch.diag(torch.tensor([1e-4, 1e-4, 0.09]))  # left wrist: 30 cm along the depth

    def picture(covariance: torch.Tensor) -> np.ndarray:
        return uncertainty_picture(
            image, fit.output.vertices[0], fit.faces, fit.camera, joints, covariance, body.joint_names,
            make_renderer("cpu"), size_px=256,
        )  # fmt: skip

    sure, unsure = picture(1e-6 * torch.eye(3).expand(24, 3, 3)), picture(deep)
    assert unsure.shape[1] > 1.15 * sure.shape[1]  # the side view makes room for the ellipse
    assert unsure.dtype == np.uint8 and unsure.shape[2] == 3
