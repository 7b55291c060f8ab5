"""``--observer NAME[:FILE]``, from the command line to the report, with small networks made in the test."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from render_fit.cli import app
from render_fit.core.parts import ATR
from tests.observations import hub_models
from tests.photos import QUICK_RECIPE, write_person, write_recipe

WITH_PARTS = QUICK_RECIPE.replace(
    "terms: {keypoints: {weight: 1.0}, silhouette_l2: {weight: 50.0}}",
    "terms: {keypoints: {weight: 1.0}, silhouette_l2: {weight: 50.0}, parts: {weight: 1.0}}",
).replace("free: [position]", "free: [position, betas]")


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, str]:
    """A detector, a pose network and a parser for the photo of tests.photos: shirt above, trousers below."""
    folder = tmp_path_factory.mktemp("models")
    photo = write_person(folder)
    pixels, person = np.array(Image.open(photo)), np.array(Image.open(folder / "person_mask.png")) > 127
    height, width = person.shape
    rows, columns = np.nonzero(person.any(1))[0], np.nonzero(person.any(0))[0]
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    labels = np.where(person, ATR.labels.index("upper-clothes"), 0)
    labels[(top + bottom) // 2 :] = np.where(person, ATR.labels.index("pants"), 0)[(top + bottom) // 2 :]
    room = round(0.1 * max(bottom - top, right - left))
    seen = (slice(max(0, top - room), bottom + room), slice(max(0, left - room), right + room))
    shares = ((left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height)
    return {
        "detector": str(hub_models.rt_detr(folder / "detector", shares)),
        "pose": str(hub_models.vitpose(folder / "pose")),
        "parser": str(hub_models.segformer(folder / "parser", [pixels[seen]], [labels[seen]])),
    }


def settings(models: dict[str, str], folder: Path, **changes) -> str:
    path = folder / "models.yaml"
    path.write_text("\n".join(f"{key}: {value}" for key, value in {**models, **changes}.items()))
    return f"transformers:{path}"


@pytest.fixture
def photo(tmp_path) -> Path:
    write_person(tmp_path / "in")
    for kind in ("mask.png", "keypoints.json"):
        (tmp_path / "in" / f"person_{kind}").rename(tmp_path / f"person_{kind}")
    return tmp_path / "in" / "person.png"


def test_a_photo_is_fitted_to_what_the_models_see(models, photo, tmp_path):
    observer = settings(models, tmp_path)
    words = ("--recipe", write_recipe(tmp_path, WITH_PARTS), "--out", tmp_path / "out", "--observer", observer)
    result = run("fit", photo, *words, "--verbose")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out/person/report.json").read_text())
    assert report["status"] != "failed" and report["part_iou"]["after"] is not None
    assert report["sources"]["parts"] == report["sources"]["mask"] == f"transformers: {models['parser']}"
    assert report["recipe"]["observer"] == observer and report["options"]["observer"] == observer

    # the same settings: kept; others: fitted again
    again = run("fit", photo, *words, "--resume")
    assert again.exit_code == 0 and "kept" in again.output
    settings(models, tmp_path, min_keypoint=0.2)
    again = run("fit", photo, *words, "--resume")
    assert again.exit_code == 0 and "observer" in again.output


def test_predict_and_fit_person_take_it_too(models, photo, tmp_path):
    observer = settings(models, tmp_path)
    result = run("predict", photo, "--observer", observer, "--out", tmp_path / "predicted")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "predicted/person/report.json").read_text())
    assert report["part_iou"]["after"] is not None
    result = run(
        "fit-person", photo, photo, "--observer", observer, "--recipe", write_recipe(tmp_path, WITH_PARTS),
        "--out", tmp_path / "fitted",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "fitted/report.json").read_text())["recipe"]["observer"] == observer


@pytest.mark.parametrize("command", ["fit", "predict", "fit-person"])
def test_an_observer_that_cannot_be_made_is_told_once(command, models, photo, tmp_path):
    for name in ("b.png", "c.png"):
        (photo.parent / name).write_bytes(photo.read_bytes())
    observer = settings(models, tmp_path, parser=tmp_path / "nowhere")
    result = run(command, photo.parent, "--observer", observer, "--out", tmp_path / "out")
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    assert "human parser" in line and "no such folder, nor the name of a model on the hub" in line
    assert not (tmp_path / "out" / "b" / "report.json").exists()


def test_the_recipe_s_observer_is_told_once_and_only_where_it_is_needed(models, photo, tmp_path):
    (photo.parent / "b.png").write_bytes(photo.read_bytes())
    observer = settings(models, tmp_path, parser=tmp_path / "nowhere")
    recipe = ("--recipe", write_recipe(tmp_path, f"{QUICK_RECIPE}observer: {observer}\n"), "--out", tmp_path / "out")
    result = run("fit", photo.parent, *recipe)
    assert result.exit_code == 2 and len(result.stderr.strip().splitlines()) == 1, result.output
    files = ("--mask", tmp_path / "person_mask.png", "--keypoints", tmp_path / "person_keypoints.json")
    labels = tmp_path / "person_parts.png"
    Image.fromarray(np.array(Image.open(tmp_path / "person_mask.png")) // 255).save(labels)
    result = run("fit", photo, *files, "--parts", labels, "--part-labels", "atr", *recipe)
    assert result.exit_code == 0, result.output
