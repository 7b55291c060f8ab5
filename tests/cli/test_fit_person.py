"""``render-fit fit-person``: files, messages, exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from typer.testing import CliRunner

from render_fit.bodies import open_body
from render_fit.cli import app
from render_fit.core.files import _temporary
from render_fit.core.locks import release
from render_fit.export.parameters import read_params
from tests.photos import QUICK_RECIPE, write_person, write_recipe

RECIPE = QUICK_RECIPE.replace("free: [position]", "free: [orient, position, pose, betas]")


def run(*arguments):
    result = CliRunner().invoke(app, ["fit-person", *map(str, arguments)])
    assert not isinstance(result.exception, (ValueError, TypeError, KeyError, IndexError)), result.exception
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three photos of the same person, the last one larger, a black one in which nobody is, and a broken one."""
    folder = tmp_path_factory.mktemp("photos")
    for stem in ("a", "b", "large"):
        write_person(folder, stem)
    for name in ("large.png", "large_mask.png"):
        image = Image.open(folder / name)
        image.resize((2 * image.width, 2 * image.height)).save(folder / name)
    points = json.loads((folder / "large_keypoints.json").read_text())
    points[0]["keypoints"] = [n if i % 3 == 2 else 2 * n for i, n in enumerate(points[0]["keypoints"])]
    (folder / "large_keypoints.json").write_text(json.dumps(points))
    Image.new("RGB", (64, 64)).save(folder / "nobody.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return folder


@pytest.fixture(scope="module")
def fitted(folder, tmp_path_factory):
    out, recipe = tmp_path_factory.mktemp("out") / "person", write_recipe(tmp_path_factory.mktemp("r"), RECIPE)
    command = (folder, "--observations", folder, "--recipe", recipe, "--out", out)
    return run(*command), out, command


def test_all_files_are_written(fitted):
    result, out, _ = fitted
    assert result.exit_code == 0, result.output
    top = {"params.npz", "body.obj", "body.mtl", "body.png", "turntable.gif", "images.jpg", "report.json", "frames"}
    assert {path.name for path in out.iterdir()} == top
    assert {path.name for path in (out / "frames").iterdir()} == {"a", "b", "large"}
    assert Image.open(out / "frames" / "large" / "overlay.png").size == (256, 384)
    body = trimesh.load_mesh(out / "body.obj")
    height = np.ptp(body.vertices[:, 1])
    assert 1.4 < height < 2.2 and body.vertices[:, 1].argmax() != body.vertices[:, 1].argmin()
    with Image.open(out / "turntable.gif") as turntable:
        width, height = turntable.size
    assert width == 2 * height  # the shape, and besides it the colours of the photos


def test_the_mesh_has_the_colours_of_the_person_in_the_photos(folder, fitted):
    _, out, _ = fitted
    image = np.asarray(Image.open(folder / "a.png").convert("RGB")).astype(int)
    mask = np.asarray(Image.open(folder / "a_mask.png").convert("L")) > 128
    person = image[mask]
    lines = (out / "body.obj").read_text().splitlines()
    colours = 255 * np.array([line.split()[4:] for line in lines if line.startswith("v ")], dtype=float)
    assert len(colours) == open_body().n_vertices
    low, high = np.quantile(person, 0.01, axis=0), np.quantile(person, 0.99, axis=0)
    assert ((colours >= low - 10) & (colours <= high + 10)).all(axis=1).mean() > 0.95
    # what is exported has the same texture, also without the photos
    exported = CliRunner().invoke(app, ["export", str(out), str(out.parent / "a.glb"), "--colours", "photo"])
    assert exported.exit_code == 0, exported.output
    mesh = trimesh.load(out.parent / "a.glb").geometry["body"]
    texture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"))
    np.testing.assert_array_equal(texture, np.asarray(Image.open(out / "body.png")))


def test_images_without_the_person_are_told_and_the_rest_goes_on(fitted):
    result, out, _ = fitted
    report = json.loads((out / "report.json").read_text())
    found = {frame["name"]: frame["found"] for frame in report["frames"]}
    assert found == {"a": True, "b": True, "broken": False, "large": True, "nobody": False}
    assert report["images"] == 5 and report["found"] == 3
    assert "nobody" in result.output and "broken" in result.output


def test_parameters_are_those_of_all_images(fitted):
    _, out, _ = fitted
    saved = read_params(out / "params.npz")
    assert saved.poses.shape == (5, 72) and saved.K.shape == (5, 3, 3) and saved.joints.shape == (5, 24, 3)
    assert saved.image_names.tolist() == ["a", "b", "broken", "large", "nobody"]
    assert saved.found.tolist() == [True, True, False, True, False]
    assert saved.image_sizes[0].tolist() == [192, 128] and saved.image_sizes[3].tolist() == [384, 256]
    # the same picture twice as large: the same pose, and a camera of twice the focal length
    np.testing.assert_allclose(saved.poses[0], saved.poses[3], atol=0.15)
    assert saved.K[3, 0, 0] == pytest.approx(2 * saved.K[0, 0, 0], rel=1e-3)
    for index in (0, 3):
        one = saved.frame(index)
        points = one.camera().project(torch_of(one.joints))[0]
        assert bool((points >= 0).all()) and bool((points[:, 0] <= one.image_size[1]).all())


def torch_of(array):
    import torch

    return torch.from_numpy(array)


def test_a_finished_person_is_kept_until_a_file_changes(fitted, folder):
    _, out, command = fitted
    before = (out / "report.json").stat().st_mtime_ns
    again = run(*command)
    assert again.exit_code == 0 and "already done" in again.output
    assert (out / "report.json").stat().st_mtime_ns == before
    assert "already done" not in run(*command, "--seed", 1, "--out", out.with_name("other")).output


def test_one_image_is_enough(folder, tmp_path):
    photo, recipe = folder / "a.png", write_recipe(tmp_path, RECIPE)
    result = run(photo, "--observations", folder, "--recipe", recipe, "--out", tmp_path / "one")
    assert result.exit_code == 0, result.output
    assert len(read_params(tmp_path / "one" / "params.npz").poses) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere/",), "nowhere"),
        (("PHOTO", "--person", "all"), "fits one person"),
        (("PHOTO", "--recipe", "hybrd"), "hybrid"),
        (("PHOTO", "--recipe", "predict"), "betas"),
    ],
)
def test_a_mistake_is_one_line(folder, tmp_path, arguments, words):
    photo = folder / "a.png"
    given = [photo if word == "PHOTO" else word for word in arguments]
    result = run(*given, "--observations", folder, "--out", tmp_path / "out")
    assert result.exit_code == 2 and words in result.output and len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_what_a_killed_run_left_is_removed(folder, tmp_path):
    recipe = write_recipe(tmp_path, RECIPE)
    command = (folder / "a.png", "--observations", folder, "--recipe", recipe, "--out", tmp_path / "one")
    assert run(*command).exit_code == 0
    begun, held = _temporary(tmp_path / "one" / "frames" / "b", folder=True)
    release(held)  # as the system does when a process ends
    assert run(*command, "--overwrite").exit_code == 0
    assert not begun.exists()


def test_nobody_in_any_image_is_a_mistake(folder, tmp_path):
    shutil.copy(folder / "nobody.png", tmp_path / "x.png")
    result = run(tmp_path / "x.png", "--out", tmp_path / "out")
    assert result.exit_code == 2 and "no person in any of 1 images" in result.output


def test_a_stopped_run_keeps_its_single_fits_and_goes_on(folder, fitted, tmp_path, monkeypatch):
    _, whole, (*command, _) = fitted
    out = tmp_path / "person"
    with monkeypatch.context() as patch:
        patch.setattr("render_fit.fitting.person.told_by", interrupted)
        assert run(*command, out).exit_code == 130
    assert [path.name for path in (out / ".unfinished").iterdir()] == ["alone_000000.safetensors"]
    with monkeypatch.context() as patch:
        patch.setattr("render_fit.fitting.single_fits.run_stages", interrupted)  # it is not needed any more
        assert run(*command, out).exit_code == 0
    assert not (out / ".unfinished").exists()
    assert np.array_equal(np.load(out / "params.npz")["poses"], np.load(whole / "params.npz")["poses"])


def interrupted(*_args, **_kwargs):
    raise KeyboardInterrupt
