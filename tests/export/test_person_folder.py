"""params.npz of a person in several images: frames of a video in which nobody was found."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.cameras import camera_from_focal
from render_fit.export.person_folder import saved_person
from render_fit.fitting.person import PersonFit

FOUND = [False, True, False, False, False, True, True, False]


@pytest.fixture(scope="module")
def made():
    """A body that moves to the right and raises an arm evenly, and the fit of the frames that were found."""
    body, n = open_body(), len(FOUND)
    pose = torch.zeros(n, len(body.joint_names), 3)
    pose[:, 0, 0] = torch.pi
    pose[:, 16, 2] = 0.1 * torch.arange(n)
    place = torch.tensor([0.0, 0.0, 3.0]) + torch.arange(n)[:, None] * torch.tensor([0.05, 0.0, 0.0])
    betas = torch.linspace(-1, 1, 10)
    parameters = BodyParameters.from_rotvec(pose, betas[None].expand(n, -1), place)
    results = [
        SimpleNamespace(
            parameters=one, output=body(one), camera=camera_from_focal(500.0, 480, 360), joints_covariance=None
        )
        if found
        else None
        for one, found in zip((parameters[i : i + 1] for i in range(n)), FOUND, strict=True)
    ]
    return body, parameters, Mock(spec=PersonFit, results=results, betas=betas, betas_covariance=torch.eye(10))


def saved(made, fps):
    body, _, fit = made
    return saved_person([f"{i}" for i in range(len(FOUND))], fit, body, [(480, 360)] * len(FOUND), fps)


def test_gaps_of_a_video_are_bridged_and_still_not_found(made):
    body, parameters, _ = made
    video = saved(made, 30.0)
    assert video.found.tolist() == FOUND
    np.testing.assert_allclose(video.trans[1:7], parameters.transl[1:7], atol=1e-5)
    np.testing.assert_allclose(video.poses[1:7], parameters.pose[1:7].flatten(1), atol=1e-4)
    np.testing.assert_allclose(video.joints[1:7], body(parameters).joints[1:7], atol=1e-4)


def test_before_the_first_and_after_the_last_frame_found_the_person_stays(made):
    video = saved(made, 30.0)
    for missing, nearest in ((0, 1), (7, 6)):
        for name in ("poses", "trans", "joints"):
            np.testing.assert_allclose(getattr(video, name)[missing], getattr(video, name)[nearest], atol=1e-4)


def test_photos_without_the_person_are_zeros(made):
    photos = saved(made, None)
    missing = ~np.array(FOUND)
    assert not photos.poses[missing].any() and not photos.trans[missing].any() and not photos.joints[missing].any()
    assert photos.trans[~missing, 2].min() > 2
