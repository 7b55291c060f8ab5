"""``render-fit fit-person`` with a video."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from render_fit.bodies import open_body
from render_fit.cli import app
from render_fit.datasets.video import read_video
from render_fit.export.overlays import to_pixels
from render_fit.export.parameters import read_params
from render_fit.export.video import write_video
from render_fit.synthesis.clothed_people import clothed_person, photograph
from render_fit.synthesis.poses.named import everyday_pose
from tests.photos import QUICK_RECIPE, write_recipe

RECIPE = (
    QUICK_RECIPE.replace("free: [position]", "free: [orient, position, pose, betas]")
    + "between: {smooth_motion: {weight: 1.0}, standing_feet: {weight: 1.0}}\n"
)


def run(*arguments):
    return CliRunner().invoke(app, ["fit-person", *map(str, arguments)])


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """A synthetic person who turns a little, and a frame in the middle that shows nobody."""
    folder, frames = tmp_path_factory.mktemp("video"), []
    for number in range(5):
        person = clothed_person(
            open_body(), everyday_pose("hands_on_hips"), 0, yaw_rad=0.05 * number, image_size=(320, 240)
        )
        frames.append(to_pixels(photograph(person, "studio", 1).permute(1, 2, 0).numpy()))
    frames[2] = np.full_like(frames[2], 128)
    return write_video(folder / "walk.mp4", frames, 10)


@pytest.fixture(scope="module")
def fitted(video, tmp_path_factory):
    out, recipe = tmp_path_factory.mktemp("out") / "walk", write_recipe(tmp_path_factory.mktemp("r"), RECIPE)
    command = (video, "--recipe", recipe, "--static-camera", "--out", out)
    return run(*command), out, command


def test_a_video_becomes_a_motion(fitted):
    result, out, _ = fitted
    assert result.exit_code == 0, result.output
    saved = read_params(out / "params.npz")
    assert saved.poses.shape == (5, 72) and saved.fps == pytest.approx(10)
    assert saved.found.tolist() == [True, True, False, True, True]
    assert saved.image_names.tolist() == [f"{number:06d}" for number in range(5)]
    report = json.loads((out / "report.json").read_text())
    assert report["found"] == 4 and report["still_camera"] is True


def test_overlay_and_turntable_are_videos(fitted):
    _, out, _ = fitted
    overlay = read_video(out / "overlay.mp4")
    assert len(overlay.times_s) == 5 and overlay.fps == pytest.approx(10)
    assert len(read_video(out / "turntable.mp4").times_s) == 24
    assert not (out / "turntable.gif").exists()


def test_terms_on_motion_are_used(fitted, tmp_path):
    _, out, command = fitted
    bare = write_recipe(tmp_path, RECIPE.partition("between:")[0])
    other = run(*command[:2], bare, *command[3:5], tmp_path / "bare")
    assert other.exit_code == 0, other.output

    def acceleration(folder: Path) -> float:
        saved = read_params(folder / "params.npz")
        joints = saved.joints[saved.found]
        return float(np.abs(np.diff(joints, 2, axis=0)).mean())

    assert acceleration(out) < 0.7 * acceleration(tmp_path / "bare")


def test_a_range_of_frames_is_taken(video, fitted, tmp_path):
    _, _, command = fitted
    result = run(video, "--recipe", command[2], "--every", 3, "--end", "0.35", "--out", tmp_path / "some")
    assert result.exit_code == 0, result.output
    assert read_params(tmp_path / "some" / "params.npz").image_names.tolist() == ["000000", "000003"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("VIDEO", "PHOTO"), "a video is fitted alone"),
        (("PHOTO", "--every", 2), "belong to a video"),
        (("VIDEO", "--start", "9:00"), "is 0.50 s long"),
        (("VIDEO", "--end", "soon"), "soon"),
    ],
)
def test_mistakes_about_videos_are_one_line(video, tmp_path, arguments, words):
    from PIL import Image

    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64)).save(photo)
    given = [{"VIDEO": video, "PHOTO": photo}.get(word, word) for word in arguments]
    result = run(*given, "--out", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert words in result.output and len(result.output.strip().splitlines()) == 1
