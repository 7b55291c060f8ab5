"""SSP-3D, LSP, COCO, UP-3D and AGORA: photos, in files written as the projects that read them expect."""

import json
import pickle

import numpy as np
import pytest
import scipy.io

from render_fit.core.errors import InputError
from render_fit.core.skeletons import COCO_17, LSP_14, SMPL_24
from render_fit.datasets.benchmarks.formats import format_of


def read(path, expected):
    name, chosen = format_of(path)
    assert name == expected
    return chosen.read(path)


def test_ssp3d(tmp_path):
    # akashsengupta1997/SSP-3D, data/ssp3d_dataset.py
    arrays = {"fnames": np.array(["a.png", "b.png"]), "shapes": np.arange(20.0).reshape(2, 10),
              "poses": np.ones((2, 72)), "cam_trans": np.array([[0.1, 0.2, 40.0], [0, 0, 45]]),
              "joints2D": np.ones((2, 17, 3)), "bbox_centres": np.array([[300, 200], [256, 256]]),
              "bbox_whs": np.array([400, 500]), "genders": np.array(["m", "f"])}  # fmt: skip
    arrays["joints2D"][0, 3, 2] = 0
    np.savez(tmp_path / "labels.npz", **arrays)
    for folder in ("images", "silhouettes"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(b"")
    first, second = read(tmp_path, "ssp3d")
    assert first.image_path == tmp_path / "images/a.png" and first.mask.path == tmp_path / "silhouettes/a.png"
    assert second.mask is None and second.smpl.gender == "female" and second.smpl.betas[0] == 10
    assert first.box_xywh.tolist() == [0, 100, 400, 400]  # centres are row and column
    assert first.keypoint_set is COCO_17 and first.keypoints_known.sum() == 16
    assert first.smpl.transl.tolist() == [0.1, 0.2, 40] and first.K[0].tolist() == [5000, 0, 256]
    np.savez(tmp_path / "labels.npz", **{**arrays, "genders": np.array(["m"])})
    with pytest.raises(InputError, match=r"labels\.npz: not SSP-3D's labels; genders has the shape \(1,\) for 2"):
        read(tmp_path, "ssp3d")


def test_lsp_and_its_extension(tmp_path):
    joints = np.zeros((3, 14, 2))
    joints[0, :, 1], joints[1, :, 1], joints[2, 3, 1] = 7.0, np.arange(14), 1
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": joints})
    first, second = read(tmp_path, "lsp")
    assert (first.image, second.image) == ("images/im0001.jpg", "images/im0002.jpg")
    assert second.keypoint_set is LSP_14 and second.keypoints_px[5].tolist() == [7, 5]
    assert second.keypoints_known.all()  # the third row says what is hidden; hidden joints are annotated
    assert second.box_xywh.tolist() == [7, 0, 0, 13]
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": joints.transpose(1, 0, 2)})
    _, second = read(tmp_path, "lsp")
    assert second.image == "images/im00002.jpg" and np.flatnonzero(second.keypoints_known).tolist() == [3]
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": np.zeros((14, 2))})
    with pytest.raises(InputError, match="expected 3 × 14 × N"):
        read(tmp_path, "lsp")


def test_coco(tmp_path):
    keypoints = np.zeros((17, 3))
    keypoints[:3] = [[10, 20, 2], [30, 40, 1], [50, 60, 0]]
    person = {"image_id": 36, "iscrowd": 0, "keypoints": keypoints.ravel().tolist(), "bbox": [1, 2, 30, 40],
              "segmentation": [[0, 0, 10, 0, 10, 10]], "num_keypoints": 2, "category_id": 1, "id": 7}  # fmt: skip
    nobody = {**person, "keypoints": [0] * 51}
    crowd = {**person, "iscrowd": 1, "segmentation": {"counts": [1], "size": [1, 1]}}
    content = {"images": [{"id": 36, "file_name": "000000000036.jpg", "height": 480, "width": 640}],
               "annotations": [person, nobody, crowd, {**person, "segmentation": []}], "categories": []}  # fmt: skip
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val2017").mkdir()
    (tmp_path / "val2017/000000000036.jpg").write_bytes(b"")
    file = tmp_path / "annotations/person_keypoints_val2017.json"
    file.write_text(json.dumps(content))
    first, second = read(file, "coco")
    assert first.image_path == tmp_path / "val2017/000000000036.jpg" and (first.person, second.person) == (0, 1)
    assert first.keypoints_known.tolist() == [True, True] + [False] * 15 and first.image_size == (480, 640)
    assert first.mask.polygons[0].tolist() == [[0, 0], [10, 0], [10, 10]] and second.mask is None
    file.write_text(json.dumps({**content, "images": []}))
    with pytest.raises(InputError, match="not COCO's keypoint annotations .KeyError: 36"):
        read(file, "coco")


def test_up3d(tmp_path):
    # mmhuman3d, data_converters/up3d.py
    joints = np.stack([np.arange(14.0), np.arange(14.0) + 5, np.ones(14)])
    joints[2, 0] = 0
    np.save(tmp_path / "00012_joints.npy", joints)
    body = {"pose": np.arange(72.0), "betas": np.arange(10.0), "trans": np.zeros(3), "f": 5000.0}
    (tmp_path / "00012_body.pkl").write_bytes(pickle.dumps(body, protocol=2))
    (tmp_path / "00012_image.png").write_bytes(b"")
    (person,) = read(tmp_path, "up3d")
    assert person.image_path == tmp_path / "00012_image.png" and person.keypoint_set is LSP_14
    assert person.keypoints_known.sum() == 13 and person.box_xywh.tolist() == [1, 6, 12, 12]
    assert person.smpl.poses[1].tolist() == [3, 4, 5] and person.smpl.betas[9] == 9
    (tmp_path / "00012_body.pkl").write_bytes(pickle.dumps({"pose": np.zeros(66), "betas": np.zeros(10)}))
    with pytest.raises(InputError, match=r"00012_body\.pkl: not a body of UP-3D"):
        read(tmp_path, "up3d")


def test_agora(tmp_path):
    # mks0601/Hand4Whole_RELEASE, data/AGORA/data/agora2coco.py
    for kind, size in (("2d", 2), ("3d", 3)):
        (tmp_path / f"gt_joints_{kind}/smplx").mkdir(parents=True)
        values = np.arange(127.0 * size).reshape(127, size)
        (tmp_path / f"gt_joints_{kind}/smplx/5.json").write_text(json.dumps(values.tolist()))
    person = {"id": 5, "image_id": 1, "bbox": [1, 2, 3, 4], "is_valid": True, "gender": "male", "kid": False,
              "smplx_joints_2d_path": "gt_joints_2d/smplx/5.json", "smplx_joints_3d_path": "gt_joints_3d/smplx/5.json",
              "smplx_param_path": "smplx_gt/a.pkl"}  # fmt: skip
    content = {"images": [{"id": 1, "file_name_3840x2160": "3840x2160/validation/a.png"}],
               "annotations": [person, {**person, "is_valid": False}]}  # fmt: skip
    (tmp_path / "AGORA_validation.json").write_text(json.dumps(content))
    (first,) = read(tmp_path, "agora")
    assert read(tmp_path / "AGORA_validation.json", "agora")[0].image == "3840x2160/validation/a.png"
    assert first.joint_set is SMPL_24 and first.joints_known.tolist() == [True] * 22 + [False] * 2
    assert first.joints[21].tolist() == [63, 64, 65] and first.keypoints_px[1].tolist() == [2, 3]
    (tmp_path / "AGORA_validation.json").write_text(json.dumps({"annotations": [person]}))
    with pytest.raises(InputError, match="not AGORA's annotations .KeyError: 'images'"):
        read(tmp_path, "agora")
