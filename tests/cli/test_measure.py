"""``render-fit measure``: tables and files of fits and bodies, and mistakes in one line."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from render_fit.bodies import BODIES, open_body, smpl_arrays
from render_fit.cli import app, checks
from render_fit.export.parameters import saved_fit, write_params
from render_fit.measurements.definitions import MEASUREMENTS
from render_fit.measurements.measure import measure
from render_fit.measurements.uncertainty import values_and_jacobian
from tests.fits import known_fit
from tests.measurements.bodies import rebuilt


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "160", "TERM": "dumb"})


@pytest.fixture(scope="module")
def saved():
    fit = known_fit(offsets=True)
    return saved_fit(fit.parameters, fit.output.joints, fit.camera, fit.body_name)


@pytest.fixture
def folder(tmp_path, saved):
    (tmp_path / "photo").mkdir()
    write_params(tmp_path / "photo/params.npz", saved)
    return tmp_path / "photo"


def test_the_body_of_a_fit_is_measured_without_pose_and_clothes(folder, tmp_path, saved):
    result = run("measure", folder, "--json", tmp_path / "m.json", "--csv", tmp_path / "m.csv")
    assert result.exit_code == 0, result.output
    expected = measure(open_body(), torch.from_numpy(saved.betas)[None].double())
    content = json.loads((tmp_path / "m.json").read_text())
    (entry,) = content["results"]
    assert entry["source"] == str(folder) and entry["body"] == "open"
    assert list(entry["measurements"]) == list(MEASUREMENTS)
    for name, value in expected.items():
        found = entry["measurements"][name]
        assert found["value"] == pytest.approx(float(value), abs=1e-6)
        assert set(found) == {"value", "unit", "title", "iso"}
    (row,) = csv.DictReader((tmp_path / "m.csv").open())
    assert float(row["waist_cm"]) == pytest.approx(100 * float(expected["waist"]), abs=0.01)
    assert float(row["volume_l"]) == pytest.approx(1000 * float(expected["volume"]), abs=0.01)
    assert f"{100 * float(expected['waist']):.1f} cm" in result.stdout and "5.3.10" in result.stdout
    assert "interval" not in result.stdout
    assert result.stdout.splitlines()[-2:] == [str(tmp_path / "m.json"), str(tmp_path / "m.csv")]


def test_a_fit_with_a_covariance_has_intervals(folder, tmp_path, saved):
    covariance = 0.04 * np.eye(10, dtype=np.float32)
    write_params(folder / "params.npz", replace(saved, betas_covariance=covariance))
    result = run("measure", folder / "params.npz", "--json", tmp_path / "m.json", "--csv", tmp_path / "m.csv")
    assert result.exit_code == 0 and "90 % interval" in result.stdout
    _, jacobian = values_and_jacobian(open_body(), torch.from_numpy(saved.betas)[None].double(), ["waist"])
    sigma = 0.2 * float(jacobian[0, 0].norm())
    found = json.loads((tmp_path / "m.json").read_text())["results"][0]["measurements"]["waist"]
    assert found["sigma"] == pytest.approx(sigma, rel=1e-4)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.6449 * sigma, rel=1e-3)
    (row,) = csv.DictReader((tmp_path / "m.csv").open())
    assert float(row["waist_low_cm"]) < float(row["waist_cm"]) < float(row["waist_high_cm"])


def test_all_fits_of_a_folder_are_one_table(folder, tmp_path, saved):
    (tmp_path / "other").mkdir()
    larger = replace(saved, betas=saved.betas + 1, betas_covariance=0.01 * np.eye(10, dtype=np.float32))
    write_params(tmp_path / "other/params.npz", larger)
    result = run("measure", tmp_path, "open", "--csv", tmp_path / "m.csv")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader((tmp_path / "m.csv").open()))
    assert [row["source"] for row in rows] == [str(tmp_path / "other"), str(folder), "open"]
    assert rows[0]["hip_low_cm"] and not rows[1]["hip_low_cm"]
    assert float(rows[0]["stature_cm"]) > float(rows[1]["stature_cm"]) and "±" in result.stdout


def test_a_body_is_measured_and_drawn(tmp_path):
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **smpl_arrays(open_body()))
    by_name = run("measure", "open", "--betas", "0.5,-1", "--picture", tmp_path / "tapes.png")
    assert by_name.exit_code == 0, by_name.output
    by_file = run("measure", tmp_path / "SMPL_NEUTRAL.npz", "--betas", "0.5,-1")
    tables = [text[text.index("measurement ") :].splitlines() for text in (by_name.stdout, by_file.stdout)]
    assert tables[0][:-1] == tables[1]  # the last line names the picture; a long path may wrap the title
    picture = np.asarray(Image.open(tmp_path / "tapes.png").convert("RGB")).astype(int)
    assert picture.shape[0] == 1000 and picture.shape[1] > 1500
    # a red tape, the waist's, goes around the body at about its level in the middle view
    red = (picture[..., 0] > 150) & (picture[..., 1] < 90) & (picture[..., 2] < 90)
    rows = np.flatnonzero(red[:, 1000:1400].sum(1) > 30)
    assert len(rows) and 340 < rows.min() < 430


def test_mistakes_are_one_line(folder, tmp_path, saved):
    np.savez(tmp_path / "empty.npz")
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "failed").mkdir()
    (tmp_path / "failed/report.json").write_text("{}")
    for words, part in {
        (folder, "--betas", "1,2"): "is a fit and has its own",
        ("open", "--body", "open"): "is a body itself",
        ("open", "--betas", "1e9"): "expected values up to",
        ("open", "--betas", "nan"): "expected values up to",
        ("open", "--betas", ",".join(["0"] * 17)): "must be 1 to 16",
        (tmp_path / "empty.npz",): "lacks",
        (tmp_path / "text.npz",): "text.npz",
        (tmp_path / "failed",): "did the fit fail?",
        (folder, "--csv", tmp_path): "is a folder",
        (folder, "--picture", "x.gif"): ".png or .jpg",
    }.items():
        result = run("measure", *words)
        assert result.exit_code == 2, (words, result.output)
        (line,) = result.stderr.strip().splitlines()
        assert part in line, (words, line)
    arrays = {name: value for name, value in vars(saved).items() if value is not None}
    np.savez(folder / "params.npz", **arrays, betas_covariance=np.eye(3))
    result = run("measure", folder)
    assert result.exit_code == 2 and "betas_covariance has the shape (3, 3)" in result.stderr


def test_a_body_without_smpls_joints_is_one_line(monkeypatch):
    def robot(n_betas):
        return rebuilt(name="robot", joint_names=[f"bone_{number}" for number in range(24)])

    for registry in (BODIES, checks.BODIES):
        monkeypatch.setattr(registry, "own", {**registry.own, "robot": robot})
    result = run("measure", "robot")
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert "body 'robot' cannot be measured: it has no joint pelvis" in line
