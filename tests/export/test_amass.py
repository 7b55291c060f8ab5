import numpy as np
import pytest
import torch
from smplx import lbs

from render_fit.bodies import Body, open_body
from render_fit.core.array_files import write_arrays
from render_fit.core.errors import InputError
from render_fit.datasets.amass import read_amass
from render_fit.export.amass import amass_arrays
from render_fit.export.motion import motion_of
from tests.export.motions import body_with_correctives, moving_fit


def written(tmp_path, motion):
    return read_amass(write_arrays(tmp_path / "motion.npz", **amass_arrays(motion)))


def test_reading_gives_the_motion_with_z_up(tmp_path):
    body = open_body()
    saved = moving_fit(body, 6)
    saved.poses[:, 66:] = 0  # the rigid hands, which SMPL-H does not have
    read = written(tmp_path, motion_of(saved, body, 120.0))
    assert read.poses.shape == (6, 52, 3) and (read.fps, read.gender) == (120.0, "neutral")
    assert not read.poses[:, 22:].any() and not read.betas.any() and read.betas.shape == (16,)
    pose = np.concatenate([read.poses[:, :22], np.zeros((6, 2, 3))], 1)
    # smplx poses the skeleton, apart from this package
    shaped = body.v_template + torch.einsum("vcs,s->vc", body.shapedirs, torch.from_numpy(saved.betas))
    joints, _ = lbs.batch_rigid_transform(
        lbs.batch_rodrigues(torch.from_numpy(pose).float().reshape(-1, 3)).reshape(6, 24, 3, 3),
        (body.J_regressor @ shaped).expand(6, -1, -1),
        torch.tensor(body.parents),
    )
    joints = joints.numpy() + read.trans[:, None]
    camera = saved.joints  # x right, y down, z forward
    expected = np.stack([camera[..., 0], camera[..., 2], -camera[..., 1]], -1)
    np.testing.assert_allclose(joints, expected, atol=1e-5)
    assert (joints[:, 15, 2] > joints[:, 0, 2]).all()  # heads are above pelves


def test_shapes_of_smpl_are_kept_and_those_of_other_bodies_are_apart():
    body = open_body()
    saved = moving_fit(body, 2)
    arrays = amass_arrays(motion_of(saved, body))
    np.testing.assert_array_equal(arrays["betas_open"], saved.betas)
    assert str(arrays["surface_model_type"]) == "smplh" and str(arrays["body"]) == "open"
    smpl = body_with_correctives()
    smpl.origin = "/models/SMPL_FEMALE.pkl"
    arrays = amass_arrays(motion_of(saved, smpl))
    np.testing.assert_array_equal(arrays["betas"][:10], saved.betas)
    assert str(arrays["gender"]) == "female" and not [key for key in arrays if key.startswith("betas_")]


def hierarchy(n_joints, name):
    """A body of so many joints: the open body's, and further ones at its hands."""
    plain = open_body()
    more = n_joints - 24
    return Body(
        name=name,
        joint_names=[*plain.joint_names, *(f"finger{number}" for number in range(more))],
        parents=[*plain.parents, *[23] * more],
        v_template=plain.v_template,
        shapedirs=plain.shapedirs,
        J_regressor=torch.cat([plain.J_regressor, plain.J_regressor[-1:].expand(more, -1)]),
        weights=torch.cat([plain.weights, plain.weights.new_zeros(plain.n_vertices, more)], 1),
        faces=plain.faces,
        smpl_parts=[*range(24), *[23] * more],
    )


@pytest.mark.parametrize(("n_joints", "name"), [(52, "smplh"), (55, "smplx")])
def test_bodies_with_fingers_keep_all_their_joints(n_joints, name):
    body = hierarchy(n_joints, name)
    saved = moving_fit(body, 3)
    arrays = amass_arrays(motion_of(saved, body))
    assert str(arrays["surface_model_type"]) == name
    np.testing.assert_allclose(arrays["poses"][:, 3:], saved.poses[:, 3:], atol=1e-5)


def test_a_body_of_other_joints_is_refused():
    body = hierarchy(30, "other")
    with pytest.raises(InputError, match="other has 30 joints; write .glb or .bvh"):
        amass_arrays(motion_of(moving_fit(body, 1), body))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trans": None}, "lacks trans"),
        ({"mocap_framerate": None, "mocap_frame_rate": None}, "lacks mocap_framerate"),
        ({"mocap_framerate": np.array(0.0)}, "expected frames a second"),
        ({"mocap_framerate": np.array([30, 30])}, "other types"),
        ({"poses": np.zeros((4, 155))}, "do not belong together"),
        ({"trans": np.zeros((5, 3))}, "do not belong together"),
        ({"poses": np.full((4, 156), np.nan)}, "not finite"),
    ],
)
def test_other_files_are_refused(tmp_path, change, message):
    sound = amass_arrays(motion_of(moving_fit(open_body(), 4), open_body()))
    arrays = {key: value for key, value in {**sound, **change}.items() if value is not None}
    with pytest.raises(InputError, match=message):
        read_amass(write_arrays(tmp_path / "motion.npz", **arrays))


def test_names_of_published_files(tmp_path):
    sound = amass_arrays(motion_of(moving_fit(open_body(), 4), open_body(), 59.94))
    del sound["mocap_framerate"]  # SMPL-X's files
    sound["gender"] = np.array(b"male")  # some of SMPL-H's
    read = read_amass(write_arrays(tmp_path / "motion.npz", **sound))
    assert (read.gender, read.fps) == ("male", 59.94)
