"""Human3.6M's joints on the body: they move with it, at the distances of the data set."""

import json

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.bodies.landmarks import MARKER_JOINTS
from render_fit.bodies.parameters import BodyParameters
from render_fit.core import metrics
from render_fit.core.skeletons import H36M_17, MPI_INF_3DHP_17, mirrored_name


def test_weights_sum_to_one_so_the_points_move_with_the_body():
    for name, weights in MARKER_JOINTS.items():
        assert sum(weights.values()) == pytest.approx(1.0), name


def test_both_sides_mirror_each_other():
    for name, weights in MARKER_JOINTS.items():
        mirrored = {mirrored_name(point): weight for point, weight in weights.items()}
        assert MARKER_JOINTS[mirrored_name(name)] == mirrored


@pytest.mark.parametrize("skeleton", [H36M_17, MPI_INF_3DHP_17], ids=lambda s: s.name)
def test_lengths_are_those_of_the_data_set(skeleton):
    """Human3.6M: hips 27 cm apart and level with the pelvis, shoulders 26 cm, torso 41 cm (subjects 1 and 7)."""
    body = open_body()
    points = dict(zip(skeleton.joints, body.keypoints(body.zero_parameters(), skeleton)[0]))
    apart = {part: float((points[f"left_{part}"] - points[f"right_{part}"]).norm()) for part in ("hip", "shoulder")}
    middle = {part: (points[f"left_{part}"] + points[f"right_{part}"]) / 2 for part in ("hip", "shoulder")}
    assert apart["hip"] == pytest.approx(0.27, abs=0.015)
    assert apart["shoulder"] == pytest.approx(0.26, abs=0.02)
    assert float((middle["shoulder"] - middle["hip"]).norm()) == pytest.approx(0.43, abs=0.04)
    torch.testing.assert_close(points["pelvis"], middle["hip"], atol=1e-4, rtol=0)


def test_ground_truth_pose_lands_on_ground_truth_joints(shared_data):
    """Ground-truth SMPL pose on the mean open body: the error of a perfect fit."""
    errors = []
    for path in sorted((shared_data / "h36m").glob("*.json")):
        truth = json.loads(path.read_text())
        pose = torch.tensor(truth["smpl_pose_camera"]).reshape(1, 24, 3)
        body = open_body()
        parameters = BodyParameters.from_rotvec(pose, torch.zeros(1, body.n_betas), torch.zeros(1, 3))
        names = [f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "hip", "knee")]
        picked = [H36M_17.index(name) for name in names]
        given = torch.tensor(truth["joints_camera_m"])[None, picked]
        errors.append(float(metrics.pa_mpjpe(body.keypoints(parameters, H36M_17)[:, picked], given)))
    assert len(errors) == 2 and max(errors) < 0.035
