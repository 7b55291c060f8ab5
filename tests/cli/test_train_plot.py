"""``render-fit train --plot``, ``finetune --plot``, and ``render-fit summary`` of a training."""

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import yaml
from PIL import Image
from typer.testing import CliRunner

from render_fit.cli import app
from render_fit.pipelines.training_page import predictions
from render_fit.training import runs
from render_fit.training.figure_log import LOG, ON_PHOTOS, read_log
from tests.training.conftest import SMALL

RECIPE = {
    "name": "tiny",
    "regressor": SMALL.model_dump(mode="json") | {"n_clothing": 48},
    "render_supervision": {"batch": 2, "resolution": 32},
    "optimiser": {"learning_rate": 3e-3, "warm_up": 1, "average": 0.5},
    "steps": 2,
    "batch": 4,
    "shard": 2,
    "validate_every": 1,
}


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runs, "HELD_OUT", 2)
    monkeypatch.setattr(predictions, "PEOPLE", 2)
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


def invoke(*words: str | Path):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_train_and_finetune_draw_pages_and_tensorboard_has_their_pictures(recipe: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    result = invoke("train", recipe, "--out", first, "--workers", 0, "--plot")
    assert result.exit_code == 0, result.output
    assert f"page: {first / 'index.html'}" in result.stdout
    pictures = ["step_0000000.jpg", "step_0000001.jpg", "step_0000002.jpg"]
    assert sorted(path.name for path in (first / "predictions").iterdir()) == pictures
    assert [line["step"] for line in read_log(first)] == [1, 2]
    events = tensorboard_of(first)
    assert [event.step for event in events.Images("predictions")] == [0, 1, 2]
    assert [event.step for event in events.Scalars("held out/mpjpe_mm")] == [1, 2]
    again = invoke("train", recipe, "--out", first, "--workers", 0, "--plot")  # there is nothing left to do
    assert again.exit_code == 0 and [line["step"] for line in read_log(first)] == [1, 2]

    photo = tmp_path / "photo.png"
    Image.fromarray(skimage.data.astronaut()).save(photo)
    tuned = tmp_path / "tuned"
    words = ["--regressor", first / "regressor.safetensors", "--recipe", recipe, "--workers", 0, "--out", tuned]
    result = invoke("finetune", photo, *words, "--plot")
    assert result.exit_code == 0, result.output
    assert [line["step"] for line in read_log(tuned) if ON_PHOTOS + "iou" in line] == [0, 1, 2]
    page = (tuned / "index.html").read_text(encoding="utf-8")
    assert "plots/photos.png" in page and "IoU with the photos" in page and "</span>before" in page
    shown = "{:.3f} → {:.3f}".format(*(read_log(tuned)[at][ON_PHOTOS + "iou"] for at in (0, -1)))
    assert shown in page and shown in result.stdout  # the same photos, measured in the same way
    before, *_, after = (cells_of(picture) for picture in tensorboard_of(tuned).Images("predictions"))
    assert np.array_equal(before[1], before[2])  # before the first step, now is before
    assert np.abs(after[1] - after[2]).mean() > 0.5 and np.array_equal(after[2], before[2])
    astronaut = np.asarray(Image.fromarray(skimage.data.astronaut()).convert("L")).astype(float)
    assert abs(before[0].mean() - astronaut.mean()) < 40 < np.ptp(before[0])  # the photo itself


def tensorboard_of(folder: Path):
    """The pictures and figures of a training as TensorBoard itself reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0, "scalars": 0}).Reload()


def cells_of(event) -> list[np.ndarray]:
    """Grey values of the pictures of the first person: photo, now, before, and both turned."""
    sheet = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)).convert("L")).astype(float)
    size, count = predictions.SIZE_PX, predictions.COLUMNS
    pitch = size + (sheet.shape[1] - count * size) // (count - 1)
    return [sheet[20:size, at * pitch : at * pitch + size] for at in range(count)]


def test_summary_draws_the_page_of_a_training_from_its_log(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text(
        '{"step": 1, "seconds": 2.0, "total": 3.0}\n{"step": 2, "seconds": 4.0, "total": 2.0}\n'
    )
    result = invoke("summary", tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(tmp_path / "index.html")
    assert re.search(r'src="plots/losses.png"', (tmp_path / "index.html").read_text(encoding="utf-8"))
    (tmp_path / LOG).write_text("nonsense\n")
    damaged = invoke("summary", tmp_path)
    assert damaged.exit_code == 2 and len(damaged.stderr.splitlines()) == 1 and LOG in damaged.stderr


@pytest.mark.parametrize("command", ["train", "finetune", "summary"])
def test_without_matplotlib_it_says_in_one_line_what_to_install(
    command: str, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    out = tmp_path / "out"
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "photo.png")
    words = {
        "train": [recipe, "--plot", "--out", out],
        "finetune": [tmp_path / "photo.png", "--plot", "--out", out],
        "summary": [tmp_path],
    }[command]
    (tmp_path / LOG).write_text("")
    result = invoke(command, *words)
    assert result.exit_code == 2
    assert result.stderr == "render-fit: plots of a training need matplotlib: pip install 'render-fit[train]'\n"
    assert not out.exists()


@pytest.mark.parametrize("command", ["train", "finetune"])
def test_the_help_teaches_plots(command: str) -> None:
    text = " ".join(CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout.split())
    assert "--plot" in text and "index.html" in text
