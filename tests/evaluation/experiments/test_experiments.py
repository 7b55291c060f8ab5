"""The experiments' bookkeeping; the figures themselves are measured, not tested."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from render_fit.bodies import open_body
from render_fit.core.skeletons import COCO_17, H36M_17
from render_fit.datasets.images import PhotoSample
from render_fit.evaluation import fit_errors, tables
from render_fit.evaluation.experiments.ground_truth_3d import describe
from render_fit.evaluation.experiments.photos_with_masks import withheld_keypoints
from render_fit.evaluation.experiments.registry import EXPERIMENTS, main
from render_fit.evaluation.experiments.runner import Settings, recipe_of
from render_fit.synthesis import everyday_pose, synthetic_scene, view_rotation


@pytest.fixture(scope="module")
def body():
    return open_body()


@pytest.fixture(scope="module")
def scene(body):
    return synthetic_scene(body, everyday_pose("walking"), seed=0, yaw_rad=0.3, jitter=0.0)


def figures(*values: float | None) -> list[tables.Metrics]:
    return [tables.Metrics({"x": value}) for value in values]


def test_summaries_leave_out_what_does_not_apply():
    people = figures(1.0, None, 4.0, math.nan, 2.5)
    assert tables.mean_of(people, "x") == 2.5
    assert tables.median_of(people, "x") == 2.5
    assert tables.mean_of(people, "y") is None
    # Nearest rank: the 90th percentile of ten numbers is the ninth.
    assert tables.quantile_of(figures(*map(float, range(1, 11))), "x", 0.9) == 9.0
    assert tables.count_of([tables.Metrics({"x": flag}) for flag in (True, None, False, True)], "x") == 2


def test_an_outcome_is_written_as_json_csv_and_sheet(tmp_path: Path):
    picture = np.full((20, 10, 3), 128, dtype=np.uint8)
    people = [tables.Metrics({"name": "a", "iou": 0.5}, (picture,), "a"), tables.Metrics({"name": "b", "extra": 1})]
    outcome = tables.ExperimentResult("made", people, {"mean": 0.5}, ("name", "iou"))
    console = Console(file=open(tmp_path / "log", "w"), width=80)  # noqa: SIM115
    tables.write_result(outcome, tmp_path, console)
    console.file.close()
    assert json.loads((tmp_path / "made.json").read_text())["summary"] == {"mean": 0.5}
    with (tmp_path / "made.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["iou"] for row in rows] == ["0.5", ""] and rows[1]["extra"] == "1"
    assert (tmp_path / "made.png").stat().st_size > 0
    assert "mean  0.5" in (tmp_path / "log").read_text()


def test_four_annotated_keypoints_are_withheld_one_of_each_kind():
    confidence = torch.ones(17)
    sample = PhotoSample("made", "somebody", Path("a.jpg"), 10, 10, skeleton=COCO_17, confidence=confidence)
    names = [COCO_17.joints[index] for index in withheld_keypoints(sample, 0)]
    assert [name.split("_")[1] for name in names] == ["wrist", "elbow", "knee", "ankle"]
    assert withheld_keypoints(sample, 0) == withheld_keypoints(sample, 0)
    drawn = {tuple(withheld_keypoints(replace(sample, name=f"person {n}"), 0)) for n in range(20)}
    assert len(drawn) > 5
    # Without ankles and with one wrist hidden, the visible wrist and another limb keypoint take their places.
    confidence = confidence.clone()
    confidence[[COCO_17.index(name) for name in ("left_ankle", "right_ankle", "left_wrist")]] = 0
    names = [COCO_17.joints[i] for i in withheld_keypoints(replace(sample, confidence=confidence), 0)]
    assert len(set(names)) == 4 and "right_wrist" in names and not any("ankle" in name for name in names)


def test_the_truth_has_no_error_and_no_defect(body, scene):
    true = body.keypoints(scene.parameters, H36M_17)[0]
    error = fit_errors.error_3d(body, scene.parameters, H36M_17, true)
    assert error.pa_mpjpe_mm < 0.1 and error.mpjpe_mm < 0.1
    assert error.limb_flips == 0 and not error.facing_flipped
    assert fit_errors.silhouette_iou(body, scene.parameters, scene.camera, scene.mask) > 0.98
    wrong = fit_errors.find_failure_modes(body, scene.parameters, COCO_17, scene.keypoints_px, torch.ones(17))
    assert wrong == fit_errors.FailureModes(False, False, False, False)


def test_a_body_turned_round_or_upside_down_is_noticed(body, scene):
    def turned(rotation: torch.Tensor):
        first = (rotation @ scene.parameters.rotations[0, 0])[None, None]
        rotations = torch.cat([first, scene.parameters.rotations[:, 1:]], dim=1)
        return replace(scene.parameters, rotations=rotations)

    about_vertical = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
    wrong = fit_errors.find_failure_modes(body, turned(about_vertical), COCO_17, scene.keypoints_px, torch.ones(17))
    assert wrong.back_to_front and not wrong.upside_down
    true = body.keypoints(scene.parameters, H36M_17)[0]
    assert fit_errors.error_3d(body, turned(about_vertical), H36M_17, true).facing_flipped
    about_depth = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    wrong = fit_errors.find_failure_modes(body, turned(about_depth), COCO_17, scene.keypoints_px, torch.ones(17))
    assert wrong.upside_down and wrong.count == 1


def test_a_spike_is_noticed(body, scene):
    offsets = torch.zeros(1, body.n_vertices, 3)
    offsets[0, 100] = torch.tensor([0.0, 0.0, 0.3])
    smooth = replace(scene.parameters, offsets=torch.full((1, body.n_vertices, 3), 0.01))
    assert not fit_errors.find_failure_modes(body, smooth, None, None, None).spiky
    assert fit_errors.find_failure_modes(body, replace(scene.parameters, offsets=offsets), None, None, None).spiky


def test_the_command_lists_its_experiments(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in EXPERIMENTS)


def test_fits_begin_with_the_regressor_that_is_asked_for():
    settings = Settings(Path("unused"), None, regressor="lifter", keypoints_only=True)
    recipe = recipe_of(settings)
    posed = replace(settings, regressor="none")
    assert recipe.initialisation.regressor == "lifter" and not recipe_of(posed).initialisation.regressor
    assert recipe_of(posed).with_regressor("lifter") == recipe
    assert describe(settings) == {"before": "regressor alone", "after": "refined with keypoints alone"}
    assert describe(posed)["before"] == "keypoints alone"


def test_a_regressor_that_does_not_exist_ends_an_experiment_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as stop:
        main(["coco", "--out", str(tmp_path), "--regressor", "nobody"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "nobody" in said and said.count("\n") == 1


def test_view_rotation_is_a_rotation():
    rotation = view_rotation(0.4, 0.2, 0.1)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3))
    assert torch.linalg.det(rotation).item() == pytest.approx(1.0, abs=1e-5)
