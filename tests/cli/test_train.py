"""``render-fit train``, ``finetune`` and ``synthesize`` as a user runs them, and fits with trained regressors."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from render_fit.bodies import open_body
from render_fit.cli import app
from render_fit.fitting.fit import fit_image
from render_fit.fitting.recipe import Recipe, load_recipe
from render_fit.regressors.checkpoint import save_regressor
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.network import Regressor
from render_fit.synthesis import everyday_pose, synthetic_scene
from render_fit.training import feature_cache, runs
from tests.photos import write_person, write_recipe

RECIPE = {
    "name": "tiny",
    "description": "for tests",
    "regressor": {
        "size": 32,
        "width": 32,
        "depth": 1,
        "hypotheses": 2,
        "n_clothing": 48,
        "backbone": {
            "model_type": "resnet",
            "embedding_size": 8,
            "hidden_sizes": [8, 16],
            "depths": [1, 1],
            "layer_type": "basic",
        },
    },
    "steps": 3,
    "batch": 4,
    "shard": 2,
}


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


def invoke(*words: str | Path):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_train_and_initialise_a_fit_with_the_regressor(recipe_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = invoke("train", recipe_file, "--out", out, "--workers", 0)
    assert result.exit_code == 0, result.output
    assert "3 steps, PA-MPJPE" in result.stdout
    assert re.search(r"^loss .* mm: 1 of 3$", result.stdout, re.MULTILINE)  # lines: the output is no terminal
    assert {"regressor.safetensors", "state.pt", "recipe.json", "tensorboard"} <= {p.name for p in out.iterdir()}
    again = invoke("train", recipe_file, "--out", out, "--workers", 0)
    assert again.exit_code == 0
    assert "3 steps" in again.stdout

    hybrid = load_recipe("hybrid")
    started = Recipe.model_validate(
        hybrid.resolved()
        | {
            "initialisation": {"regressor": str(out / "regressor.safetensors"), "yaws_deg": [], "poses": []},
            "stages": [],
        }
    )
    scene = synthetic_scene(open_body(), everyday_pose("standing"), 0)
    fit = fit_image(scene.observation(), started)
    # Nothing is refined: the fit is one of the regressor's two hypotheses; `before` is the more probable one.
    assert fit.before is not None
    assert torch.isfinite(fit.output.vertices).all()
    assert float(fit.parameters.transl[0, 2]) > 0.3
    assert fit.report.losses

    image = write_person(tmp_path / "in")
    seen = ["--mask", tmp_path / "in" / "person_mask.png", "--keypoints", tmp_path / "in" / "person_keypoints.json"]
    words = [image, *seen, "--regressor", out / "regressor.safetensors", "--save", ""]
    assert invoke("predict", image, *seen, "--save", "", "--out", tmp_path / "predicted").exit_code == 0
    report = json.loads((tmp_path / "predicted" / "person" / "report.json").read_text())
    assert report["recipe"]["name"] == "predict" and report["iou"]["after"] > 0
    assert invoke("fit", *words, "--recipe", write_recipe(tmp_path), "--out", tmp_path / "fit").exit_code == 0
    refined = json.loads((tmp_path / "fit" / "person" / "report.json").read_text())
    assert refined["recipe"]["initialisation"]["regressor"] == str(out / "regressor.safetensors")
    missing = invoke("predict", image, *seen, "--regressor", tmp_path / "none.safetensors", "--out", tmp_path / "no")
    assert missing.exit_code == 2 and "none.safetensors" in missing.stderr
    assert not (tmp_path / "no").exists()


def test_of_two_processes_the_main_one_writes_and_prints(recipe_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    two = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    words = ["train", recipe_file, "--out", out, "--workers", 0]
    done = subprocess.run(
        [sys.executable, *two, "-m", "render_fit", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("step 3: held out") == 1
    assert done.stdout.count("3 steps, PA-MPJPE") == 1
    assert len(list((out / "tensorboard").iterdir())) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stepz": 3}, "did you mean 'steps'"),
        ({"observation_noise": {"no_masc": 0.1}}, "did you mean 'no_mask'"),
        ({"losses": {"joints": -1}}, "losses.joints"),
        ({"batch": 5}, "multiple of shard"),
        ({"label_availability": {"latent": 1.5}}, "label_availability.latent: Input should be less than or equal to 1"),
    ],
)
def test_mistakes_in_a_recipe_are_one_line(recipe_file: Path, tmp_path: Path, change: dict, words: str) -> None:
    recipe_file.write_text(yaml.safe_dump(RECIPE | change))
    result = invoke("train", recipe_file, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_missing_motion_capture_is_an_error(recipe_file: Path, tmp_path: Path) -> None:
    result = invoke("train", recipe_file, "--out", tmp_path / "out", "--mocap", tmp_path)
    assert result.exit_code == 2
    assert "expected the CMU motion capture" in result.stderr


def test_synthesize_writes_people_with_ground_truth_and_resumes(recipe_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "people"
    result = invoke("synthesize", "--recipe", recipe_file, "--count", 5, "--size", 48, "--out", out)
    assert result.exit_code == 0, result.output
    (path,) = out.iterdir()
    with np.load(path) as people:
        assert people["labels"].shape == (5, 48, 48)
        assert people["poses"].shape == (5, 72)
        projected = people["joints"] @ people["K"].swapaxes(1, 2)
        pelvis = projected[:, 0, :2] / projected[:, 0, 2:]
        assert (np.abs(pelvis - 24) < 24).all()
    before = path.stat().st_mtime_ns
    assert invoke("synthesize", "--recipe", recipe_file, "--count", 5, "--size", 48, "--out", out).exit_code == 0
    assert path.stat().st_mtime_ns == before


def test_finetune_trains_on_a_folder_of_photos_and_skips_bad_ones(recipe_file: Path, tmp_path: Path) -> None:
    first, out, photos = tmp_path / "first", tmp_path / "out", tmp_path / "photos"
    assert invoke("train", recipe_file, "--out", first, "--workers", 0).exit_code == 0
    photos.mkdir()
    astronaut = skimage.data.astronaut()
    Image.fromarray(astronaut).save(photos / "person.png")
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(photos / "nobody.png")
    (photos / "broken.jpg").write_bytes(b"no picture")
    words = ["--regressor", first / "regressor.safetensors", "--recipe", recipe_file, "--workers", 0, "--out", out]
    result = invoke("finetune", photos, *words)
    assert result.exit_code == 0, result.output
    assert "1 people: silhouette IoU" in result.stdout
    assert "observing: 3 of 3\n" in result.stdout and " nats: 3 of 3\n" in result.stdout
    assert "left out" in result.stdout and "broken.jpg" in result.stdout and "nobody.png" in result.stdout
    assert (out / "regressor.safetensors").is_file()
    before, after = (load_file(path / "regressor.safetensors") for path in (first, out))
    assert any(not torch.equal(before[name], after[name]) for name in before)
    loop = yaml.safe_load(recipe_file.read_text()) | {"fitting_in_the_loop": {"iterations": 3}}
    recipe_file.write_text(yaml.safe_dump(loop))
    words[-1] = tmp_path / "loop"
    assert invoke("finetune", photos, *words).exit_code == 0
    with np.load(tmp_path / "loop" / "fits.npz") as fits:
        assert fits["poses"].shape == (1, 72) and np.isfinite(fits["objective"]).all()
        assert fits["photos"].tolist() == [str(photos / "person.png")]
    (photos / "person.png").unlink()
    assert invoke("finetune", photos, *words).exit_code == 2


@pytest.fixture
def pixels_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe with a frozen backbone, whose features are written in files of four people."""
    monkeypatch.setattr(feature_cache, "PEOPLE", 4)
    monkeypatch.setattr(feature_cache, "CHUNK", 4)
    network = RECIPE["regressor"] | {"pictures": ["photo"], "keypoints": False, "backbone": {"model_type": "blazepose"}}
    path = tmp_path / "pixels.yaml"
    path.write_text(yaml.safe_dump(RECIPE | {"regressor": network, "cached_people": 8}))
    return path


def test_a_head_on_a_frozen_backbone_is_trained_and_finetuned(
    pixels_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "HELD_OUT", 4)
    photos, features = tmp_path / "photos", tmp_path / "features"
    photos.mkdir()
    Image.fromarray(skimage.data.astronaut()).save(photos / "person.png")
    words = ["--features", features, "--workers", 0, "--out"]
    first, out = tmp_path / "first", tmp_path / "out"
    result = invoke("train", pixels_recipe, "--backgrounds", photos, *words, first)
    assert result.exit_code == 0, result.output
    assert "computing features: 8 of 8\n" in result.stdout
    assert len(list(features.glob("*.safetensors"))) == 2
    refused = invoke("train", pixels_recipe, *words, tmp_path / "other")  # other backgrounds
    assert refused.exit_code == 2 and "features of other people" in refused.stderr
    regressor = first / "regressor.safetensors"
    tuned = ["--regressor", regressor, "--recipe", pixels_recipe, "--backgrounds", photos]
    result = invoke("finetune", photos, *tuned, *words, out)
    assert result.exit_code == 0, result.output
    assert "1 people: silhouette IoU" in result.stdout
    before, after = load_file(regressor), load_file(out / "regressor.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "head.weight" in changed
    assert not changed & {"standard.mean", "standard.scale"}
    predicted = invoke(
        "predict", photos / "person.png", "--regressor", regressor, "--save", "", "--out", tmp_path / "fit"
    )
    assert predicted.exit_code in (0, 1), predicted.output  # a fit of an untrained network may be a failed one


@pytest.mark.parametrize(
    ("recipe", "content", "words"),
    [
        ("hmr", {}, "contains no image"),
        ("hmr", {"one.jpg": b"no picture"}, "cannot be read as a background photo"),
        ("nbf", {"one.png": None}, "the network of the recipe nbf uses no photos; hmr does"),
    ],
)
def test_backgrounds_that_cannot_be_used_are_one_line(recipe: str, content: dict, words: str, tmp_path: Path) -> None:
    (tmp_path / "places").mkdir()
    for name, data in content.items():
        path = tmp_path / "places" / name
        Image.new("RGB", (8, 8)).save(path) if data is None else path.write_bytes(data)
    result = invoke("train", recipe, "--backgrounds", tmp_path / "places", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_regressor_of_part_maps_alone_gets_one_or_reports_its_need(recipe_file: Path, tmp_path: Path) -> None:
    config = yaml.safe_load(recipe_file.read_text())["regressor"] | {"pictures": ["parts"], "keypoints": False}
    blind, photo = tmp_path / "parts.safetensors", tmp_path / "person.png"
    save_regressor(Regressor(RegressorConfig(**config)), blind)
    Image.fromarray(skimage.data.astronaut()).save(photo)
    words = ["predict", photo, "--regressor", blind, "--out"]
    refused = invoke(*words, tmp_path / "refused")
    assert refused.exit_code == 2, refused.output
    assert "uses only part map, which was not observed; give --parts, or --parts-from-keypoints" in refused.output
    # the prediction of an untrained network is a failed fit, and reported as one
    invoke(*words, tmp_path / "made", "--parts-from-keypoints")
    assert (tmp_path / "made" / "person" / "params.npz").is_file()
    tuned = invoke(
        "finetune", photo, "--regressor", blind, "--recipe", recipe_file, "--workers", 0, "--out", tmp_path / "tuned"
    )
    assert tuned.exit_code == 0, tuned.output
    assert "1 people: silhouette IoU" in tuned.stdout
