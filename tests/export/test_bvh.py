import numpy as np
import pytest

from render_fit.bodies import open_body
from render_fit.core.skeletons import SMPL_24
from render_fit.export.bvh import bvh
from render_fit.export.motion import motion_of
from tests.export.bvh_reader import read_bvh
from tests.export.motions import moving_fit, seen_upright


@pytest.mark.parametrize("frames", [1, 20])
def test_reading_gives_the_joints_of_the_fit(frames):
    body = open_body()
    saved = moving_fit(body, frames)
    positions, seconds = read_bvh(bvh(motion_of(saved, body, 24.0)))
    assert seconds == pytest.approx(1 / 24, rel=1e-6)
    joints = np.stack([positions[name] for name in SMPL_24.joints], 1)
    np.testing.assert_allclose(joints / 100, seen_upright(saved.joints), atol=1e-5)  # centimetres; asked for: 0.1 mm
    # leaves end within the head, the feet and the hands
    assert {name for name in positions if name.endswith(" end")} == {
        f"{name} end" for name in ("left_foot", "right_foot", "head", "left_hand", "right_hand")
    }
    assert 1 < np.linalg.norm(positions["head end"] - positions["head"], axis=1).max() < 20


def test_the_zero_pose_is_upright_and_angles_do_not_jump():
    body = open_body()
    saved = moving_fit(body, 40)  # turns by 0.7 rad from frame to frame: four times around
    text = bvh(motion_of(saved, body))
    rows = np.array([row.split() for row in text.split("Frame Time: ")[1].splitlines()[1:]], float)
    assert np.abs(np.diff(rows[:, 3:], axis=0)).max() <= 180 + 1e-6
    assert np.abs(rows[:, 3:]).max() > 360
    assert "ROOT pelvis\n{\n\tOFFSET 0.000000 0.000000 0.000000\n\tCHANNELS 6 Xposition Yposition Zposition " in text


def test_rotations_where_two_axes_coincide():
    body = open_body()
    saved = moving_fit(body, 3)
    saved.poses[:, 3 * 16 : 3 * 17] = [np.pi / 2, 0, 0]  # X by 90° between Z and Y
    motion = motion_of(saved, body)
    joints = body.kinematics(motion.parameters).joints.numpy()
    positions, _ = read_bvh(bvh(motion))
    np.testing.assert_allclose(positions["left_wrist"] / 100, joints[:, 20], atol=1e-5)
