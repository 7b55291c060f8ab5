"""The experiment on joint angles: their definition, the people, and a small run."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from render_fit.bodies import open_body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.mocap_activities import classify
from render_fit.evaluation.experiments import pose_calibration
from render_fit.evaluation.experiments.pose_calibration import ANGLES, CALIBRATED, activity_views, flexions_deg
from render_fit.evaluation.experiments.runner import run_experiment
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import Metrics


def flexions(*rotated: tuple[str, float]) -> dict[str, float]:
    """Flexions of the open body with joints rotated about x, degrees."""
    pose = torch.zeros(1, 24, 3)
    for joint, angle in rotated:
        pose[0, SMPL_24.index(joint), 0] = math.radians(angle)
    body = open_body()
    parameters = BodyParameters.from_rotvec(pose, torch.zeros(1, body.n_betas), torch.zeros(1, 3))
    return flexions_deg(body(parameters).joints[0].double().numpy())


def test_angles_follow_the_rotation_of_the_joint():
    straight = flexions()
    assert set(straight) == set(ANGLES)
    assert all(0 <= value < 25 for value in straight.values())
    one = flexions(("left_knee", 60))
    assert one["straighter_knee"] == pytest.approx(straight["straighter_knee"], abs=2)
    assert one["knees"] - straight["knees"] == pytest.approx(30, abs=6)
    both = flexions(("left_knee", 60), ("right_knee", 60))
    assert both["straighter_knee"] - straight["straighter_knee"] == pytest.approx(60, abs=12)
    sitting = flexions(("left_hip", -90), ("right_hip", -90))
    assert sitting["hips"] == pytest.approx(90, abs=12)
    assert sitting["knees"] == pytest.approx(straight["knees"], abs=0.01)
    bent = flexions(("spine2", 40))
    assert abs(bent["trunk"] - straight["trunk"]) > 15


def test_flexions_do_not_depend_on_the_frame():
    rng = np.random.default_rng(0)
    joints = rng.standard_normal((24, 3))
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    assert flexions_deg(3 * joints @ turn + 5) == pytest.approx(flexions_deg(joints))


def test_bias_and_spread_are_of_the_errors():
    people = [Metrics({"hips_true": true, "hips_error": error}) for true, error in ((90, 2), (80, -4), (10, 8))]
    figures = {"true": 80, "bias": 2.0, "median bias": 2, "spread": 4.9}
    assert pose_calibration._bias(people, "hips") == figures
    assert set(pose_calibration._bias([], "hips").values()) == {None}


def test_activities_take_turns_and_do_not_depend_on_the_limit(shared_data: Path):
    config = ExperimentConfig(Path("unused"), data=shared_data)
    views = activity_views(config)
    few = activity_views(ExperimentConfig(Path("unused"), data=shared_data, limit=2))
    assert [view.number for view in views] == list(range(4 * pose_calibration.N_PEOPLE))
    assert [view.activity for view in few] == [*CALIBRATED, *CALIBRATED]
    for view, same in zip(few, views[:8], strict=True):
        assert view.number == same.number
        torch.testing.assert_close(view.pose, same.pose)
    body = open_body()
    pose = torch.stack([view.pose for view in views])
    parameters = BodyParameters.from_rotvec(pose, torch.zeros(len(pose), body.n_betas), torch.zeros(len(pose), 3))
    joints = body(parameters).joints.double().numpy()
    knees = {name: [] for name in CALIBRATED}
    for view, one in zip(views, joints, strict=True):
        knees[view.activity].append(flexions_deg(one)["straighter_knee"])
    assert max(knees["standing"]) < 35 and min(knees["crouching"]) > 50 and np.median(knees["sitting"]) > 50
    crouching = [one for view, one in zip(views, joints, strict=True) if view.activity == "crouching"]
    assert classify(np.stack(crouching)).count("crouching") > 0.8 * len(crouching)


def test_a_small_run_reports_every_activity(shared_data: Path, tmp_path: Path):
    options = {"data": shared_data, "limit": 1, "recipes": ("predict",)}
    result = run_experiment("pose-calibration", tmp_path, **options)
    assert [person.values["activity"] for person in result.people] == list(CALIBRATED)
    for activity in CALIBRATED:
        assert result.summary[f"{activity}: people"] == 1
        for words in ANGLES.values():
            assert set(result.summary[f"{activity}: {words}, °"]) == {"true", "bias", "median bias", "spread"}
    assert (tmp_path / "pose-calibration.png").stat().st_size > 0
