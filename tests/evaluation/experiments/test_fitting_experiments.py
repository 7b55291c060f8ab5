"""The experiments on starts, time and basins of convergence run at small size and measure what they say."""

import math
from pathlib import Path

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.evaluation.experiments import convergence_basin
from render_fit.evaluation.experiments.convergence_basin import Setting, displaced
from render_fit.evaluation.experiments.error_over_time import NearTheTruth
from render_fit.evaluation.experiments.runner import run_experiment
from render_fit.fitting.variables import Variables
from render_fit.synthesis import everyday_pose, synthetic_scene


@pytest.fixture(scope="module")
def scene():
    return synthetic_scene(open_body(), everyday_pose("walking"), seed=3)


@pytest.mark.parametrize(("kind", "size", "count"), [("shift", 0.2, 2), ("turn", 60.0, 2), ("limb", 30.0, 4)])
def test_people_are_moved_as_far_as_the_column_says(scene, kind, size, count):
    body = open_body()
    truth = Variables.from_parameters(body, scene.parameters)
    begins = displaced(body, truth, kind, size)
    assert len(begins) == count
    true = scene.joints_camera
    for begin in begins:
        parameters = begin.parameters(body)
        joints = body.kinematics(parameters).joints[0]
        if kind == "shift":
            assert (joints - true).norm(dim=-1).mean() == pytest.approx(size, rel=0.02)
        else:
            turn = parameters.rotations @ scene.parameters.rotations.mT
            angles = torch.acos(((turn.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1))
            assert int((angles > 0.05).sum()) == 1  # one joint
            assert float(angles.max()) == pytest.approx(math.radians(size), rel=0.35)  # axis-angles are added


def test_a_distance_transform_has_a_wider_basin_than_a_sharp_silhouette(tmp_path: Path, monkeypatch):
    settings = (Setting({"silhouette_l2": 200.0}, 0.5, 48), Setting({"silhouette_distance": 200.0}, 1.0, 48))
    monkeypatch.setattr(convergence_basin, "SETTINGS", settings)
    monkeypatch.setattr(convergence_basin, "MOVES", {"shift": (0.02, 0.8)})
    sharp, distance = run_experiment("convergence-basin", tmp_path, limit=1).people
    assert sharp.values["what"] == "silhouette_l2, contour, σ 0.5 px, 48 px"
    assert sharp.values["shift 0.02"] == 100 > sharp.values["shift 0.8"]  # beside the person there is no gradient
    assert distance.values["shift 0.8"] > 0


def test_a_start_near_the_truth_is_as_far_away_as_it_says(scene):
    body = open_body()
    near, far = (
        NearTheTruth(scene.parameters, error, seed=0)(body, scene.observation(), scene.camera, 10)[0]
        for error in (1e-4, 0.5)
    )
    true = body.kinematics(scene.parameters).joints
    off = [
        float((body.kinematics(one.variables.parameters(body)).joints - true).norm(dim=-1).mean())
        for one in (near, far)
    ]
    assert off[0] < 0.08 < 0.12 < off[1]  # the mean shape alone is some centimetres off
    assert float(near.joint_error.max()) < float(far.joint_error.min())


def test_every_stage_of_every_start_has_a_row(shared_data: Path, tmp_path: Path):
    table = run_experiment("error-over-time", tmp_path, data=shared_data, limit=1)
    rows = {(row.values["what"], row.values["after"]): row.values for row in table.people}
    starts = ("default poses", "lifter", "truth ± 0.1 rad", "truth ± 0.3 rad", "truth ± 0.6 rad")
    assert {what for what, _ in rows} == set(starts)
    for start in starts[1:]:
        assert rows[start, "fine"]["seconds"] > rows[start, "start"]["seconds"]
    errors = [rows[start, "start"]["pa_mpjpe_mm"] for start in starts[2:]]
    assert errors == sorted(errors)
