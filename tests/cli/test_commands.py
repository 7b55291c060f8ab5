import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

import render_fit
from render_fit.bodies import load_body, open_body, smpl_arrays
from render_fit.cli import app
from render_fit.core.files import write_json
from render_fit.export.fit_folder import write_fit
from render_fit.export.parameters import read_params, write_params
from render_fit.fitting.recipe import recipe_names
from render_fit.renderers import make_renderer
from tests.fits import known_fit

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def test_help_is_fast_and_has_examples():
    command = [sys.executable, "-c", "from render_fit.cli import main; main()", "fit", "--help"]
    environment = {**os.environ, "COLUMNS": "120"}
    seconds = []
    for _ in range(2):
        before = os.times()
        output = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert "render-fit fit photo.jpg --out out" in output.stdout
    assert min(seconds) < 1  # CPU time, which does not depend on what else runs: 0.3 s; with torch 1.8 s


def test_version():
    assert run("--version").stdout.strip() == f"render-fit {render_fit.__version__}"


def test_the_package_itself_is_the_command_line():
    result = subprocess.run([sys.executable, "-m", "render_fit", "--version"], capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip()) == (0, f"render-fit {render_fit.__version__}")


def test_doctor_finds_the_components():
    result = run("doctor")
    assert "torch" in result.stdout and f"recipes: {', '.join(recipe_names())}" in result.stdout
    assert "renderer cpu: works" in result.stdout


def test_recipes_are_listed_and_a_printed_recipe_is_valid(tmp_path):
    assert {"hybrid", "predict", "smplify"} <= set(run("recipe", "list").stdout.split())
    shown = run("recipe", "show", "hybrid").stdout
    assert yaml.safe_load(shown)["name"] == "hybrid"
    (tmp_path / "mine.yaml").write_text(shown)
    assert run("recipe", "show", tmp_path / "mine.yaml").stdout == shown
    training = run("recipe", "show", "lifter").stdout
    assert "lifter" in run("recipe", "list").stdout.split() and yaml.safe_load(training)["steps"] > 0
    (tmp_path / "mine.yaml").write_text(training)
    assert run("recipe", "show", tmp_path / "mine.yaml").stdout == training
    result = run("recipe", "show", "hybird")
    assert (result.exit_code, "did you mean 'hybrid'" in result.stderr) == (2, True)


def test_body_info_lists_supported_keypoint_sets():
    result = run("body", "info")
    assert result.exit_code == 0
    assert "vertices, faces" in result.stdout and "left_shoulder" in result.stdout and "mediapipe33" in result.stdout
    assert run("body", "info", "gone.pkl").exit_code == 2


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fits") / "person"
    return write_fit(folder, known_fit(), make_renderer("cpu"), save=("obj",))


def test_render_reproduces_the_images_of_a_saved_fit(saved, tmp_path):
    result = run("render", saved, "--out", tmp_path, "--save", "ply")
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {"overlay.png", "side.png", "mesh.ply"}
    side, first = np.asarray(Image.open(tmp_path / "side.png"), int), np.asarray(Image.open(saved / "side.png"), int)
    assert np.abs(side - first).mean() < 0.5
    # the photo itself comes back from a JPEG
    overlay, first = (np.asarray(Image.open(folder / "overlay.png"), int) for folder in (tmp_path, saved))
    assert np.abs(overlay - first).mean() < 3


def test_render_draws_uncertainty_where_there_is_one(saved, tmp_path):
    refused = run("render", saved, "--out", tmp_path / "none", "--uncertainty")
    assert refused.exit_code == 2 and "joints_covariance" in refused.stderr
    assert not list((tmp_path / "none").glob("*"))
    fit = replace(known_fit(), joints_covariance=1e-3 * torch.eye(3).expand(1, 24, 3, 3))
    folder = write_fit(tmp_path / "person", fit, make_renderer("cpu"), save=())
    assert run("render", folder, "--out", tmp_path / "out", "--uncertainty").exit_code == 0
    assert (tmp_path / "out" / "uncertainty.png").is_file()
    frame = run("render", folder, "--frame", "front")
    assert frame.exit_code == 2 and "the fit of one photo" in frame.stderr


def test_render_takes_one_frame_of_a_person(saved, tmp_path):
    one = read_params(saved / "params.npz")
    two = {name: np.concatenate([getattr(one, name)] * 2) for name in ("poses", "trans", "joints")}
    sizes = np.array([[240, 160], [120, 80]])
    K = np.stack([one.K, one.K * np.array([[0.5], [0.5], [1.0]], np.float32)])
    names, found = np.array(["front", "back"]), np.array([False, True])
    write_params(tmp_path / "params.npz", replace(one, **two, K=K, image_names=names, image_sizes=sizes, found=found))
    Image.new("RGB", (80, 120)).save(tmp_path / "photo.png")
    write_json(tmp_path / "report.json", {"image_paths": {"back": str(tmp_path / "photo.png")}})
    assert run("render", tmp_path).exit_code == 0
    with Image.open(tmp_path / "frames" / "back" / "overlay.png") as overlay:
        assert overlay.size == (80, 120)
    refused = run("render", tmp_path, "--frame", "front")
    assert refused.exit_code == 2 and "there are back" in refused.stderr


def test_render_turntable_and_part_colours(saved, tmp_path):
    assert run("render", saved / "params.npz", "--out", tmp_path, "--turntable", "--part-colours").exit_code == 0
    with Image.open(tmp_path / "turntable.gif") as animation:
        assert animation.n_frames == 24
    colours = {tuple(colour) for colour in np.asarray(Image.open(tmp_path / "side.png")).reshape(-1, 3)[::50]}
    assert len(colours) > 20


def test_colours_reach_the_meshes(saved, tmp_path):
    assert run("render", saved, "--out", tmp_path, "--part-colours", "--save", "glb,PLY").exit_code == 0
    content = (tmp_path / "mesh.glb").read_bytes()
    assert b"COLOR_0" in content and b"property uchar red" in (tmp_path / "mesh.ply").read_bytes()[:400]


@pytest.mark.parametrize(
    "options",
    [["--save", "fbx"], ["--save", "glb,stl"], ["--image", "gone.jpg"], ["--renderer", "gpu"], ["--body", "gone.pkl"]],
)
def test_mistakes_are_told_before_anything_is_drawn(saved, tmp_path, options):
    result = run("render", saved, "--out", tmp_path / "out", "--turntable", *options)
    assert (result.exit_code, len(result.stderr.strip().splitlines())) == (2, 1)
    assert not list((tmp_path / "out").glob("*"))


def test_the_body_file_of_a_fit_is_found_again(tmp_path):
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **smpl_arrays(open_body()))
    body = load_body(tmp_path / "SMPL_NEUTRAL.npz")
    fit = replace(known_fit(), body_name=body.origin)
    folder = write_fit(tmp_path / "person", fit, make_renderer("cpu"), save=())
    assert run("render", folder, "--out", tmp_path / "again").exit_code == 0
    (tmp_path / "SMPL_NEUTRAL.npz").rename(tmp_path / "moved.npz")
    moved = run("render", folder, "--out", tmp_path / "again")
    assert moved.exit_code == 2 and "SMPL_NEUTRAL.npz" in moved.stderr
    assert run("render", folder, "--out", tmp_path / "again", "--body", tmp_path / "moved.npz").exit_code == 0


@pytest.mark.parametrize("arguments", [["gone"], ["gone.npz"]])
def test_render_of_nothing(arguments, tmp_path):
    result = run("render", tmp_path / arguments[0])
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_photo_of_another_shape_than_the_fits_is_refused(saved, tmp_path):
    Image.new("RGB", (300, 200)).save(tmp_path / "other.png")
    result = run("render", saved, "--image", tmp_path / "other.png", "--out", tmp_path / "out")
    assert result.exit_code == 2 and "300×200 px, but the fit is of a photo of 160×240 px" in result.stderr


def test_short_memory_is_one_line_and_no_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr("render_fit.bodies.load_body_or_fail", lambda _: np.empty(10**15))
    result = run("body", "info")
    assert result.exit_code == 1
    assert result.stderr == (
        "render-fit: not enough memory for this; a fit needs about 1 GB: end other programs, or use fewer --jobs\n"
    )


def test_messages_repeat_no_commands_to_the_terminal(tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text('name: a\n"\\e[2Jkey": 1\nstages: []\nfinal: {terms: {}}\n')
    result = run("recipe", "show", recipe)
    assert result.exit_code == 2
    assert "[2Jkey" in result.stderr and "\x1b" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "option", ["--mask", "--keypoints", "--camera", "--observations", "--recipe", "--regressor", "--body"]
)
def test_names_that_the_system_refuses_are_one_line(tmp_path, option):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    result = run("fit", tmp_path / "a.png", "--out", tmp_path / "out", option, "x" * 3000)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), result.output
    assert "xxx" in result.stderr and len(result.stderr) < 1200


@pytest.mark.parametrize("option", ["--threads", "--jobs"])
def test_a_number_of_processes_that_no_machine_has_is_refused(tmp_path, option):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    result = run("fit", tmp_path / "a.png", "--out", tmp_path / "out", option, "124343292")
    assert result.exit_code == 2
    assert option in result.stderr and not (tmp_path / "out").exists()
