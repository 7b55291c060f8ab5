"""What other programs make of the files: the Khronos validator, pygltflib, three.js in a browser, Blender.

They are no dependencies of the package. To run these tests: ``pip install pygltflib``, a browser (Debian: chromium),
``npm install --prefix DIR gltf-validator three``, and ``NODE_PATH=DIR/node_modules python -m pytest tests/export``.
Blender is the program ``blender``, or a Python of another environment that has ``bpy``, named by BPY_PYTHON.
"""

from __future__ import annotations

import functools
import html
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_erosion

from render_fit.bodies import open_body
from render_fit.export.bvh import bvh
from render_fit.export.morph_targets import beyond_four_joints, pose_correctives
from render_fit.export.motion import motion_of
from render_fit.export.skinned_glb import mesh_motions, skinned_glb
from tests.export.gltf_reader import Gltf
from tests.export.motions import body_with_correctives, moving_fit, striped

FPS = 10.0
VALIDATE = """
const bytes = new Uint8Array(require("fs").readFileSync(process.argv[1]));
require("gltf-validator").validateBytes(bytes).then((report) => console.log(JSON.stringify(report.issues)));
"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def node_module(name: str) -> Path:
    """Folder of a module of node; skips the test without it."""
    folders = [Path(folder) / name for folder in os.environ.get("NODE_PATH", "").split(os.pathsep) if folder]
    found = next((folder for folder in folders if folder.is_dir()), None)
    if found is None:
        pytest.skip(f"node's module {name} is not in NODE_PATH")
    return found


def first_program(*names: str) -> str:
    """Path of a program; skips the test without it."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"there is no program {' or '.join(names)}")
    return found


def people() -> dict[str, bytes]:
    """Files of every kind that is written."""
    plain, corrected = open_body(), body_with_correctives()
    walk = motion_of(moving_fit(plain, 5), plain, FPS)
    photo = motion_of(moving_fit(plain, 1, offsets=False), plain, FPS)
    posed = motion_of(moving_fit(corrected, 5), corrected, FPS)
    beyond = {name: beyond_four_joints(one) for name, one in mesh_motions(walk).items()}
    colours = np.random.default_rng(0).integers(0, 255, (plain.n_vertices, 3), dtype=np.uint8)
    return {
        "walk": skinned_glb(walk),
        "photo": skinned_glb(photo),
        "coloured": skinned_glb(walk, colours=colours),
        "correctives": skinned_glb(posed, dict.fromkeys(("body", "clothed"), pose_correctives(posed))),
        "four joints": skinned_glb(walk, beyond, four_joints=True),
        "textured": skinned_glb(walk, beyond, four_joints=True, colours=striped(plain)),
    }


@pytest.mark.parametrize("name", ["walk", "photo", "coloured", "correctives", "four joints", "textured"])
def test_the_khronos_validator_finds_nothing(tmp_path, name):
    node = first_program("node")
    node_module("gltf-validator")
    path = tmp_path / "a.glb"
    path.write_bytes(people()[name])
    done = subprocess.run([node, "-e", VALIDATE, path], capture_output=True, text=True, check=True)
    issues = json.loads(done.stdout)
    assert [issues[kind] for kind in ("numErrors", "numWarnings", "numInfos", "numHints")] == [0] * 4, issues


def test_pygltflib_reads_the_file(tmp_path):
    pygltflib = pytest.importorskip("pygltflib")
    (tmp_path / "a.glb").write_bytes(people()["walk"])
    gltf = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    assert [mesh.name for mesh in gltf.meshes] == ["body", "clothed"]
    assert [gltf.nodes[joint].name for joint in gltf.skins[0].joints] == list(open_body().joint_names)
    assert len(gltf.animations[0].channels) == 25
    (tmp_path / "b.glb").write_bytes(people()["textured"])
    gltf = pygltflib.GLTF2().load(str(tmp_path / "b.glb"))
    view = gltf.bufferViews[gltf.images[0].bufferView]
    content = gltf.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), striped(open_body()).texture)


@pytest.fixture
def page(tmp_path):
    """A function that opens the viewer with a file at a time of its animation, and returns what it says; a picture."""
    browser, three = first_program(*BROWSERS), node_module("three")
    (tmp_path / "three").symlink_to(three)
    shutil.copy(Path(__file__).with_name("three_viewer.html"), tmp_path / "index.html")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [
        browser, "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
        "--window-size=512,512", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000",
    ]  # fmt: skip

    def opened(content: bytes, seconds: float):
        (tmp_path / "motion.glb").write_bytes(content)
        address = f"http://127.0.0.1:{server.server_port}/index.html?t={seconds}"
        done = subprocess.run([*command, "--dump-dom", address], capture_output=True, text=True, timeout=120)
        found = re.search(r'<pre id="state">(.*?)</pre>', done.stdout, flags=re.DOTALL)
        assert found, done.stderr[-500:]
        state = json.loads(html.unescape(found.group(1)))
        assert state.get("drawn") == "drawn", state
        picture = tmp_path / "picture.png"
        subprocess.run([*command, f"--screenshot={picture}", address], capture_output=True, timeout=120, check=True)
        return state["meshes"], np.asarray(Image.open(picture).convert("RGB")).astype(int)

    yield opened
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["walk", "correctives", "four joints", "textured"])
def test_three_js_shows_a_person_who_stands_upright_and_moves(page, name):
    content = people()[name]
    gltf, pictures = Gltf(content), []
    several = gltf.attributes("clothed").get("WEIGHTS_1", np.zeros((1, 4))).sum(1) > 0
    assert several.any() == (name not in ("four joints", "textured")) and several.mean() < 0.1
    compared = ~several if several.any() else slice(None)  # three.js reads four joints a vertex
    for seconds in (0.0, 0.25):
        meshes, picture = page(content, seconds)
        assert {mesh: meshes[mesh]["shown"] for mesh in meshes} == {"body": False, "clothed": True}
        for mesh in meshes:
            drawn = np.array(meshes[mesh]["vertices"])
            assert np.abs(drawn - gltf.vertices(mesh, seconds))[compared].max() < 1e-4  # metres
        width, height, _ = np.ptp(meshes["clothed"]["vertices"], axis=0)
        assert height > 1.2 and height > width
        rows, columns = np.nonzero(picture.mean(2) < 240)  # the background is white
        assert len(rows) > 5_000 and np.ptp(rows) > np.ptp(columns)
        pictures.append(picture.mean(2))
    if name == "textured":  # unlit, as in the file, and without seams: inside of the outline few pixels are mixed
        red, blue = (np.abs(picture - colour).max(2) <= 6 for colour in ([200, 30, 20], [10, 40, 180]))
        inside = binary_erosion(picture.mean(2) < 240, iterations=3)
        assert min(red.sum(), blue.sum()) > 5_000 and (inside & ~red & ~blue).sum() < 0.02 * inside.sum()
    assert (np.abs(pictures[0] - pictures[1]) > 30).mean() > 0.02


@pytest.mark.parametrize("name", ["walk", "correctives", "four joints"])
def test_blender_moves_meshes_and_skeleton_as_the_body_model_does(tmp_path, name):
    other = os.environ.get("BPY_PYTHON")
    program = [other] if other else [first_program("blender"), "--background", "--python"]
    body = body_with_correctives() if name == "correctives" else open_body()
    saved = moving_fit(body, 5)
    paths = [str(tmp_path / file) for file in ("a.glb", "a.bvh", "a.npz")]
    Path(paths[0]).write_bytes(people()[name])
    Path(paths[1]).write_text(bvh(motion_of(saved, body, FPS)))
    script = str(Path(__file__).with_name("blender_reader.py"))
    arguments = [paths[0], paths[1], str(int(FPS)), "5", paths[2]]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [*program, script, *([] if other else ["--"]), *arguments], env=environment, capture_output=True, text=True
    )
    assert Path(paths[2]).is_file(), done.stdout + done.stderr
    with torch.no_grad():
        clothed = body(saved.parameters())
        unclothed = body(replace(saved.parameters(), offsets=None))
    with np.load(paths[2]) as found:
        order = [body.joint_names.index(joint) for joint in found["names"]]
        for frame in range(5):
            for mesh, output in {"body": unclothed, "clothed": clothed}.items():
                error = np.linalg.norm(found[f"{mesh}_{frame}"] - with_z_up(output.vertices[frame].numpy()), axis=1)
                assert error.max() < (1e-4 if name == "walk" else 1e-3)  # metres
            joints = with_z_up(clothed.joints[frame].numpy())[order]
            assert np.linalg.norm(found[f"joints_{frame}"] - joints, axis=1).max() < 1e-4


def with_z_up(points):
    """Camera coordinates in Blender's axes."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)
