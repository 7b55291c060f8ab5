"""Poses with the frequencies of photos: activities by geometry, calibrated knees, sampling."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.mocap import MocapPoses
from render_fit.datasets.mocap_activities import classify, knee_flexion, trunk_tilt
from render_fit.datasets.mocap_calibration import bend_knee, calibrate_knees
from render_fit.synthesis import everyday_pose
from render_fit.synthesis.poses.everyday import FREQUENCIES, EverydayPoses

KNEES = [SMPL_24.index("left_knee"), SMPL_24.index("right_knee")]


def joints(pose: np.ndarray) -> np.ndarray:
    tensor = torch.from_numpy(np.asarray(pose)).float()
    count = len(tensor)
    return (
        open_body()
        .kinematics(BodyParameters.from_rotvec(tensor, torch.zeros(count, 10), torch.zeros(count, 3)))
        .joints.numpy()
    )


def named(*names: str) -> np.ndarray:
    return torch.stack([everyday_pose(name) for name in names]).numpy()


@pytest.mark.parametrize(
    ("name", "activity"),
    [
        ("standing", "standing"),
        ("t_pose", "standing"),
        ("walking", "walking"),
        ("bowing", "bending"),
        ("squat", "crouching"),
    ],
)
def test_activities_of_poses_set_by_hand(name: str, activity: str) -> None:
    assert classify(joints(named(name))) == (activity,)


def test_angles_of_the_zero_pose() -> None:
    zero = joints(np.zeros((1, 24, 3)))
    assert np.degrees(knee_flexion(zero)) == pytest.approx(np.full((1, 2), 9.2), abs=0.5)
    assert np.degrees(trunk_tilt(zero)) == pytest.approx([0], abs=6)


def test_bending_a_knee_keeps_the_sole_and_the_line_from_hip_to_ankle() -> None:
    pose = named("walking").astype(np.float64)
    bent = bend_knee(pose, KNEES[0], np.array([0.3]))

    def chain(values: np.ndarray) -> Rotation:
        return Rotation.concatenate([Rotation.from_rotvec(values[0, joint]) for joint in (1, 4, 7)])

    def sole(values: np.ndarray) -> Rotation:
        hip, knee, ankle = chain(values)
        return hip * knee * ankle

    assert (sole(pose).inv() * sole(bent)).magnitude() < 1e-6
    before, after = joints(pose)[0], joints(bent)[0]
    direction = [(values[7] - values[1]) / np.linalg.norm(values[7] - values[1]) for values in (before, after)]
    assert np.degrees(np.arccos(np.clip(direction[0] @ direction[1], -1, 1))) < 3
    assert bent[0, KNEES[0], 0] == pytest.approx(pose[0, KNEES[0], 0] + 0.3)


def test_a_subjects_constant_offset_of_the_knees_is_removed() -> None:
    rng = np.random.default_rng(0)
    pose = np.zeros((200, 24, 3))
    true = np.abs(rng.normal(0, 0.15, (200, 2)))
    pose[:, KNEES, 0] = true + np.repeat([[0.2], [0.0]], 100, axis=0)
    calibrated = calibrate_knees(pose, ["a"] * 100 + ["b"] * 100, np.ones(200, dtype=bool))
    for start in (0, 100):
        found = calibrated[start : start + 100, KNEES, 0]
        assert np.percentile(found.min(axis=1), 10) == pytest.approx(0, abs=0.01)
        assert np.ptp(found - true[start : start + 100]) < 0.06  # one offset for all but where the limit is reached
    # Poses with a bent trunk do not determine it.
    assert np.array_equal(calibrate_knees(pose, ["a"] * 200, np.zeros(200, dtype=bool)), pose)


@pytest.fixture(scope="module")
def poses() -> EverydayPoses:
    return EverydayPoses(
        MocapPoses(
            pose=named("standing", "walking", "squat", "bowing", "arms_up"),
            subject=tuple("abcde"),
            clip=tuple("abcde"),
            source=tuple("abcde"),
            activity=("standing", "walking", "crouching", "bending", "other"),
        )
    )


def test_samples_have_the_stated_frequencies_and_repeat(poses: EverydayPoses) -> None:
    pose, names = poses.sample(400, torch.Generator().manual_seed(0))
    assert sum(FREQUENCIES.values()) == pytest.approx(1)
    for activity, frequency in FREQUENCIES.items():
        assert names.count(activity) == pytest.approx(400 * frequency, abs=1)
    again, _ = poses.sample(400, torch.Generator().manual_seed(0))
    assert pose.shape == (400, 24, 3) and torch.equal(pose, again)


def test_people_stand_on_straight_legs_and_sit_on_bent_ones(poses: EverydayPoses) -> None:
    generator = torch.Generator().manual_seed(1)
    knees = {
        activity: np.degrees(poses.sample_activity(activity, 500, generator)[:, KNEES, 0].numpy())
        for activity in ("standing", "weight on one leg", "sitting")
    }
    standing = knees["standing"]
    assert abs(np.median(standing)) < 1 and np.percentile(np.abs(standing), 95) < 12
    one = np.sort(knees["weight on one leg"], axis=1)
    assert abs(np.median(one[:, 0])) < 1 and np.median(one[:, 1] - one[:, 0]) > 7
    assert np.median(knees["sitting"]) == pytest.approx(83, abs=5)


def test_an_activity_without_motion_capture_is_named() -> None:
    only = MocapPoses(named("standing"), ("a",), ("a",), ("a",), ("standing",))
    with pytest.raises(ValueError, match="no pose of this activity"):
        EverydayPoses(only).sample_activity("crouching", 3, torch.Generator())


@pytest.mark.parametrize("count", [0, 1, 7])
def test_few_poses_are_those_of_frequent_activities(poses, count) -> None:
    found, activities = poses.sample(count, torch.Generator().manual_seed(0))
    assert found.shape == (count, 24, 3) and len(activities) == count
