"""The options that ``fit`` and ``predict`` share: the same help, and each reaches the run."""

import logging
import re
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from render_fit.cli import app
from render_fit.cli.options import METHOD, METHOD_OPTIONS, PHOTO, RUN
from render_fit.datasets.photo_folder import PhotoFiles
from render_fit.pipelines import folder
from render_fit.pipelines.options import FitOptions

FILES = PhotoFiles(Path("m.png"), Path("k.json"), Path("p.png"), "atr", Path("o.png"))
PHOTO_AND_RUN = {
    "observer": "o:f.yaml",
    "person": "1",
    "box": (1.0, 2.0, 30.0, 40.0),
    "focal_35mm": 35.0,
    "height_m": 1.7,
    "weight_kg": 70.0,
    "start": Path("s.npz"),
    "start_frame": 3,
    "parts_from_keypoints": True,
    "save": ("ply", "gif"),
}
SHARED = (
    "a.png b --mask m.png --keypoints k.json --parts p.png --part-labels atr --occluders o.png --observations obs "
    "--person 1 --box 1,2,30,40 --focal-35mm 35 --height-m 1.7 --weight-kg 70 --start s.npz --start-frame 3 "
    "--parts-from-keypoints --save ply,gif --observer o:f.yaml --overwrite --jobs 3 --batch 4 --shard 2/5 --threads 2 "
    "--verbose"
)


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "TERM": "dumb"})


def panel(command: str, title: str) -> str:
    """Lines of one panel of a command's help."""
    found = re.search(rf"╭─ {title} ─+╮\n(.*?)\n╰", run(command, "--help").stdout, flags=re.DOTALL)
    assert found, title
    return found.group(1)


@pytest.fixture
def calls(monkeypatch):
    """Arguments of each call of `fit_folder`, which fits nothing, and the threads; the files do not exist."""
    seen, threads = [], []
    monkeypatch.setattr("render_fit.cli.fit._check", lambda photos, out: [])
    monkeypatch.setattr("render_fit.cli.fit.prepare", threads.append)
    monkeypatch.setattr(
        folder, "fit_folder", lambda *values, **named: seen.append((values, {**named, "threads": threads[-1]})) or []
    )
    yield seen
    logging.getLogger().setLevel(logging.WARNING)


@pytest.mark.parametrize("title", [PHOTO, RUN])
def test_fit_and_predict_have_the_same_panels(title):
    assert panel("fit", title) == panel("predict", title)


def test_every_option_of_the_library_is_an_option_of_fit_with_its_description():
    shown = {title: " ".join(panel("fit", title).replace("│", " ").split()) for title in (PHOTO, METHOD, RUN)}
    for field in (*fields(PhotoFiles), *fields(FitOptions)):
        title = METHOD if field.name in (*METHOD_OPTIONS, "observer") else RUN if field.name == "save" else PHOTO
        assert f"--{field.name.replace('_', '-')} " in shown[title]
    assert "Height of the person, m." in shown[PHOTO]
    assert "[default: hybrid]" in shown[METHOD] and "[default: obj,glb]" in shown[RUN]


def check_run(call, out):
    """Everything but the fit's options."""
    (images, _, target), named = call
    assert (images, target) == ([Path("a.png"), Path("b")], Path(out))
    assert callable(named.pop("on_event"))
    assert named == {
        "files": FILES,
        "observations": Path("obs"),
        "resume": False,
        "n_workers": 3,
        "batch": 4,
        "shard": "2/5",
        "threads": 2,
    }


def test_every_option_of_fit_reaches_the_run(calls):
    method = {"recipe": "r", "regressor": "g", "renderer": "cpu", "body": "b", "clothing": "free", "seed": 5}
    words = [word for name, value in method.items() for word in (f"--{name}", value)]
    result = run("fit", *SHARED.split(), *words, "--out", "o")
    assert result.exit_code == 0, result.output
    check_run(calls[0], "o")
    assert calls[0][0][1] == FitOptions(**PHOTO_AND_RUN, **method)
    unset = {field.name for field in fields(FitOptions)} - PHOTO_AND_RUN.keys() - method.keys()
    assert unset == {"camera"}  # excludes --focal-35mm
    assert run("fit", "a.png", "--camera", "c.json").exit_code == 0
    assert calls[1][0][1] == FitOptions(camera=Path("c.json"))
    defaults = {"files": PhotoFiles(), "observations": None, "resume": None, "n_workers": 1, "batch": None}
    defaults |= {"shard": None, "threads": None}
    assert {key: value for key, value in calls[1][1].items() if key != "on_event"} == defaults


def test_every_option_of_predict_reaches_the_run(calls):
    result = run("predict", *SHARED.split(), "--regressor", "g")
    assert result.exit_code == 0, result.output
    check_run(calls[0], "predicted")
    assert calls[0][0][1] == FitOptions(**PHOTO_AND_RUN, recipe="predict", regressor="g")
    assert run("predict", "a.png").exit_code == 0
    assert calls[1][0][1] == FitOptions(recipe="predict", regressor="lifter")
    assert run("predict", "a.png", "--recipe", "hybrid").exit_code == 2


def test_old_names_of_options_are_accepted_with_a_warning(calls):
    result = run("fit", "a.png", "--make-parts")
    assert (result.exit_code, calls[0][0][1].parts_from_keypoints) == (0, True)
    assert "--make-parts is now called --parts-from-keypoints" in result.stderr
    result = run("fit", "a.png", "--focal-mm", "35")
    assert (result.exit_code, calls[1][0][1].focal_35mm) == (0, 35.0)
    assert "--make-parts" not in run("fit", "--help").stdout
    gone = run("synthesize", "--motion=gone", "--out", "gone")
    assert (gone.exit_code, "--motion is now called --mocap" in gone.stderr) == (2, True)
    assert "expected the CMU motion capture" in gone.stderr
