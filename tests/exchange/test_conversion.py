"""Results as parameters of another body: residuals against the surfaces themselves, files read back, mistakes."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from typer.testing import CliRunner

from render_fit.bodies import BodyParameters, load_smpl_file, smpl_arrays
from render_fit.cli import app
from render_fit.core.array_files import write_arrays
from render_fit.core.errors import InputError
from render_fit.exchange.anny_body import CORRESPONDENCE
from render_fit.exchange.conversion import convert
from render_fit.exchange.mesh_results import MHR_KEYPOINTS
from render_fit.exchange.posed_points import BodySurface, posed_vertices
from render_fit.exchange.results import read_results
from render_fit.exchange.sources import source_surface
from render_fit.export.parameters import read_params, saved_fit, write_params
from tests.bodies.test_smpl_files import BODY_PARENTS, smplh_parents, with_joints

from .conftest import Person
from .test_results import check, started


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def own_fit(person: Person, tmp_path: Path) -> Path:
    joints = person.body(person.parameters).joints
    (tmp_path / "fit").mkdir()
    write_params(tmp_path / "fit" / "params.npz", saved_fit(person.parameters, joints, person.camera, "open"))
    return tmp_path / "fit"


@pytest.fixture
def smpl(person: Person, tmp_path: Path) -> Path:
    """A stand-in for SMPL's file: another mean shape and other shape directions than the open body's."""
    arrays = smpl_arrays(person.body)
    arrays["v_template"] = arrays["v_template"] + 0.5 * arrays["shapedirs"][..., 1]
    arrays["shapedirs"] = arrays["shapedirs"][..., ::-1].copy()
    return write_arrays(tmp_path / "SMPL_NEUTRAL.npz", **arrays)


def sam_3d_body(person: Person, path: Path, faces: bool = True) -> Path:
    """sam-3d-body, sam_3d_body_estimator.py: a mesh of another topology, relative to pred_cam_t; 70 keypoints."""
    vertices = person.body(person.parameters).vertices[0].double().numpy()
    shift = person.pelvis + [0.01, 0.02, -0.03]
    mesh = trimesh.Trimesh(vertices, person.body.faces.numpy(), process=False).subdivide()
    mixed = np.random.default_rng(0).permutation(len(mesh.vertices))  # no vertex is where the open body has it
    place = np.argsort(mixed)
    keypoints = np.full((70, 3), 0.1)
    rows = dict(zip(person.body.landmark_names, person.body.landmark_regressor.double().numpy(), strict=True))
    for index, name in MHR_KEYPOINTS.items():
        keypoints[index] = rows[name] @ vertices - shift
    write_arrays(
        path, pred_vertices=(mesh.vertices - shift)[mixed].astype(np.float32), pred_cam_t=shift.astype(np.float32),
        pred_keypoints_3d=keypoints.astype(np.float32), pred_keypoints_2d=np.zeros((70, 2), np.float32),
        focal_length=np.array(person.focal_px, np.float32), body_pose_params=np.zeros(133, np.float32),
        shape_params=np.zeros(45, np.float32), **({"faces": place[mesh.faces]} if faces else {}),
    )  # fmt: skip
    return path


def test_a_fit_becomes_one_of_smpl_which_every_command_takes(person: Person, own_fit: Path, smpl: Path):
    out = own_fit.parent / "smpl.npz"
    result = run("convert", own_fit, "--to", f"smpl:{smpl}", "--out", out)
    assert result.exit_code == 0, result.output
    saved, body = read_params(out), load_smpl_file(smpl)
    vertices = body(saved.parameters()).vertices
    apart = 1000 * (vertices - person.body(person.parameters).vertices).norm(dim=-1)
    # the ten directions are those of the open body in another order, so that the surface can be reached
    assert float(apart.mean()) < 1.0
    with np.load(out) as file:
        assert float(file["residual_mm"]) < 1.0
        assert "the two surfaces are" in result.stdout and f"{float(file['residual_mm']):.2f} mm" in result.stdout
    assert saved.body == str(smpl)


def test_smpl_x_gets_smplxs_names(person: Person, own_fit: Path, tmp_path: Path):
    parents = [*BODY_PARENTS, 15, 15, 15, *smplh_parents(25)]
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", **with_joints(smpl_arrays(person.body), parents))
    sam = sam_3d_body(person, tmp_path / "photo.npz")
    result = run("convert", sam, "--to", f"smplx:{tmp_path / 'SMPLX_NEUTRAL.npz'}")
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "photo_smplx.npz") as file:
        assert file["body_pose"].shape == (1, 63) and file["left_hand_pose"].shape == (1, 45)
        assert float(file["residual_mm"]) < 2.0


@pytest.mark.parametrize("faces", [True, False])
def test_a_mesh_of_another_topology_is_fitted(person: Person, tmp_path: Path, faces: bool):
    (result,) = read_results(sam_3d_body(person, tmp_path / "photo.npz", faces=faces))
    converted = convert(source_surface(result), "open")
    assert converted.mean_mm < 1.0 and not converted.corresponding
    found = BodyParameters(
        converted.state.rotations.float()[None], converted.state.shape.float()[None],
        converted.state.transl.float()[None],
    )  # fmt: skip
    apart = (person.body(found).joints - person.body(person.parameters).joints).norm(dim=-1)
    assert 1000 * float(apart[:, :22].max()) < 15


def test_a_fit_starts_from_a_mesh(person: Person, tmp_path: Path):
    parameters, notes = started(person, sam_3d_body(person, tmp_path / "photo.npz"))
    check(person, parameters, pelvis_m=0.01, turn=0.35)  # a limb's turn about its own axis shows little on the surface
    apart = (person.body(parameters).joints - person.body(person.parameters).joints).norm(dim=-1)
    assert 1000 * float(apart.mean()) < 10
    assert float((parameters.betas - person.parameters.betas).abs().mean()) < 0.4
    assert "its mesh was fitted" in notes


@pytest.mark.parametrize("factor", [100.0, 1000.0])
def test_meshes_in_other_units(person: Person, tmp_path: Path, factor: float):
    path = sam_3d_body(person, tmp_path / "photo.npz")
    with np.load(path) as file:
        content = dict(file)
    for key in ("pred_vertices", "pred_cam_t", "pred_keypoints_3d"):
        content[key] = factor * content[key]
    np.savez(path, **content)
    (result,) = read_results(path)
    assert result.vertices is not None and result.view is not None
    np.testing.assert_allclose(result.vertices.mean(0), person.body(person.parameters).vertices[0].mean(0), atol=0.05)
    assert any("converted to metres" in note for note in result.notes)


def test_opengl_cameras_are_turned(person: Person, tmp_path: Path):
    path = sam_3d_body(person, tmp_path / "photo.npz")
    (expected,) = read_results(path)
    with np.load(path) as file:
        content = dict(file)
    for key in ("pred_vertices", "pred_cam_t", "pred_keypoints_3d"):
        content[key] = content[key] * [1, -1, -1]
    np.savez(path, **content)
    (result,) = read_results(path)
    assert result.vertices is not None and expected.vertices is not None
    np.testing.assert_allclose(result.vertices, expected.vertices, atol=1e-6)
    assert any("OpenGL" in note for note in result.notes)


def test_annys_vertices_are_the_open_bodys(person: Person, tmp_path: Path):
    """MakeHuman's number of each vertex says which of Anny's vertices the open body has."""
    vertices = person.body(person.parameters).vertices[0].numpy()
    with CORRESPONDENCE.open("rb") as file, np.load(file) as data:
        numbers = data["vertices"].astype(int)
    assert len(np.unique(numbers)) == person.body.n_vertices
    whole = np.random.default_rng(0).normal(size=(numbers.max() + 1, 3)).astype(np.float32)
    whole[numbers] = vertices
    np.savez(
        tmp_path / "anny.npz", vertices=whole, faces=np.zeros((1, 3), int), phenotypes=np.zeros(6),
        base_mesh_vertex_indices=np.arange(len(whole)),
    )  # fmt: skip
    (result,) = read_results(tmp_path / "anny.npz")
    converted = convert(source_surface(result), "open")
    assert converted.corresponding and converted.mean_mm < 0.5
    with pytest.raises(ValueError, match="lacks 1 of the open body's"):
        from render_fit.exchange.anny_body import shared_vertices

        shared_vertices(np.setdiff1d(np.arange(len(whole)), numbers[:1]))


def test_mistakes_are_one_line(person: Person, own_fit: Path, smpl: Path, tmp_path: Path, monkeypatch):
    def mistake(*words) -> str:
        result = run("convert", *words)
        assert result.exit_code == 2 and len(result.stderr.strip().splitlines()) == 1, result.output
        return result.stderr

    assert "expected open, anny, smpl:FILE" in mistake(own_fit, "--to", "star")
    assert "no such model file" in mistake(own_fit, "--to", "smpl:no.npz")
    assert f"is a smpl model; give --to smpl:{smpl}" in mistake(own_fit, "--to", f"smplx:{smpl}")
    assert "no such file or folder" in mistake(tmp_path / "no.npz", "--to", "open")
    assert "ends with .npz" in mistake(own_fit, "--to", "open", "--out", tmp_path / "a.obj")
    np.savez(tmp_path / "a.npz", global_orient=np.zeros(3), body_pose=np.zeros(69), betas=np.zeros(10))
    assert "no mesh; give the model file that they are of with --from" in mistake(tmp_path / "a.npz", "--to", "open")
    assert "there is no person 1" in mistake(tmp_path / "a.npz", "--to", "open", "--person", "1")
    monkeypatch.setitem(__import__("sys").modules, "anny", None)
    assert "pip install anny" in mistake(own_fit, "--to", "anny")


def test_parameters_alone_are_posed_by_their_model(person: Person, smpl: Path, tmp_path: Path):
    body = load_smpl_file(smpl)
    pose, betas = person.pose, np.linspace(-1, 1, 10)
    np.savez(
        tmp_path / "a.npz", global_orient=pose[:1], body_pose=pose[1:].reshape(1, 69), betas=betas[None],
        transl=np.array([[0.1, 0.2, 4.0]]),
    )  # fmt: skip
    (result,) = read_results(tmp_path / "a.npz")
    source = source_surface(result, str(smpl))
    parameters = BodyParameters.from_rotvec(
        torch.from_numpy(pose).float()[None], torch.from_numpy(betas).float()[None], torch.tensor([[0.1, 0.2, 4.0]])
    )
    torch.testing.assert_close(source.vertices.float(), body(parameters).vertices[0], atol=1e-5, rtol=0)
    with pytest.raises(InputError, match="no mesh; give the model file"):
        source_surface(result)


def test_there_and_back_by_anny(person: Person, own_fit: Path, tmp_path: Path):
    """With the package ``anny`` only; it takes a minute to build."""
    pytest.importorskip("anny")
    out = tmp_path / "anny.npz"
    result = run("convert", own_fit, "--to", "anny", "--out", out)
    assert result.exit_code == 0 and "points that belong together" in result.stdout, result.output
    with np.load(out) as file:
        assert float(file["residual_mm"]) < 6
    (again,) = read_results(out)
    back = convert(source_surface(again), "open")
    vertices = posed_vertices(BodySurface(person.body), back.state).float()
    apart = (vertices - person.body(person.parameters).vertices[0]).norm(dim=1)
    assert back.corresponding and 1000 * float(apart.mean()) < 6
