import numpy as np
import pytest
import smplx
import torch
from smplx import lbs
from smplx.utils import Struct

from render_fit.bodies import open_body
from render_fit.core.errors import InputError
from render_fit.export.parameters import read_params, saved_fit, write_params
from tests.fits import known_fit


@pytest.fixture
def written(tmp_path):
    fit = known_fit()
    saved = saved_fit(fit.parameters, fit.output.joints, fit.camera, fit.body_name)
    return fit, write_params(tmp_path / "params.npz", saved)


def test_keys_shapes_and_types_of_the_file(written):
    # "Outputs of a fit" in the design
    with np.load(written[1], allow_pickle=False) as file:
        shapes = {key: file[key].shape for key in file.files}
        assert shapes == {
            "poses": (1, 72),
            "betas": (10,),
            "trans": (1, 3),
            "offsets": (open_body().n_vertices, 3),
            "joints": (1, 24, 3),
            "K": (3, 3),
            "image_size": (2,),
            "body": (),
        }
        assert file["image_size"].tolist() == [240, 160]
        assert str(file["body"]) == "open"
        np.testing.assert_allclose(file["poses"][0, :3], [3.0, 0, 0], atol=1e-5)
        # 0.2 m above the optical axis, 0.1 m to its right
        np.testing.assert_allclose(file["trans"][0], [0.1, -0.2, 3.0], atol=1e-6)


def test_without_clothing_there_are_no_offsets(tmp_path):
    fit = known_fit(offsets=False)
    path = write_params(tmp_path / "p.npz", saved_fit(fit.parameters, fit.output.joints, fit.camera, "open"))
    with np.load(path) as file:
        assert "offsets" not in file.files
    assert read_params(path).parameters().offsets is None


def test_reading_gives_back_the_same_mesh(written):
    fit, path = written
    saved = read_params(path)
    vertices = open_body()(saved.parameters()).vertices
    torch.testing.assert_close(vertices, fit.output.vertices, atol=1e-5, rtol=0)
    torch.testing.assert_close(saved.camera().K, fit.camera.K)


def test_smplx_reproduces_the_mesh_from_the_file(written):
    # the contract: smplx given poses, betas, trans and offsets reproduces the mesh to 1e-5 m
    fit, path = written
    body = open_body()
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    rotations = torch.from_numpy(arrays["poses"]).reshape(1, 24, 3)
    shaped = body.v_template + torch.einsum("vcs,s->vc", body.shapedirs, torch.from_numpy(arrays["betas"]))
    _, transforms = lbs.batch_rigid_transform(
        lbs.batch_rodrigues(rotations[0])[None], (body.J_regressor @ shaped)[None], torch.tensor(body.parents)
    )
    # SMPL+D: joints are those of the body without offsets, the skin carries them
    skin = torch.einsum("vj,jab->vab", body.weights, transforms[0])
    clothed = shaped + torch.from_numpy(arrays["offsets"])
    vertices = torch.einsum("vab,vb->va", skin[:, :3, :3], clothed) + skin[:, :3, 3] + torch.from_numpy(arrays["trans"])
    torch.testing.assert_close(vertices, fit.output.vertices[0], atol=1e-5, rtol=0)


def test_smplx_layer_reproduces_a_mesh_without_clothing(tmp_path):
    fit = known_fit(offsets=False)
    saved = read_params(
        write_params(tmp_path / "p.npz", saved_fit(fit.parameters, fit.output.joints, fit.camera, "open"))
    )
    body = open_body()
    layer = smplx.SMPL(
        model_path="",
        data_struct=Struct(
            v_template=body.v_template.numpy(),
            shapedirs=body.shapedirs.numpy(),
            posedirs=np.zeros((body.n_vertices, 3, 207), dtype=np.float32),
            J_regressor=body.J_regressor.numpy(),
            kintree_table=np.array([[2**32 - 1, *body.parents[1:]], range(24)]),
            weights=body.weights.numpy(),
            f=body.faces.numpy(),
        ),
    )
    poses = torch.from_numpy(saved.poses)
    with torch.no_grad():
        posed = layer(
            global_orient=poses[:, :3],
            body_pose=poses[:, 3:],
            betas=torch.from_numpy(saved.betas)[None],
            transl=torch.from_numpy(saved.trans),
        )
    torch.testing.assert_close(posed.vertices, fit.output.vertices, atol=1e-5, rtol=0)
    torch.testing.assert_close(posed.joints[:, :24], torch.from_numpy(saved.joints), atol=1e-5, rtol=0)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_npz_is_one_clear_error(tmp_path, content):
    path = tmp_path / "params.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="params.npz"):
        read_params(path)


def test_missing_arrays_are_named(tmp_path):
    np.savez(tmp_path / "params.npz", poses=np.zeros((1, 72)), betas=np.zeros(10))
    with pytest.raises(InputError, match="lacks K, body, image_size, joints, trans"):
        read_params(tmp_path / "params.npz")


def test_a_pickle_inside_is_refused(tmp_path):
    np.savez(tmp_path / "params.npz", poses=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="cannot be read"):
        read_params(tmp_path / "params.npz")


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("poses", lambda a: a * np.nan, "poses contain values that are not finite"),
        ("betas", lambda a: a / 0, "betas"),
        ("K", lambda a: a * [[0.001], [0.001], [1]], "focal lengths of"),
        ("K", lambda a: a / 1000, "expected K"),
        ("K", lambda a: a[:2], r"K has the shape \(2, 3\)"),
        ("poses", lambda a: a[:, :-1], r"poses has the shape \(1, 71\)"),
        ("trans", lambda a: a[0], r"trans has the shape \(3,\)"),
        ("joints", lambda a: a[0], "joints has the shape"),
        ("image_size", lambda a: np.array(5), "other types"),
        ("image_size", lambda a: np.array([np.inf, 3]), "other types"),
        ("image_size", lambda a: -a, "image_size is"),
        ("image_size", lambda a: a * 10**9, "image_size is"),
        ("poses", lambda a: a + np.float32(1e30), r"poses contain values up to 1e\+30"),
        ("trans", lambda a: a * np.float32(1e9), "trans contain values up to"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_values_that_no_fit_has_are_refused(written, tmp_path, key, change, message):
    with np.load(written[1]) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / "p.npz", **{**arrays, key: change(arrays[key])})
    with pytest.raises(InputError, match=message):
        read_params(tmp_path / "p.npz")


def test_covariances_come_back_and_old_files_have_none(tmp_path, written):
    fit, old = written
    assert read_params(old).joints_covariance is None and read_params(old).frame(0).joints_covariance is None
    roots = torch.randn(1, 24, 3, 3)
    joints, betas = 1e-3 * roots @ roots.mT, torch.eye(10) / 4
    saved = saved_fit(fit.parameters, fit.output.joints, fit.camera, "open", betas, joints)
    back = read_params(write_params(tmp_path / "new.npz", saved))
    for one in (back, back.frame(0)):
        np.testing.assert_array_equal(one.betas_covariance, betas.numpy())
        np.testing.assert_array_equal(one.joints_covariance, joints.numpy())


@pytest.mark.parametrize("shape", [(24, 3, 3), (1, 23, 3, 3), (2, 24, 3, 3), (1, 24, 3)])
def test_covariances_of_other_joints_are_refused(tmp_path, written, shape):
    with np.load(written[1]) as file:
        arrays = {key: file[key] for key in file.files}
    np.savez(tmp_path / "bad.npz", **arrays, joints_covariance=np.zeros(shape, np.float32))
    with pytest.raises(InputError, match="joints_covariance has the shape"):
        read_params(tmp_path / "bad.npz")
