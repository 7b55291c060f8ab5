"""People in captured motion: feet stand, the camera sees all of it, frames agree with their truth."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.mocap import load_motion
from render_fit.synthesis.moving_people import FPS, MovingPerson, moving_person

FEET = [SMPL_24.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("ankle", "foot")]


@pytest.fixture(scope="module")
def walk(shared_data: Path) -> MovingPerson:
    motion = load_motion(shared_data, "07_01")
    return moving_person(open_body(), motion, 3, start_s=0.3, frames=45, yaw_rad=math.radians(80))


def speeds(person: MovingPerson, joints: list[int]) -> np.ndarray:
    """(N − 1, K) m/s."""
    return (FPS * (person.joints[1:, joints] - person.joints[:-1, joints]).norm(dim=-1)).numpy()


def test_a_walker_walks_and_stands_on_one_foot_at_least(walk):
    pelvis = speeds(walk, [0])
    assert 0.9 < pelvis.mean() < 1.7  # m/s, a person's usual pace
    stillest = speeds(walk, FEET).min(axis=1)
    assert np.median(stillest) < 0.08
    assert speeds(walk, FEET).max() > 2  # the other one swings


def test_the_lowest_points_are_on_level_ground(walk):
    body = open_body()
    upright = body(walk.parameters).vertices @ walk.upright_to_camera
    lowest = upright[..., 1].amin(dim=1)
    assert float(lowest.max() - lowest.min()) < 0.06


def test_a_walker_to_the_right_moves_to_the_right_of_the_image_and_stays_in_it(walk):
    points = walk.camera.project(open_body()(walk.parameters).vertices)
    assert float(points[-1, :, 0].mean() - points[0, :, 0].mean()) > 100
    assert float(points.min()) >= 0
    assert float(points[..., 0].max()) <= walk.camera.width and float(points[..., 1].max()) <= walk.camera.height


def test_a_frame_shows_the_person_of_that_frame(walk):
    body = open_body()
    frame, again = walk.frame(body, 20), walk.frame(body, 20)
    torch.testing.assert_close(frame.joints_camera, walk.joints[20])
    seen, same, other = (one.observation(body) for one in (frame, again, walk.frame(body, 21)))
    assert torch.equal(seen.mask, same.mask) and not torch.equal(seen.mask, other.mask)
    centre = walk.camera.project(walk.joints[20][None, :1])[0, 0]
    assert float(frame.mask_unclothed[int(centre[1]), int(centre[0])]) == 1
