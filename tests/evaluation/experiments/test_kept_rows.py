"""A run that is stopped and started again makes no row twice, and gives what a run in one go gives."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from render_fit.bodies import open_body
from render_fit.bodies.body import Body
from render_fit.core.errors import InputError
from render_fit.core.fingerprints import value_hash
from render_fit.evaluation.experiments import ground_truth_3d, kept_rows, runner
from render_fit.evaluation.experiments.group import run_group
from render_fit.evaluation.experiments.kept_rows import (
    UNFINISHED,
    file_of_row,
    folder_of_rows,
    mark_of_rows,
    read_row,
    write_row,
)
from render_fit.evaluation.experiments.runner import load_components, run_all, run_experiment
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.experiments.table import GROUPS
from render_fit.evaluation.tables import ExperimentResult, Metrics
from render_fit.synthesis import everyday_pose, synthetic_scene

NAME = "real-3d"
"""The experiment whose function the tests replace by `small_experiment`."""

N_TASKS = 5


def small_row(task: int, config: ExperimentConfig) -> Metrics:
    """A row of all kinds of values; the task of the file ``stop_at`` does not end."""
    with (config.out / "made.txt").open("a") as file:
        file.write(f"{task}\n")
    stop = config.out / "stop_at"
    if stop.exists() and stop.read_text().split() == [str(task), "kill"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if stop.exists() and stop.read_text() == str(task):
        raise InputError(f"task {task} is stopped")
    values = {
        "number": task,
        "third": task / 3,
        "small": np.float32(0.1),
        "huge": 1e300,
        "none": None,
        "yes": True,
        "text": f"é {task}",
        "list": [1.5, None],
        "mapping": {"1": (task, "x")},
        "not finite": float("nan"),
        "seed": config.seed,
    }
    rng = np.random.default_rng(task)
    shapes = [(4, 3, 3), (2, 5, 3)][: task % 3]
    return Metrics(values, tuple(rng.integers(0, 256, shape, np.uint8) for shape in shapes), f"person {task}")


def small_experiment(config: ExperimentConfig) -> ExperimentResult:
    rows = run_all(small_row, list(config.limited(range(N_TASKS))), config)
    return ExperimentResult(NAME, rows, {"people": len(rows)}, ("number", "third"))


@pytest.fixture(scope="module")
def body() -> Body:
    return open_body()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ground_truth_3d, "real_3d", small_experiment)


def made(out: Path) -> list[int]:
    """Tasks in the order in which they were begun."""
    return [int(line) for line in (out / "made.txt").read_text().split()]


def outcome(out: Path) -> tuple[str, bytes, bytes]:
    """Rows and summary, CSV, and the pixels' file of a result."""
    content = json.loads((out / f"{NAME}.json").read_text())
    text = json.dumps([content["people"], content["summary"]])
    return text, (out / f"{NAME}.csv").read_bytes(), (out / f"{NAME}.png").read_bytes()


def stopped_in_task(out: Path, task: int, **options) -> None:
    out.mkdir(exist_ok=True)
    (out / "stop_at").write_text(str(task))
    with pytest.raises(InputError, match="is stopped"):
        run_experiment(NAME, out, **options)
    (out / "stop_at").unlink()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_stopped_run_goes_on_and_gives_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str], jobs: int):
    whole, out = tmp_path / "whole", tmp_path / "out"
    run_experiment(NAME, whole)
    assert made(whole) == list(range(N_TASKS)) and not (whole / UNFINISHED).exists()

    stopped_in_task(out, 3, jobs=jobs)
    assert f"of {N_TASKS} rows are kept" in capsys.readouterr().out
    kept = {int(path.name[:5]) for path in (out / UNFINISHED / NAME).glob("*/*.npz")}
    assert kept >= {0, 1, 2} - ({2} if jobs == 2 else set()) and 3 not in kept

    (out / "made.txt").unlink()
    run_experiment(NAME, out, jobs=jobs)
    assert sorted(made(out)) == sorted(set(range(N_TASKS)) - kept)
    assert outcome(out) == outcome(whole)
    assert not (out / UNFINISHED).exists()
    assert f"{len(kept)} of {N_TASKS} rows were there from a run that was stopped" in capsys.readouterr().out


def test_a_killed_run_goes_on(tmp_path: Path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests.evaluation.experiments import test_kept_rows as test\n"
        "test.ground_truth_3d.real_3d = test.small_experiment\ntest.run_experiment(test.NAME, Path(sys.argv[1]))"
    )
    root = Path(__file__).parents[3]
    (tmp_path / "stop_at").write_text("2 kill")
    command = [sys.executable, "-c", code, str(tmp_path)]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    (tmp_path / "stop_at").unlink()
    run_experiment(NAME, tmp_path)
    assert made(tmp_path) == [0, 1, 2, 2, 3, 4]  # the third was begun and is made again


@pytest.mark.parametrize("change", [{"seed": 1}, {"keypoints_only": True}])
def test_rows_of_other_options_are_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict):
    stopped_in_task(tmp_path, 2)
    (tmp_path / "made.txt").unlink()
    run_experiment(NAME, tmp_path, **change)
    assert sorted(made(tmp_path)) == list(range(N_TASKS))
    assert "not used: 2 rows of other options" in capsys.readouterr().out
    # they wait for the run that they belong to
    (tmp_path / "made.txt").unlink()
    run_experiment(NAME, tmp_path)
    assert made(tmp_path) == [2, 3, 4] and not (tmp_path / UNFINISHED).exists()


@pytest.mark.parametrize("what", ["_package", "versions", "_data"])
def test_rows_of_other_code_or_data_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str):
    config = ExperimentConfig(tmp_path)
    before = folder_of_rows(NAME, config)
    assert folder_of_rows(NAME, config) == before
    monkeypatch.setattr(kept_rows, what, lambda *_: "another")
    assert folder_of_rows(NAME, config) != before


def test_names_and_sizes_of_the_data_count(tmp_path: Path):
    data = tmp_path / "data"
    data.mkdir()
    config = ExperimentConfig(tmp_path / "out", data=data)

    def folder() -> Path:
        kept_rows._data.cache_clear()
        return folder_of_rows(NAME, config)

    empty = folder()
    (data / "a").write_text("1")
    one = folder()
    (data / "a").write_text("12")
    assert len({empty, one, folder()}) == 3
    (data / "a").write_text("1")
    assert folder() == one


def test_a_row_depends_on_its_task_its_files_the_recipe_and_the_regressor(tmp_path: Path):
    config = ExperimentConfig(tmp_path)
    recipe = load_components(config).recipe
    photo, weights = tmp_path / "a.png", tmp_path / "regressor.safetensors"
    photo.write_bytes(b"one")
    weights.write_bytes(b"one")
    other_recipe = recipe.model_copy(update={"stages": recipe.stages[:-1]})
    other_regressor = recipe.with_regressor(str(weights))
    marks = [
        mark_of_rows("work", config, recipe),
        mark_of_rows("other", config, recipe),
        mark_of_rows("work", replace(config, limit=3), recipe),
        mark_of_rows("work", config, other_recipe),
        mark_of_rows("work", config, other_regressor),
    ]
    weights.write_bytes(b"two")
    marks.append(mark_of_rows("work", config, other_regressor))
    assert len(set(marks)) == len(marks)
    files = [file_of_row(mark, number, photo, tmp_path) for mark in marks[:2] for number in (0, 1)]
    photo.write_bytes(b"two")
    files.append(file_of_row(marks[0], 0, photo, tmp_path))
    assert len(set(files)) == len(files)


def test_a_group_keeps_the_rows_of_finished_experiments_until_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stopped(config: ExperimentConfig) -> ExperimentResult:
        raise KeyboardInterrupt

    def other(config: ExperimentConfig) -> ExperimentResult:
        return ExperimentResult("shape-recovery", [], {}, ())

    monkeypatch.setitem(GROUPS, "lecture", (NAME, "shape-recovery"))
    monkeypatch.setattr(ground_truth_3d, "shape_recovery", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_group("lecture", tmp_path)
    assert made(tmp_path) == list(range(N_TASKS)) and (tmp_path / UNFINISHED / NAME).is_dir()
    monkeypatch.setattr(ground_truth_3d, "shape_recovery", other)
    assert [one.problem for one in run_group("lecture", tmp_path)] == ["", ""]
    assert made(tmp_path) == list(range(N_TASKS)) and not (tmp_path / UNFINISHED).exists()


def test_the_tasks_of_experiments_are_told_apart(body: Body):
    """A task may hold an observation: camera, skeleton, part labels, masks."""
    first, same, other = (
        synthetic_scene(body, everyday_pose("walking"), seed=seed, yaw_rad=0.3).observation() for seed in (0, 0, 1)
    )
    assert value_hash(first) == value_hash(same) != value_hash(other)


def test_a_damaged_row_is_made_again(tmp_path: Path):
    path = tmp_path / "row.npz"
    row = write_row(path, Metrics({"x": 1.0}, (np.zeros((2, 2, 3), np.uint8),), "a"))
    found = read_row(path)
    assert found is not None and found.values == row.values and len(found.pictures) == 1
    path.write_bytes(path.read_bytes()[:100])
    assert read_row(path) is None and read_row(tmp_path / "no.npz") is None


def test_the_time_that_is_left_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    clock = iter(range(0, 1000, 60))
    monkeypatch.setattr(runner.time, "monotonic", lambda: next(clock))
    config = ExperimentConfig(tmp_path, rows=tmp_path / UNFINISHED / NAME / "rows")
    run_all(small_row, list(range(3)), config)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "real-3d: 0 of 3" and shown[-1] == "real-3d, 0 s left: 3 of 3"
    assert "min left: 1 of 3" in shown[1]
