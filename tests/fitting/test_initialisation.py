"""Where a fit begins: upright along the person, at about the right depth."""

import math

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.cameras import camera_from_focal
from render_fit.core.skeletons import COCO_17
from render_fit.fitting.initialisation import DEFAULT_POSES, TORSO, default_hypotheses
from render_fit.losses.targets import FitTargets, targets_from
from render_fit.synthesis import everyday_pose, synthetic_scene
from render_fit.synthesis.placement import view_rotation


def keypoints_at(**joints: tuple[float, float]) -> FitTargets:
    """A 100 px crop in which only the named joints were seen."""
    points, confidence = torch.zeros(1, 17, 2), torch.zeros(1, 17)
    for name, point in joints.items():
        points[0, COCO_17.index(name)], confidence[0, COCO_17.index(name)] = torch.tensor(point), 1.0
    return FitTargets(
        camera=camera_from_focal(150.0, 100, 100),
        person_size_px=torch.tensor([80.0]),
        valid=torch.ones(1, 100, 100, dtype=torch.bool),
        keypoints_px=points,
        confidence=confidence,
        skeleton=COCO_17,
    )


# Facing the camera: the person's left is on the image's right.
UPRIGHT = {
    "left_shoulder": (60.0, 30.0),
    "right_shoulder": (40.0, 30.0),
    "left_hip": (57.0, 60.0),
    "right_hip": (43.0, 60.0),
}


def up_in_picture(targets: FitTargets) -> float:
    """Angle of the body's up axis in the image, radians: 0 upright, positive to the right."""
    start = default_hypotheses(open_body(), targets, 10, [0.0], ["standing"])
    up = start.orient_start[0, :, 1]
    return math.atan2(float(up[0]), float(-up[1]))


@pytest.mark.parametrize("turn_deg", [0.0, 90.0, -60.0, 180.0])
def test_bodies_start_along_the_torso(turn_deg):
    turn = math.radians(turn_deg)
    c, s = math.cos(turn), math.sin(turn)
    turned = {
        name: (50 + c * (x - 50) - s * (y - 45), 45 + s * (x - 50) + c * (y - 45)) for name, (x, y) in UPRIGHT.items()
    }
    found = up_in_picture(keypoints_at(**turned))
    assert abs(math.remainder(found - turn, 2 * math.pi)) < 0.02


def test_upright_where_the_torso_says_nothing():
    assert up_in_picture(keypoints_at(left_shoulder=(60.0, 30.0), right_shoulder=(40.0, 30.0))) == pytest.approx(
        0, abs=1e-5
    )
    # seen from above: shoulders and hips on one spot
    spot = dict.fromkeys(TORSO, (50.0, 50.0)) | {"left_shoulder": (51.0, 52.0)}
    assert up_in_picture(keypoints_at(**spot)) == pytest.approx(0, abs=1e-5)


def test_one_hypothesis_for_each_yaw_and_pose():
    targets = keypoints_at(**UPRIGHT)
    start = default_hypotheses(open_body(), targets, 10, [0.0, 90.0, 180.0], ["standing", "sitting"], clothing_dim=48)
    assert len(start) == 6 and start.clothing.shape == (6, 48)
    facing = start.orient_start[:3, 2, 2]
    # the body's front (its z) points at the camera, sideways, away
    torch.testing.assert_close(facing, torch.tensor([-1.0, 0.0, 1.0]), atol=1e-5, rtol=0)
    assert not start.betas.any() and not start.clothing.any()
    assert set(DEFAULT_POSES) == {"zero", "standing", "sitting", "arms_up"}


@pytest.mark.parametrize("given", ["keypoints", "mask"])
@pytest.mark.parametrize("pose", ["standing", "sitting"])
def test_placed_at_about_the_right_depth(given, pose):
    body = open_body()
    scene = synthetic_scene(body, everyday_pose(pose), seed=5, yaw_rad=0.3, betas=torch.zeros(10))
    observation = scene.observation(keypoints=given == "keypoints", mask=given == "mask")
    targets = targets_from(observation, scene.camera, 128, 0.1)
    start = default_hypotheses(body, targets, 10, [0.0], [pose])
    joints = body(start.parameters(body)).joints[0]
    # 15 %: poses differ; a bone's foreshortening is known to the start only through its own pose
    assert joints[0, 2].item() == pytest.approx(scene.joints_camera[0, 2].item(), rel=0.15)
    offset_px = scene.camera.project(joints[None, :1]) - scene.camera.project(scene.joints_camera[None, :1])
    assert offset_px.norm() < 12  # of a person 184 px tall


def test_starts_face_as_the_scenes_do():
    """0° is a person who faces the camera, and yaw turns both the same way."""
    start = default_hypotheses(open_body(), keypoints_at(**UPRIGHT), 10, [0.0, 40.0], ["zero"])
    torch.testing.assert_close(start.orient_start[0], view_rotation(0.0), atol=1e-5, rtol=0)
    torch.testing.assert_close(start.orient_start[1], view_rotation(math.radians(40.0)), atol=1e-5, rtol=0)
