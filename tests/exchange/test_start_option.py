"""``render-fit fit --start``: a file for a photo, a folder for many, and mistakes."""

import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from render_fit.cli import app
from tests.fits import known_fit
from tests.photos import HEIGHT, WIDTH, write_person, write_recipe

from .conftest import Person


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def write_start(path: Path) -> Path:
    """The true pose of `tests.photos` as smplx parameters."""
    fit = known_fit(offsets=False, height=HEIGHT, width=WIDTH)
    pose = fit.parameters.pose[0].numpy()
    np.savez(
        path, global_orient=pose[:1], body_pose=pose[None, 1:].reshape(1, -1), betas=np.zeros((1, 10)),
        transl=fit.parameters.transl.numpy(), K=fit.camera.K[0].numpy(),
    )  # fmt: skip
    return path


def given(folder: Path) -> list:
    return ["--observations", folder, "--recipe", write_recipe(folder.parent), "--save", "obj"]


def test_a_fit_starts_from_another_systems_result(tmp_path: Path):
    write_person(tmp_path / "in")
    start = write_start(tmp_path / "start.npz")
    result = run("fit", tmp_path / "in", *given(tmp_path / "in"), "--start", start, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "person" / "report.json").read_text())
    assert any(note.startswith("starts from start.npz (smplx parameters)") for note in report["notes"])
    # the true pose: no pose of the recipe starts with keypoints this near (its own start is off by 20 px and more)
    assert report["keypoint_error_px"]["before"] < 8
    assert report["options"]["start"] == str(start)


def test_a_folder_of_starts_and_a_start_that_changed(tmp_path: Path):
    for stem in ("a", "b"):
        write_person(tmp_path / "in", stem)
    (tmp_path / "starts").mkdir()
    write_start(tmp_path / "starts" / "a.npz")
    words = ["fit", tmp_path / "in", *given(tmp_path / "in"), "--start", tmp_path / "starts", "--out", tmp_path / "out"]
    assert run(*words).exit_code == 0
    notes = {stem: json.loads((tmp_path / "out" / stem / "report.json").read_text())["notes"] for stem in ("a", "b")}
    assert any("starts from a.npz" in note for note in notes["a"])
    assert not any("starts from" in note for note in notes["b"])
    write_start(tmp_path / "starts" / "b.npz")
    assert run(*words).exit_code == 0
    assert "starts from b.npz" in (tmp_path / "out" / "b" / "report.json").read_text()


def test_a_wrong_start_is_one_line(person: Person, tmp_path: Path):
    photo = write_person(tmp_path / "in")
    words = ["fit", photo, "--recipe", write_recipe(tmp_path), "--out", tmp_path / "out"]
    result = run(*words, "--start", tmp_path / "no.npz")
    assert result.exit_code == 2 and "no.npz: no such file or folder" in result.stderr
    (tmp_path / "empty").mkdir()
    result = run(*words, "--start", tmp_path / "empty")
    assert result.exit_code == 2 and "no result for person.png: expected person.npz or .pkl" in result.stderr
    result = run(*words, "--start-frame", "3")
    assert result.exit_code == 2 and "--start-frame: expected a number from 0, with --start FILE" in result.stderr
