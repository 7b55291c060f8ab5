from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation, Slerp

from render_fit.bodies import open_body
from render_fit.core.errors import InputError
from render_fit.export.motion import CAMERA_TO_Y_UP, Y_UP_TO_Z_UP, motion_of
from render_fit.export.parameters import SavedFit
from tests.export.motions import moving_fit, seen_upright


@dataclass(frozen=True)
class Video(SavedFit):
    """A fit of a video, with its rate."""

    fps: float | None = None
    found: np.ndarray | None = None


@pytest.mark.parametrize("axes", [CAMERA_TO_Y_UP, Y_UP_TO_Z_UP])
def test_turning_turns_every_vertex(axes):
    assert float(torch.linalg.det(axes)) == 1
    body = open_body()
    motion = motion_of(moving_fit(body, 3), body)
    before, after = (torch.cat(list(one.vertices())) for one in (motion, motion.turned(axes)))
    torch.testing.assert_close(after, before @ axes.T, atol=1e-5, rtol=0)


def test_a_camera_looks_along_minus_z_and_people_are_upright():
    body = open_body()
    saved = moving_fit(body, 40)  # more than are posed at once
    motion = motion_of(saved, body)
    vertices = torch.cat(list(motion.vertices())).numpy()
    with torch.no_grad():
        np.testing.assert_allclose(vertices, seen_upright(body(saved.parameters()).vertices.numpy()), atol=2e-5)
    assert vertices[..., 2].max() < 0


def test_on_the_ground_is_one_shift():
    body = open_body()
    motion = motion_of(moving_fit(body, 5), body)
    shift = torch.cat(list(motion.on_the_ground().vertices())) - torch.cat(list(motion.vertices()))
    torch.testing.assert_close(shift, shift[:1, :1].expand_as(shift), atol=1e-5, rtol=0)
    grounded = motion.on_the_ground()
    assert min(float(one[..., 1].min()) for one in grounded.vertices()) == pytest.approx(0, abs=1e-5)
    assert grounded.root_positions[0, [0, 2]].abs().max() < 1e-6


def test_frames_a_second_are_those_asked_for_or_the_fits_or_30():
    body, saved = open_body(), moving_fit(open_body(), 2)
    assert motion_of(saved, body).fps == 30
    assert motion_of(saved, body, 12.5).fps == 12.5
    video = Video(**{**vars(saved), "fps": 59.94})
    assert motion_of(video, body).fps == 59.94 and motion_of(video, body, 24.0).fps == 24
    with pytest.raises(InputError, match="frames a second"):
        motion_of(saved, body, 0.0)


def test_frames_without_a_person_are_bridged_in_videos_and_left_out_among_photos():
    body, saved = open_body(), moving_fit(open_body(), 9)
    found = np.array([False, True, True, False, False, False, True, True, False])
    for name in ("poses", "trans", "joints"):
        getattr(saved, name)[~found] = 0  # as fits of several images write
    exact = motion_of(saved, body)
    video = motion_of(Video(**{**vars(saved), "found": found, "fps": 25.0}), body)
    assert len(video) == 9 and video.fps == 25
    torch.testing.assert_close(video.root_positions[found], exact.root_positions[found])
    torch.testing.assert_close(video.parameters.rotations[found], exact.parameters.rotations[found], atol=1e-6, rtol=0)
    # a quarter of the way from frame 2 to frame 6, and the ends held
    between = torch.lerp(exact.root_positions[2], exact.root_positions[6], 0.25)
    torch.testing.assert_close(video.root_positions[3], between)
    keys = exact.parameters.rotations[[2, 6], 18].numpy()
    middle = Slerp([2, 6], Rotation.from_matrix(keys))([4]).as_matrix()[0]
    np.testing.assert_allclose(video.parameters.rotations[4, 18].numpy(), middle, atol=1e-5)
    torch.testing.assert_close(video.parameters.transl[[0, 8]], exact.parameters.transl[[1, 7]])
    photos = motion_of(Video(**{**vars(saved), "found": found}), body)
    torch.testing.assert_close(photos.root_positions, exact.root_positions[found])
    with pytest.raises(InputError, match="nobody"):
        motion_of(Video(**{**vars(saved), "found": np.zeros(9, bool)}), body)
