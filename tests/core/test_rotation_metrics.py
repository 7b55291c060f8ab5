"""Errors of rotations against values computed by scipy."""

import pytest
import torch

from render_fit.core.rotation_metrics import quaternion_error, rotation_angles, rotation_error
from render_fit.core.rotations import roma

# from scipy.spatial.transform import Rotation as R
# a, b = R.from_rotvec(A), R.from_rotvec(B)
# (a * b.inv()).magnitude()
# qa, qb = a.as_quat(), b.as_quat(); np.minimum(norm(qa - qb, axis=1), norm(qa + qb, axis=1))
A = [[0.3, -0.2, 0.5], [1.2, 0.1, -0.4], [0.0, 0.0, 0.0]]
B = [[0.1, 0.4, -0.3], [-0.9, 0.2, 2.0], [0.0, 3.0, 0.0]]
ANGLES = [1.0173395597893022, 3.116178105720181, 3.0]
QUATERNION_DISTANCES = [0.5032035006063809, 1.4051996783706877, 1.3632775200466685]


def rotations(rotvecs):
    return roma.rotvec_to_rotmat(torch.tensor(rotvecs, dtype=torch.float64))[None]


def test_angles_are_scipys_magnitudes():
    assert rotation_angles(rotations(A), rotations(B))[0].tolist() == pytest.approx(ANGLES, abs=1e-7)
    assert rotation_error(rotations(A), rotations(B)).item() == pytest.approx(sum(ANGLES) / 3, abs=1e-7)


def test_the_nearer_of_two_quaternions_counts():
    found = quaternion_error(rotations(A), rotations(B)).item()
    assert found == pytest.approx(sum(QUATERNION_DISTANCES) / 3, abs=1e-9)


def test_weights_choose_joints():
    chosen = torch.tensor([[True, False, False]])
    assert rotation_error(rotations(A), rotations(B), chosen).item() == pytest.approx(ANGLES[0], abs=1e-7)
    assert quaternion_error(rotations(A), rotations(B), chosen).item() == pytest.approx(QUATERNION_DISTANCES[0])
    assert rotation_error(rotations(A), rotations(B), torch.zeros(1, 3)).isnan().all()


def test_equal_rotations_have_no_error_and_finite_gradients():
    same = rotations(A).requires_grad_()
    assert rotation_error(same, rotations(A)).item() == pytest.approx(0, abs=1e-6)
    assert quaternion_error(same, rotations(A)).item() == 0.0
