"""The experiments' bookkeeping and command; the figures themselves are measured, not tested."""

import csv
import json
import math
import shlex
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from render_fit.bodies import open_body
from render_fit.cli.app import app
from render_fit.core.skeletons import COCO_17, H36M_17
from render_fit.datasets.images import PhotoSample
from render_fit.evaluation import fit_errors, tables
from render_fit.evaluation.experiments import ground_truth_3d
from render_fit.evaluation.experiments.ground_truth_3d import describe
from render_fit.evaluation.experiments.photos_with_masks import withheld_keypoints
from render_fit.evaluation.experiments.runner import function_of, load_components, run_experiment
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.experiments.table import EXPERIMENTS, GROUPS, RENAMED
from render_fit.synthesis import everyday_pose, synthetic_scene, view_rotation


@pytest.fixture(scope="module")
def body():
    return open_body()


@pytest.fixture(scope="module")
def scene(body):
    return synthetic_scene(body, everyday_pose("walking"), seed=0, yaw_rad=0.3, jitter=0.0)


def rows(*values: float | None) -> list[tables.Metrics]:
    return [tables.Metrics({"x": value}) for value in values]


def test_summaries_ignore_missing_values():
    people = rows(1.0, None, 4.0, math.nan, 2.5)
    assert tables.mean_of(people, "x") == 2.5
    assert tables.median_of(people, "x") == 2.5
    assert tables.mean_of(people, "y") is None
    # Nearest rank: the 90th percentile of ten numbers is the ninth.
    assert tables.quantile_of(rows(*map(float, range(1, 11))), "x", 0.9) == 9.0
    assert tables.count_of([tables.Metrics({"x": flag}) for flag in (True, None, False, True)], "x") == 2


def test_a_result_is_written_as_json_csv_and_sheet(tmp_path: Path):
    picture = np.full((20, 10, 3), 128, dtype=np.uint8)
    people = [tables.Metrics({"name": "a", "iou": 0.5}, (picture,), "a"), tables.Metrics({"name": "b", "extra": 1})]
    result = tables.ExperimentResult("made", people, {"mean": 0.5}, ("name", "iou"))
    console = Console(file=open(tmp_path / "log", "w"), width=80)  # noqa: SIM115
    tables.write_result(result, tmp_path, console)
    console.file.close()
    assert json.loads((tmp_path / "made.json").read_text())["summary"] == {"mean": 0.5}
    with (tmp_path / "made.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [row["iou"] for row in written] == ["0.5", ""] and written[1]["extra"] == "1"
    assert (tmp_path / "made.png").stat().st_size > 0
    assert "mean  0.5" in (tmp_path / "log").read_text()


def test_four_annotated_keypoints_are_withheld_one_of_each_kind():
    confidence = torch.ones(17)
    sample = PhotoSample("made", "somebody", Path("a.jpg"), 10, 10, skeleton=COCO_17, confidence=confidence)
    names = [COCO_17.joints[index] for index in withheld_keypoints(sample, 0)]
    assert [name.split("_")[1] for name in names] == ["wrist", "elbow", "knee", "ankle"]
    assert withheld_keypoints(sample, 0) == withheld_keypoints(sample, 0)
    choices = {tuple(withheld_keypoints(replace(sample, name=f"person {n}"), 0)) for n in range(20)}
    assert len(choices) > 5
    # Without ankles and with one wrist hidden, the visible wrist and another limb keypoint take their places.
    confidence = confidence.clone()
    confidence[[COCO_17.index(name) for name in ("left_ankle", "right_ankle", "left_wrist")]] = 0
    names = [COCO_17.joints[i] for i in withheld_keypoints(replace(sample, confidence=confidence), 0)]
    assert len(set(names)) == 4 and "right_wrist" in names and not any("ankle" in name for name in names)


def test_the_ground_truth_has_no_error_and_no_failure_mode(body, scene):
    true = body.keypoints(scene.parameters, H36M_17)[0]
    error = fit_errors.error_3d(body, scene.parameters, H36M_17, true)
    assert error.pa_mpjpe_mm < 0.1 and error.mpjpe_mm < 0.1
    assert error.limb_flips == 0 and not error.facing_flipped
    assert fit_errors.silhouette_iou(body, scene.parameters, scene.camera, scene.mask) > 0.98
    failures = fit_errors.find_failure_modes(body, scene.parameters, COCO_17, scene.keypoints_px, torch.ones(17))
    assert failures == fit_errors.FailureModes(False, False, False, False)


def test_bodies_that_are_back_to_front_or_upside_down_are_detected(body, scene):
    def turned(rotation: torch.Tensor):
        first = (rotation @ scene.parameters.rotations[0, 0])[None, None]
        rotations = torch.cat([first, scene.parameters.rotations[:, 1:]], dim=1)
        return replace(scene.parameters, rotations=rotations)

    about_vertical = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
    failures = fit_errors.find_failure_modes(body, turned(about_vertical), COCO_17, scene.keypoints_px, torch.ones(17))
    assert failures.back_to_front and not failures.upside_down
    true = body.keypoints(scene.parameters, H36M_17)[0]
    assert fit_errors.error_3d(body, turned(about_vertical), H36M_17, true).facing_flipped
    about_depth = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    failures = fit_errors.find_failure_modes(body, turned(about_depth), COCO_17, scene.keypoints_px, torch.ones(17))
    assert failures.upside_down and failures.count == 1


def test_a_spike_is_detected(body, scene):
    offsets = torch.zeros(1, body.n_vertices, 3)
    offsets[0, 100] = torch.tensor([0.0, 0.0, 0.3])
    smooth = replace(scene.parameters, offsets=torch.full((1, body.n_vertices, 3), 0.01))
    assert not fit_errors.find_failure_modes(body, smooth, None, None, None).spiky
    assert fit_errors.find_failure_modes(body, replace(scene.parameters, offsets=offsets), None, None, None).spiky


def run(*arguments: str):
    return CliRunner().invoke(app, ["experiment", *arguments])


@pytest.mark.parametrize("arguments", [(), ("--list",)])
def test_the_command_lists_its_experiments(arguments):
    result = run(*arguments)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [*EXPERIMENTS, *GROUPS]
    assert all(len(line.split()) > 3 for line in result.stdout.splitlines())


def test_the_list_imports_no_experiment():
    code = (
        "import sys\nfrom render_fit.cli.app import app\n"
        "try:\n    app(['experiment', '--list'])\nexcept SystemExit:\n"
        "    print(sorted({'torch', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert listed.splitlines()[-1] == "[]" and len(listed.splitlines()) == len(EXPERIMENTS) + len(GROUPS) + 1


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_entry_of_the_table_describes_its_function(name):
    assert EXPERIMENTS[name].description == (function_of(name).__doc__ or "").splitlines()[0]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_quick_sizes_are_options_that_the_experiment_uses(name):
    experiment = EXPERIMENTS[name]
    assert set(experiment.quick) <= set(experiment.uses) <= {field.name for field in fields(ExperimentConfig)}


def test_a_group_runs_what_it_can_and_tells_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def experiment(config: ExperimentConfig) -> tables.ExperimentResult:
        assert config.limit == 2
        return tables.ExperimentResult("real-3d", [], {}, ())

    monkeypatch.setitem(GROUPS, "lecture", ("real-3d", "coco-masks"))
    monkeypatch.setattr(ground_truth_3d, "real_3d", experiment)
    # `--limit` goes to both; the second has no data
    result = run("lecture", "--out", str(tmp_path / "out"), "--limit", "2", "--data", str(tmp_path / "nowhere"))
    assert result.exit_code == 0 and "left out" in result.stdout
    done, failed = json.loads((tmp_path / "out" / "lecture.json").read_text())["experiments"]
    assert done["name"] == "real-3d" and not done["problem"] and (tmp_path / "out" / "real-3d.json").exists()
    assert failed["name"] == "coco-masks" and "nowhere" in failed["problem"]


def test_a_fault_in_one_experiment_of_a_group_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def faulty(config: ExperimentConfig) -> tables.ExperimentResult:
        raise ZeroDivisionError("by [nothing]")

    def experiment(config: ExperimentConfig) -> tables.ExperimentResult:
        return tables.ExperimentResult("real-3d", [], {}, ())

    monkeypatch.setitem(GROUPS, "lecture", ("synthetic-views", "real-3d"))
    monkeypatch.setattr(ground_truth_3d, "synthetic_views", faulty)
    monkeypatch.setattr(ground_truth_3d, "real_3d", experiment)
    result = run("lecture", "--out", str(tmp_path))
    assert result.exit_code == 1 and "failed: ZeroDivisionError: by [nothing]" in result.stdout
    assert "lecture: 2 experiments in " in result.stdout and (tmp_path / "real-3d.json").exists()
    content = json.loads((tmp_path / "lecture.json").read_text())
    assert [one["failed"] for one in content["experiments"]] == [True, False] and content["seconds"] >= 0


def test_a_quick_group_runs_several_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(GROUPS, "lecture", ("real-3d", "coco-masks", "image-only"))
    result = run("lecture", "--quick", "--jobs", "2", "--out", str(tmp_path), "--data", str(tmp_path / "nowhere"))
    assert result.exit_code == 0 and "lecture: 3 experiments in" in result.stdout and "2 at a time" in result.stdout
    content = json.loads((tmp_path / "lecture.json").read_text())
    assert [one["name"] for one in content["experiments"]] == ["real-3d", "coco-masks", "image-only"]
    assert all("nowhere" in one["problem"] and not one["failed"] for one in content["experiments"])
    assert content["quick"] and content["at_once"] == 2 and "render-fit" in content["versions"]


def test_groups_name_experiments():
    assert set(GROUPS["lecture"]) < set(GROUPS["all"]) == set(EXPERIMENTS)


def test_fits_are_initialised_from_the_given_regressor():
    config = ExperimentConfig(Path("unused"), regressors=("lifter",), keypoints_only=True)
    without = replace(config, regressors=("none",))
    recipe, recipe_without = load_components(config).recipe, load_components(without).recipe
    assert recipe.initialisation.regressor == "lifter" and not recipe_without.initialisation.regressor
    assert recipe_without.with_regressor("lifter") == recipe
    assert describe(config) == {"before": "regressor alone", "after": "refined with keypoints alone"}
    assert describe(without)["before"] == "keypoints alone"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("coco-masks", "--regressor", "nobody"), "nobody"),
        (("nobody",), "known are coco-masks"),
        (("real-3d", "--limit", "0"), "--limit 0: expected at least 1"),
        (("lecture", "--limit", "0"), "--limit 0: expected at least 1"),
        (("lecture", "--frames", "9"), "--frames: not used by any experiment of lecture"),
        (("real-3d", "--people", "3"), "--people: not used by real-3d, which uses --data"),
        (("two-d-supervision", "--recipe", "hybrid"), "--recipe: not used by two-d-supervision"),
        (("real-3d", "--recipe", "hybrid", "--recipe", "predict"), "--recipe: expected one, got hybrid, predict"),
        *((((old,)), f"'{old}' is now called '{new}'") for old, new in RENAMED.items()),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_written(tmp_path: Path, arguments, message):
    result = run(*arguments, "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert result.stderr.startswith("render-fit: ") and message in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_run_records_the_command_that_repeats_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    configs = []

    def experiment(config: ExperimentConfig) -> tables.ExperimentResult:
        configs.append(config)
        return tables.ExperimentResult("real-3d", [], {}, ())

    monkeypatch.setattr(ground_truth_3d, "real_3d", experiment)
    arguments = ["real-3d", "--out", str(tmp_path), "--quick", "--seed", "0", "--keypoints-only", "--recipe", "predict"]
    for _ in range(2):
        result = run(*arguments)
        about = json.loads((tmp_path / "real-3d.json").read_text())["about"]
        assert result.exit_code == 0 and about["command"] in result.stdout.splitlines()
        assert f"on {about['machine']}; python " in result.stdout
        arguments = shlex.split(about["command"])[2:]
    assert {"command", "recipe", "seconds", "machine", "cores", "versions"} <= set(about)
    assert configs[0] == configs[1] and configs[0].limit == EXPERIMENTS["real-3d"].quick["limit"]
    assert configs[0] == ExperimentConfig(tmp_path, limit=configs[0].limit, keypoints_only=True, recipes=("predict",))
    run_experiment("real-3d", tmp_path, quick=True, limit=3)
    assert configs[-1].limit == 3


def test_view_rotation_is_a_rotation():
    rotation = view_rotation(0.4, 0.2, 0.1)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3))
    assert torch.linalg.det(rotation).item() == pytest.approx(1.0, abs=1e-5)
