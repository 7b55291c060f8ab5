"""``render-fit evaluate``: from a folder of fits and a file of annotations to tables."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from render_fit.cli import app
from render_fit.datasets.benchmarks.formats import FORMATS
from render_fit.datasets.benchmarks.joint_sets import SPIN_H36M
from tests.evaluation.benchmark.predicted import known_person, true_joints, write_prediction

FRAMES = (1, 6, 11, 21)


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "160", "TERM": "dumb"})


@pytest.fixture
def h36m(tmp_path):
    """Four frames of Human3.6M in SPIN's npz; in the second, the left wrist is 28 mm off."""
    images = [f"images/S9_Walking.60457274_{frame:06d}.jpg" for frame in FRAMES]
    S = np.ones((4, 24, 4))
    S[:, :, :3] = true_joints(SPIN_H36M)
    S[1, SPIN_H36M.index("left_wrist"), 1] += 0.028
    saved = known_person()
    np.savez(
        tmp_path / "h36m.npz", imgname=images, center=np.full((4, 2), 100.0), scale=np.ones(4), S=S,
        pose=saved.poses.repeat(4, 0), shape=saved.betas[None].repeat(4, 0),
    )  # fmt: skip
    for frame in FRAMES:
        write_prediction(tmp_path / f"out/S9_Walking.60457274_{frame:06d}")
    return tmp_path


def test_a_folder_is_evaluated(h36m):
    result = run("evaluate", h36m / "out", h36m / "h36m.npz", "--out", h36m / "ev", "--truth-body", "open")
    assert result.exit_code == 0, result.output
    assert "MPJPE, mm" in result.stdout and "14 joints (those of published tables)" in result.stdout
    assert "left out" in result.stdout and "2D keypoints" in result.stdout
    rows = list(csv.DictReader((h36m / "ev/people.csv").open()))
    assert [float(row["mpjpe_mm"]) for row in rows] == pytest.approx([0, 2, 0, 0], abs=1e-2)
    # frames 1, 6 and 11 are consecutive, 21 is not: twice 28 mm, over 14 joints
    assert [row["accel_mm"] for row in rows[:1] + rows[2:]] == ["", "", ""]
    assert float(rows[1]["accel_mm"]) == pytest.approx(4, abs=1e-2)
    summary = json.loads((h36m / "ev/summary.json").read_text())
    assert summary["format"] == "spin" and summary["people"] == 4
    assert summary["metrics"]["mpjpe_mm"]["mean"] == pytest.approx(0.5, abs=1e-2)
    assert summary["metrics"]["mpjpe_mm"]["worst"] == pytest.approx(2, abs=1e-2)
    assert summary["metrics"]["pve_mm"]["n"] == 4 and "PCKh at 0.5, %" in summary["left_out"]
    assert summary["command"].startswith("render-fit evaluate") and summary["versions"]["render-fit"]


def test_mistakes_are_one_line(h36m):
    result = run("evaluate", h36m / "nowhere", h36m / "h36m.npz")
    assert result.exit_code == 2 and "nowhere: no folder of predictions there" in result.output
    result = run("evaluate", h36m / "out", h36m / "h36m.npz", "--format", "h36m", "--out", h36m / "ev")
    assert result.exit_code == 2 and "unknown data set format 'h36m'; known: " in result.output
    result = run("evaluate", h36m / "out", h36m / "h36m.npz", "--truth-body", h36m / "out", "--out", h36m / "ev")
    assert result.exit_code == 2 and "--truth-body: no model like SMPL_NEUTRAL.pkl" in result.output
    assert not (h36m / "ev/people.csv").exists()


def test_the_help_names_every_format():
    shown = run("evaluate", "--help").output
    assert ", ".join(FORMATS) in " ".join(shown.replace("│", " ").split())
