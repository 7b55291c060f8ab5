"""Errors of a known person who is moved, turned and shaped by known amounts."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.errors import InputError
from render_fit.core.skeletons import COCO_17, LSP_14, SMPL_24
from render_fit.datasets.benchmarks.annotated_person import SmplTruth
from render_fit.datasets.benchmarks.joint_sets import PUBLISHED_14, SPIN_H36M
from render_fit.evaluation.benchmark.errors import person_errors
from render_fit.evaluation.benchmark.joint_regressor import REGRESSED_17, read_joint_regressor
from tests.evaluation.benchmark.predicted import annotated, known_person, true_joints


def joints(skeleton, **changes):
    points = true_joints(skeleton)
    for name, shift in changes.items():
        points[skeleton.index(name)] += shift
    return {"joint_set": skeleton, "joints": points, "joints_known": np.ones(len(points), dtype=bool)}


def test_joints_are_compared_relative_to_the_pelvis():
    truth = joints(SPIN_H36M, left_wrist=[0, 0.142, 0], right_knee=[0.278, 0, 0], jaw=[9, 9, 9])
    truth["joints"] += [5, 6, 7]
    found = person_errors(known_person(), open_body(), annotated("a.jpg", **truth), PUBLISHED_14)
    # two of 14 joints are off, by 142 and 278 mm; the jaw is not one of them
    assert found.values["mpjpe_mm"] == pytest.approx(30, abs=1e-3)
    assert found.values["pck_3d"] == pytest.approx(13 / 14)
    assert found.values["auc_3d"] == pytest.approx((12 * 30 + 2) / 14 / 31)  # 145 and 150 mm find the wrist
    assert sorted(round(1000 * float(d)) for d in found.distances_m)[-2:] == [142, 278]
    assert set(found.values) == {"mpjpe_mm", "pa_mpjpe_mm", "pck_3d", "auc_3d"}


def test_unknown_joints_do_not_count_and_hips_replace_an_unknown_pelvis():
    truth = joints(SPIN_H36M, left_wrist=[9, 9, 9], pelvis=[9, 9, 9])
    for name in ("left_wrist", "pelvis"):
        truth["joints_known"][SPIN_H36M.index(name)] = False
    found = person_errors(known_person(), open_body(), annotated("a.jpg", **truth), PUBLISHED_14)
    assert found.values["mpjpe_mm"] == pytest.approx(0, abs=1e-3) and len(found.distances_m) == 13


def test_rotations_are_compared_without_any_body_of_the_truth():
    saved = known_person()
    poses = saved.poses.reshape(24, 3).astype(np.float64)
    poses[4] = [0.44, 0, 0]  # the left knee, which is straight in the prediction
    poses[22] = [1, 1, 1]  # a hand, which does not count
    found = person_errors(saved, open_body(), annotated("a.jpg", smpl=SmplTruth(poses, np.zeros(10)))).values
    assert set(found) == {"rotation_deg", "quaternion"}
    assert found["rotation_deg"] == pytest.approx(math.degrees(0.44) / 22, abs=1e-3)
    assert found["quaternion"] == pytest.approx(2 * math.sin(0.11) / 22, abs=1e-5)


def test_surfaces_are_compared_where_the_meshes_are_the_same():
    saved, body = known_person(), open_body()
    poses = saved.poses.reshape(24, 3).astype(np.float64)
    same = SmplTruth(poses, saved.betas.astype(np.float64))
    found = person_errors(replace(saved, trans=saved.trans + 1), body, annotated("a.jpg", smpl=same), (), body).values
    assert found["pve_mm"] == pytest.approx(0, abs=1e-2) and found["pve_t_sc_mm"] == pytest.approx(0, abs=1e-3)
    assert found["mpjpe_mm"] == pytest.approx(0, abs=1e-2)  # joints of the true body, as none are annotated
    other = person_errors(saved, body, annotated("a.jpg", smpl=SmplTruth(poses, -3 * same.betas)), (), body).values
    assert other["pve_mm"] > other["pa_pve_mm"] > 1 and other["pve_t_sc_mm"] > 1
    assert person_errors(saved, body, annotated("a.jpg", smpl=same)).values.keys() == {"rotation_deg", "quaternion"}


def regressor_of_means():
    """(17, V) joints that are means of vertices, the first ones of the mesh for the pelvis and so on."""
    body = open_body()
    weights = torch.zeros(17, body.n_vertices)
    for row in range(17):
        weights[row, 300 * row : 300 * row + 50] = 1 / 50
    return weights


def test_joints_are_regressed_from_the_mesh_where_a_regressor_is_given():
    saved, body, weights = known_person(), open_body(), regressor_of_means()
    regressed = (weights @ body(saved.parameters()).vertices)[0].numpy().astype(np.float64)
    truth = joints(SPIN_H36M)
    for joint, point in zip(REGRESSED_17, regressed, strict=True):
        truth["joints"][SPIN_H36M.index(joint)] = point
    truth["joints"][SPIN_H36M.index("head_top"), 0] += 0.07
    found = person_errors(saved, body, annotated("a.jpg", **truth), PUBLISHED_14, None, weights)
    assert found.values["mpjpe_mm"] == pytest.approx(70 / 14, abs=1e-3) and len(found.distances_m) == 14
    smpl = SmplTruth(saved.poses.reshape(24, 3).astype(np.float64), saved.betas.astype(np.float64))
    same = person_errors(saved, body, annotated("a.jpg", smpl=smpl), PUBLISHED_14, body, weights)
    assert same.values["mpjpe_mm"] == pytest.approx(0, abs=1e-2) and len(same.distances_m) == 14
    other_mesh = person_errors(saved, body, annotated("a.jpg", **truth), PUBLISHED_14, None, weights[:, :6890])
    assert other_mesh.values["mpjpe_mm"] > 70


def test_files_that_are_no_regressor_are_told(tmp_path):
    np.save(tmp_path / "r.npy", np.zeros((24, 6890)))
    with pytest.raises(InputError, match=r"r\.npy: expected the shape \(17, vertices\), got \(24, 6890\)"):
        read_joint_regressor(tmp_path / "r.npy")
    (tmp_path / "r.npy").write_text("no array")
    with pytest.raises(InputError, match="not a readable .npy file"):
        read_joint_regressor(tmp_path / "r.npy")
    np.save(tmp_path / "r.npy", regressor_of_means().numpy())
    assert read_joint_regressor(tmp_path / "r.npy").shape == (17, open_body().n_vertices)


def test_keypoints_are_compared_in_the_image():
    saved = known_person()
    points = saved.camera().project(open_body().keypoints(saved.parameters(), LSP_14))[0].numpy().astype(np.float64)
    head = np.linalg.norm(points[LSP_14.index("head_top")] - points[LSP_14.index("neck")])
    points[LSP_14.index("left_wrist")] += [0.6 * head, 0]
    known = np.ones(14, dtype=bool)
    known[LSP_14.index("right_ankle")] = False
    truth = annotated("a.jpg", keypoint_set=LSP_14, keypoints_px=points, keypoints_known=known)
    found = person_errors(saved, open_body(), truth).values
    assert found["keypoint_px"] == pytest.approx(0.6 * head / 13, abs=1e-3)
    assert found["pckh"] == pytest.approx(12 / 13)
    assert found["pck_box"] == pytest.approx(12 / 13)  # 5 % of 160 px is less than 0.6 heads
    coco = annotated("a.jpg", keypoint_set=COCO_17, keypoints_px=np.zeros((17, 2)), keypoints_known=np.zeros(17, bool))
    assert person_errors(saved, open_body(), coco).values == {}


def test_too_few_joints_are_left_out():
    truth = joints(SMPL_24)
    truth["joints_known"][3:] = False
    assert "mpjpe_mm" in person_errors(known_person(), open_body(), annotated("a.jpg", **truth)).values
    truth["joints_known"][2:] = False
    assert person_errors(known_person(), open_body(), annotated("a.jpg", **truth)).values == {}
