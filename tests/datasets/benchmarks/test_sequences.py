"""3DPW, EMDB and AMASS: motions with SMPL's parameters, in files written as their documentation has them."""

import pickle

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from render_fit.core.errors import InputError
from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.benchmarks.formats import format_of
from render_fit.datasets.benchmarks.threedpw import COCO_18

QUARTER = Rotation.from_euler("x", 90, degrees=True)  # of the camera against the world


def camera_pose(t=(0.0, 0.0, 4.0)):
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = QUARTER.as_matrix(), t
    return pose


def write_3dpw(folder, **changes):
    """readme_and_demo of 3DPW: a dictionary with a list entry for each of two people, over three frames."""
    rng = np.random.default_rng(0)
    points = np.zeros((3, 3, 18))
    points[:, 2, :4] = 0.9
    points[:, :2, :4] = [[10, 30, 20, 20], [10, 50, 20, 90]]
    content = {
        "sequence": "downtown_walk_00", "genders": ["m", "f"],
        "poses": [rng.normal(size=(3, 72)), rng.normal(size=(3, 72))], "betas": [np.arange(10.0), np.zeros(10)],
        "trans": [np.zeros((3, 3))] * 2, "poses2d": [points, points + 1],
        "jointPositions": [rng.normal(size=(3, 72)), rng.normal(size=(3, 72))],
        "cam_poses": np.stack([camera_pose()] * 3), "cam_intrinsics": np.diag([1900.0, 1900.0, 1.0]),
        "campose_valid": [np.array([1, 0, 1]), np.array([0, 0, 1])], "img_frame_ids": np.arange(3),
    }  # fmt: skip
    file = folder / "sequenceFiles/test/downtown_walk_00.pkl"
    file.parent.mkdir(parents=True, exist_ok=True)
    content |= changes
    file.write_bytes(pickle.dumps({key: value for key, value in content.items() if value is not None}, protocol=2))
    return content


def test_3dpw_is_turned_into_the_camera(tmp_path):
    content = write_3dpw(tmp_path)
    image = tmp_path / "imageFiles/downtown_walk_00/image_00002.jpg"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"")
    name, chosen = format_of(tmp_path)
    people = chosen.read(tmp_path)
    assert name == "3dpw" and [(one.frame, one.person) for one in people] == [(0, 0), (2, 0), (2, 1)]
    first, second, other = people
    assert second.image == "imageFiles/downtown_walk_00/image_00002.jpg" and second.image_path == image
    assert (first.image_path, first.sequence) == (None, "downtown_walk_00")
    world = content["jointPositions"][0][2].reshape(24, 3)
    # a quarter turn about x takes (x, y, z) to (x, −z, y)
    np.testing.assert_allclose(second.joints, np.stack([world[:, 0], -world[:, 2], world[:, 1] + 4], 1), atol=1e-12)
    root = QUARTER * Rotation.from_rotvec(content["poses"][0][2, :3])
    np.testing.assert_allclose(second.smpl.poses[0], root.as_rotvec())
    np.testing.assert_allclose(second.smpl.poses[1:].ravel(), content["poses"][0][2, 3:])
    assert (second.smpl.gender, other.smpl.gender) == ("male", "female") and second.smpl.betas.tolist() == [*range(10)]
    assert first.keypoint_set is COCO_18 and first.keypoints_known.tolist() == [True] * 4 + [False] * 14
    assert first.box_xywh.tolist() == [10, 10, 20, 80] and first.K[0, 0] == 1900


def test_damaged_sequences_of_3dpw_are_told(tmp_path):
    write_3dpw(tmp_path, betas=None)
    with pytest.raises(InputError, match=r"downtown_walk_00\.pkl: not a sequence of 3DPW; it lacks betas"):
        format_of(tmp_path)[1].read(tmp_path)
    write_3dpw(tmp_path, poses2d=[np.zeros((3, 3, 17))] * 2)
    with pytest.raises(InputError, match="entries do not belong together"):
        format_of(tmp_path)[1].read(tmp_path)
    write_3dpw(tmp_path, genders=[np.load])
    with pytest.raises(InputError, match="was not read: it contains numpy.load"):
        format_of(tmp_path)[1].read(tmp_path)


def test_emdb_has_good_frames_only(tmp_path):
    # eth-ait/emdb, dataset.md
    rng = np.random.default_rng(1)
    smpl = {"poses_root": rng.normal(size=(3, 3)), "poses_body": rng.normal(size=(3, 69)), "trans": np.zeros((3, 3)),
            "betas": np.arange(10.0)}  # fmt: skip
    content = {
        "gender": "female", "name": "P0_00_mvs_a", "emdb1": True, "emdb2": False, "n_frames": 3,
        "good_frames_mask": np.array([True, False, True]), "smpl": smpl, "kp2d": rng.normal(size=(3, 24, 2)),
        "camera": {"intrinsics": np.diag([950.0, 950.0, 1.0]), "extrinsics": np.stack([camera_pose()] * 3),
                   "width": 720, "height": 960},
        "bboxes": {"bboxes": np.tile([10.0, 20.0, 110.0, 320.0], (3, 1)), "invalid_idxs": np.array([1])},
    }  # fmt: skip
    folder = tmp_path / "P0/00_mvs_a"
    folder.mkdir(parents=True)
    (folder / "P0_00_mvs_a_data.pkl").write_bytes(pickle.dumps(content))
    for path in (tmp_path, tmp_path / "P0", folder, folder / "P0_00_mvs_a_data.pkl"):
        name, chosen = format_of(path)
        people = chosen.read(path)
        assert name == "emdb" and [one.image for one in people] == [
            "P0/00_mvs_a/images/00000.jpg", "P0/00_mvs_a/images/00002.jpg"
        ]  # fmt: skip
    last = people[1]
    assert last.box_xywh.tolist() == [10, 20, 100, 300] and last.image_size == (960, 720) and last.joints is None
    assert last.keypoint_set is SMPL_24 and last.smpl.gender == "female"
    root = QUARTER * Rotation.from_rotvec(smpl["poses_root"][2])
    np.testing.assert_allclose(last.smpl.poses[0], root.as_rotvec())
    np.testing.assert_allclose(last.smpl.poses[1:].ravel(), smpl["poses_body"][2])
    del content["smpl"]["betas"]
    (folder / "P0_00_mvs_a_data.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match="not a sequence of EMDB; KeyError: 'betas'"):
        chosen.read(tmp_path)


def test_amass_gives_frames_without_a_camera(tmp_path):
    # amass.is.tue.mpg.de, documentation: poses (N, 156), betas (16,), trans, gender, mocap_framerate, dmpls
    poses = np.random.default_rng(2).normal(size=(2, 156))
    np.savez(tmp_path / "01_01_poses.npz", poses=poses, trans=np.zeros((2, 3)), betas=np.zeros(16), gender="male",
             mocap_framerate=120.0, dmpls=np.zeros((2, 8)))  # fmt: skip
    for path in (tmp_path, tmp_path / "01_01_poses.npz"):
        name, chosen = format_of(path)
        first, second = chosen.read(path)
        assert name == "amass" and (first.image, second.frame) == ("01_01_poses/000000.jpg", 1)
    np.testing.assert_array_equal(second.smpl.poses.ravel(), poses[1])
    assert second.smpl.gender == "male" and not second.smpl.in_camera
