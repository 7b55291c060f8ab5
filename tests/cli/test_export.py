import numpy as np
import pytest
import trimesh
from PIL import Image
from typer.testing import CliRunner

from render_fit.bodies import load_body, open_body, smpl_arrays
from render_fit.cli import app
from render_fit.datasets.amass import read_amass
from render_fit.export.meshes import read_mesh
from render_fit.export.parameters import write_params
from tests.export.bvh_reader import read_bvh
from tests.export.gltf_reader import Gltf
from tests.export.motions import body_with_correctives, moving_fit, seen_upright

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app, ["export", *(str(argument) for argument in arguments)])


@pytest.fixture
def walk(tmp_path):
    (tmp_path / "walk").mkdir()
    saved = moving_fit(open_body(), 5)
    write_params(tmp_path / "walk" / "params.npz", saved)
    return tmp_path / "walk", saved


def test_several_files_at_once(walk, tmp_path):
    folder, saved = walk
    files = [tmp_path / "new" / name for name in ("a.glb", "a.BVH", "a.npz", "a.obj", "a.ply")]
    result = run(folder, *files, "--fps", "50", "--frame", "2")
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert [line.split(":")[0] for line in lines] == [str(file) for file in files]
    assert "5 frames, 0.08 s at 50 a second" in lines[0] and "frame 2" in lines[3]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(file.name for file in files)
    assert Gltf(files[0].read_bytes()).duration() == pytest.approx(0.08)
    positions, seconds = read_bvh(files[1].read_text())
    assert seconds == 0.02
    np.testing.assert_allclose(positions["head"] / 100, seen_upright(saved.joints[:, 15]), atol=1e-5)
    assert read_amass(files[2]).fps == 50
    body = open_body()
    expected = body(saved.parameters()[2]).vertices[0].numpy()
    for file in files[3:]:
        np.testing.assert_allclose(read_mesh(file)[0], expected, atol=1e-5)


def test_the_output_says_what_is_lost(walk, tmp_path):
    folder, _ = walk
    text = run(folder / "params.npz", tmp_path / "a.glb", tmp_path / "a.npz").stdout
    assert "programs that read 4 (three.js) are up to" in text
    assert "SMPL has another shape space: betas are zero, those of the open body are betas_open" in text
    assert "without the clothes" in text


def test_pose_correctives_of_a_body_file(tmp_path):
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **smpl_arrays(body_with_correctives()))
    body = load_body(tmp_path / "SMPL_NEUTRAL.npz")
    write_params(tmp_path / "params.npz", moving_fit(body, 3))
    exact = run(tmp_path, tmp_path / "a.glb")
    assert exact.exit_code == 0 and "morph targets, at most 0." in exact.stdout
    plain = run(tmp_path, tmp_path / "b.glb", "--no-correctives")
    assert "without the body's pose correctives, which move vertices by up to" in plain.stdout
    assert (
        b"corrective0" in (tmp_path / "a.glb").read_bytes() and b"corrective0" not in (tmp_path / "b.glb").read_bytes()
    )


def test_four_joints(walk, tmp_path):
    text = run(walk[0], tmp_path / "a.glb", "--four-joints").stdout
    assert "of the body, what joints beyond 4 a vertex do is" in text and "of the clothed, what" in text
    assert "JOINTS_1" not in Gltf((tmp_path / "a.glb").read_bytes()).attributes("clothed")


def test_on_the_ground_and_in_part_colours(walk, tmp_path):
    folder, _ = walk
    assert run(folder, tmp_path / "a.glb", "--ground", "--colours", "parts").exit_code == 0
    gltf = Gltf((tmp_path / "a.glb").read_bytes())
    lowest = min(gltf.vertices("clothed", frame / 30)[:, 1].min() for frame in range(5))
    assert lowest == pytest.approx(0, abs=2e-5)
    assert len(np.unique(gltf.attributes("clothed")["COLOR_0"], axis=0)) == 24


def test_colours_of_the_photo(tmp_path):
    write_params(tmp_path / "params.npz", moving_fit(open_body(), 1))
    Image.new("RGB", (400, 600), (200, 100, 50)).save(tmp_path / "input.jpg", quality=100, subsampling=0)
    assert run(tmp_path, tmp_path / "a.ply", "--colours", "photo").exit_code == 0
    colours = trimesh.load(tmp_path / "a.ply", process=False).visual.vertex_colors[:, :3].astype(int)
    assert np.abs(colours - [200, 100, 50]).max() <= 2
    (tmp_path / "input.jpg").rename(tmp_path / "photo.jpg")
    missing = run(tmp_path, tmp_path / "b.ply", "--colours", "photo")
    assert missing.exit_code == 2 and "input.jpg: no such file; give the fit's photo with --image" in missing.stderr
    image = ["--image", tmp_path / "photo.jpg"]
    assert run(tmp_path, tmp_path / "b.ply", "--colours", "photo", *image).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.glb", "--frame", "5"], "the fit has 5 frames, counted from 0"),
        (["a.glb", "--frame", "-1"], "counted from 0"),
        (["a.glb", "--fps", "nan"], "expected frames a second"),
        (["walk/params.npz"], "is the fit that is exported"),
        (["walk/other/../params.npz"], "is the fit that is exported"),
        (["folder.glb"], "is a folder"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(walk, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.glb").mkdir()
    before = (walk[0] / "params.npz").read_bytes()
    result = run("walk", *arguments)
    assert (result.exit_code, len(result.stderr.strip().splitlines())) == (2, 1) and message in result.stderr
    assert (walk[0] / "params.npz").read_bytes() == before and not (tmp_path / "a.glb").exists()


def test_the_body_of_another_fit_is_refused(walk, tmp_path):
    body = open_body()
    arrays = smpl_arrays(body)
    arrays["weights"] = np.concatenate([arrays["weights"], np.zeros((body.n_vertices, 28), np.float32)], 1)
    arrays["J_regressor"] = np.concatenate([arrays["J_regressor"], np.repeat(arrays["J_regressor"][-1:], 28, 0)])
    arrays["kintree_table"] = np.stack([np.array([*arrays["kintree_table"][0], *[23] * 28]), np.arange(52)])
    arrays["posedirs"] = np.zeros((body.n_vertices, 3, 9 * 51), np.float32)
    np.savez(tmp_path / "SMPLH_NEUTRAL.npz", **arrays)
    result = run(walk[0], tmp_path / "a.glb", "--body", tmp_path / "SMPLH_NEUTRAL.npz")
    assert result.exit_code == 2 and "the poses are for a body of 24 joints, not 52" in result.stderr
