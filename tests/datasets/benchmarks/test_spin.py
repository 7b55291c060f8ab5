"""SPIN's npz, written as nkolot/SPIN's datasets/preprocess/*.py write it."""

from pathlib import Path

import numpy as np
import pytest

from render_fit.core.errors import InputError
from render_fit.datasets.benchmarks.formats import format_of
from render_fit.datasets.benchmarks.joint_sets import PUBLISHED_14, SPIN_3DHP, SPIN_CLICKED, SPIN_COCO, SPIN_H36M
from render_fit.datasets.benchmarks.spin import read_spin

# datasets/preprocess/h36m.py: places of the 17 joints of Human3.6M among the 24
H36M_PLACES = [14, 3, 4, 5, 2, 1, 0, 16, 12, 17, 18, 9, 10, 11, 8, 7, 6]


def write(path: Path, **changes: object) -> Path:
    n = len(np.asarray(changes.get("imgname", ["a"])))
    S = np.zeros((n, 24, 4))
    S[:, H36M_PLACES] = [0.1, 0.2, 0.3, 1.0]
    arrays = {"imgname": ["images/S9_Walking_1.60457274_000431.jpg"], "center": np.full((n, 2), [500.0, 400.0]),
              "scale": np.full(n, 2.0), "S": S}  # fmt: skip
    np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})
    return path


def test_human36m_has_joints_and_boxes(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/S9_Walking_1.60457274_000431.jpg").write_bytes(b"")
    (person,) = read_spin(write(tmp_path / "h36m_valid_protocol2.npz"))
    assert person.image == "images/S9_Walking_1.60457274_000431.jpg"
    assert person.image_path == tmp_path / "images/S9_Walking_1.60457274_000431.jpg"
    assert person.box_xywh.tolist() == [300.0, 200.0, 400.0, 400.0]
    assert person.joint_set is SPIN_H36M and person.joints_known.sum() == 17
    assert all(person.joints_known[SPIN_H36M.index(name)] for name in PUBLISHED_14)
    assert person.sequence == "images/S9_Walking_1.60457274" and person.frame == 431
    assert person.smpl is None and person.keypoints_px is None


def test_3dpw_has_parameters_of_two_people_in_an_image(tmp_path):
    pose = np.linspace(-1, 1, 144).reshape(2, 72)
    path = write(
        tmp_path / "3dpw_test.npz", imgname=["imageFiles/seq_00/image_00007.jpg"] * 2, S=None,
        pose=pose, shape=np.ones((2, 10)), gender=["m", "f"],
    )  # fmt: skip
    first, second = read_spin(path)
    assert (first.name, second.name) == ("imageFiles/seq_00/image_00007.jpg", "imageFiles/seq_00/image_00007.jpg #1")
    assert (first.smpl.gender, second.smpl.gender) == ("male", "female")
    np.testing.assert_allclose(second.smpl.poses.ravel(), pose[1])
    assert first.joints is None and first.sequence == "imageFiles/seq_00/image"


@pytest.mark.parametrize(
    "image, keypoints",
    [("mpi_inf_3dhp_test_set/TS1/imageSequence/img_000001.jpg", SPIN_3DHP), ("S1/Seq1/video_0/f_1.jpg", SPIN_3DHP),
     ("images/im0001.jpg", SPIN_CLICKED), ("train2014/COCO_train2014_000000000036.jpg", SPIN_COCO)],
)  # fmt: skip
def test_keypoints_are_points_of_their_data_set(image, keypoints, tmp_path):
    part = np.arange(72.0).reshape(1, 24, 3)
    part[0, 5, 2] = 0
    fits = {"pose": np.zeros((1, 72)), "shape": np.zeros((1, 10)), "has_smpl": np.array([0])}
    (person,) = read_spin(write(tmp_path / "a.npz", imgname=[image], part=part, **fits))
    assert person.keypoint_set is keypoints and person.smpl is None
    assert person.keypoints_px[1].tolist() == [3.0, 4.0]
    assert not person.keypoints_known[5] and person.keypoints_known.sum() == 23


def test_files_that_are_none_are_told(tmp_path):
    path = write(tmp_path / "a.npz", S=np.zeros((1, 17, 3)))
    with pytest.raises(InputError, match=r"a\.npz: not SPIN's npz; S has the shape \(1, 17, 3\)"):
        read_spin(path)
    with pytest.raises(InputError, match="center has the shape .* for 2 images"):
        read_spin(write(path, imgname=["a", "b"], center=np.zeros((1, 2)), S=None))
    np.savez(path, imgname=["a"])
    with pytest.raises(InputError, match="it lacks center, scale"):
        read_spin(path)


def test_formats_are_recognised_and_named(tmp_path):
    path = write(tmp_path / "a.npz")
    assert format_of(path)[0] == format_of(path, "spin")[0] == "spin"
    with pytest.raises(InputError, match="unknown data set format 'spim'; known: .*spin.*did you mean 'spin'"):
        format_of(path, "spim")
    np.savez(path, other=[1])
    with pytest.raises(InputError, match="not recognised; give it with --format, one of: .*spin"):
        format_of(path)
