"""HumanData, written as mmhuman3d's HumanData.dump writes it."""

import numpy as np
import pytest

from render_fit.core.errors import InputError
from render_fit.core.skeletons import COCO_17, H36M_17, SMPL_24
from render_fit.datasets.benchmarks.formats import format_of
from render_fit.datasets.benchmarks.human_data import read_human_data

# mmhuman3d, core/conventions/keypoints_mapping/h36m.py: H36M_KEYPOINTS, and their places in human_data.py: HUMAN_DATA
H36M_PLACES = [148, 145, 4, 7, 144, 5, 8, 150, 146, 152, 147, 16, 18, 20, 17, 19, 21]
H36M_NAMES = (
    *("pelvis", "left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle", "spine", "thorax"),
    *("jaw", "head_top", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist"),
)


def write(path, compressed=False, **changes):
    n = 2
    joints, mask = np.zeros((n, 190, 4)), np.zeros(190, dtype=int)
    joints[:, H36M_PLACES] = np.concatenate([np.arange(51.0).reshape(17, 3), np.ones((17, 1))], 1)
    mask[H36M_PLACES] = 1
    entries = {
        "__key_strict__": False, "__temporal_len__": n, "__keypoints_compressed__": compressed,
        "image_path": ["S9/a.jpg", "S9/a.jpg"], "bbox_xywh": np.tile([1.0, 2, 3, 4, 1], (n, 1)), "config": "h36m",
        "keypoints3d": joints[:, mask > 0] if compressed else joints, "keypoints3d_mask": mask,
        "smpl": {"global_orient": np.ones((n, 3)), "body_pose": 2 * np.ones((n, 23, 3)), "betas": np.zeros((n, 10))},
        "meta": {"gender": np.array(["m", "f"])},
    }  # fmt: skip
    np.savez_compressed(path, **{key: value for key, value in (entries | changes).items() if value is not None})
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_joints_are_found_in_their_places(compressed, tmp_path):
    path = write(tmp_path / "h36m_valid.npz", compressed)
    name, chosen = format_of(path)
    first, second = chosen.read(path)
    assert name == "human-data" and (first.person, second.person) == (0, 1)
    assert first.joint_set is H36M_17 and first.joints_known.all()
    for number, joint in enumerate(H36M_NAMES):
        assert first.joints[H36M_17.index(joint)].tolist() == [3 * number, 3 * number + 1, 3 * number + 2], joint
    assert first.box_xywh.tolist() == [1, 2, 3, 4]


def test_dictionaries_are_read_without_executing_them(tmp_path):
    first, second = read_human_data(write(tmp_path / "a.npz"))
    assert first.smpl.poses.shape == (24, 3) and first.smpl.poses[:2].tolist() == [[1, 1, 1], [2, 2, 2]]
    assert (first.smpl.gender, second.smpl.gender) == ("male", "female")
    with pytest.raises(InputError, match=r"a\.npz was not read: it contains numpy.load"):
        read_human_data(write(tmp_path / "a.npz", meta={"gender": np.load}))


def test_keypoints_of_coco_and_smpl(tmp_path):
    points = np.zeros((1, 190, 3))
    points[0, [55, 16, 1, 145]] = [[1, 2, 1], [3, 4, 1], [5, 6, 1], [7, 8, 1]]
    images = {"image_path": ["a.jpg"], "bbox_xywh": None, "keypoints3d": None, "smpl": None, "meta": None}
    (person,) = read_human_data(write(tmp_path / "a.npz", keypoints2d=points, **images | {"config": "coco"}))
    assert person.keypoint_set is COCO_17 and person.smpl is None and person.joints is None
    assert person.keypoints_px[COCO_17.index("left_hip")].tolist() == [7, 8]  # the hip of its own kind
    assert person.keypoints_known.sum() == 3
    (person,) = read_human_data(write(tmp_path / "a.npz", keypoints2d_smpl=points, **images | {"config": "emdb"}))
    assert person.keypoint_set is SMPL_24 and person.keypoints_px[1].tolist() == [5, 6]


def test_what_does_not_belong_together_is_told(tmp_path):
    with pytest.raises(InputError, match="bbox_xywh has the shape .* for 2 images"):
        read_human_data(write(tmp_path / "a.npz", bbox_xywh=np.zeros((1, 5))))
    with pytest.raises(InputError, match="keypoints3d has 5 points, and its mask 3"):
        read_human_data(write(tmp_path / "a.npz", True, keypoints3d=np.zeros((2, 5, 4)), keypoints3d_mask=np.ones(3)))
    with pytest.raises(InputError, match="it lacks image_path"):
        read_human_data(write(tmp_path / "a.npz", image_path=None))
