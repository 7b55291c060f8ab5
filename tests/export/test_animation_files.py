from dataclasses import dataclass, replace

import numpy as np
import pytest

from render_fit.bodies import open_body
from render_fit.core.errors import InputError
from render_fit.export.animation_files import write_animation_files
from render_fit.export.parameters import SavedFit
from tests.export.bvh_reader import read_bvh
from tests.export.motions import moving_fit


@dataclass(frozen=True)
class Video(SavedFit):
    """A fit of several images."""

    fps: float | None = None
    found: np.ndarray | None = None


def test_frames_without_a_person_are_told(tmp_path):
    body = open_body()
    found = np.array([False, True, False, True])
    video = Video(**{**vars(moving_fit(body, 4)), "found": found, "fps": 10.0})
    (written,) = write_animation_files(video, body, [tmp_path / "a.bvh"])
    assert written.losses == ("nobody was found in 2 of 4 frames, which are bridged",)
    assert len(read_bvh((tmp_path / "a.bvh").read_text())[0]["pelvis"]) == 4
    photos = replace(video, fps=None)
    (written,) = write_animation_files(photos, body, [tmp_path / "a.bvh"])
    assert written.losses == ("nobody was found in 2 of 4 frames, which are left out",)
    positions, _ = read_bvh((tmp_path / "a.bvh").read_text())
    np.testing.assert_allclose(positions["head"][0] / 100, photos.joints[1, 15] * [1, -1, -1], atol=1e-5)
    assert write_animation_files(photos, body, [tmp_path / "a.obj"], frame=1)[0].losses == ()
    with pytest.raises(InputError, match="--frame 2: nobody was found there; the first frame with a person is 1"):
        write_animation_files(video, body, [tmp_path / "b.obj"], frame=2)


def test_files_of_every_ending_are_checked_before_any_is_written(tmp_path):
    body = open_body()
    with pytest.raises(InputError, match="known are .glb"):
        write_animation_files(moving_fit(body, 1), body, [tmp_path / "a.glb", tmp_path / "a.fbx"])
    assert not list(tmp_path.iterdir())
