"""Errors of accelerations against HMMR's formula."""

import pytest
import torch

from render_fit.core.motion_metrics import acceleration_error

# rng = np.random.default_rng(0); true = rng.normal(size=(5, 3, 3)).round(2)
# joints = (true + 0.1 * rng.normal(size=(5, 3, 3))).round(2)
# HMMR, src/evaluation/eval_util.py: compute_error_accel
# a, b = (x[:-2] - 2 * x[1:-1] + x[2:] for x in (joints, true)); np.linalg.norm(a - b, axis=2).mean(axis=1)
TRUE = [
    *(0.13, -0.13, 0.64, 0.1, -0.54, 0.36, 1.3, 0.95, -0.7),
    *(-1.27, -0.62, 0.04, -2.33, -0.22, -1.25, -0.73, -0.54, -0.32),
    *(0.41, 1.04, -0.13, 1.37, -0.67, 0.35, 0.9, 0.09, -0.74),
    *(-0.92, -0.46, 0.22, -1.01, -0.21, -0.16, 0.54, 0.21, 0.36),
    *(-0.65, -0.13, 0.78, 1.49, -1.26, 1.51, 1.35, 0.78, 0.26),
]
JOINTS = [
    *(0.1, 0.02, 0.84, 0.28, -0.41, 0.4, 1.18, 0.95, -0.63),
    *(-1.4, -0.58, 0.08, -2.26, -0.34, -1.32, -0.77, -0.66, -0.15),
    *(0.36, 1.07, -0.16, 1.53, -0.54, 0.41, 0.68, 0.1, -0.67),
    *(-0.82, -0.52, 0.4, -1.14, -0.28, -0.07, 0.54, 0.41, 0.38),
    *(-0.71, -0.17, 0.67, 1.36, -1.2, 1.57, 1.48, 0.7, 0.43),
]
ERRORS = [0.4089099940026049, 0.4348214471111633, 0.5201820683471016]


def arrays():
    return tuple(torch.tensor(values, dtype=torch.float64).reshape(5, 3, 3) for values in (JOINTS, TRUE))


def test_errors_are_hmmrs():
    joints, true = arrays()
    found = acceleration_error(joints, true)
    assert found[1:-1].tolist() == pytest.approx(ERRORS)
    assert found[[0, -1]].isnan().all()
    assert acceleration_error(joints, true, fps=30)[1].item() == pytest.approx(900 * ERRORS[0])


def test_a_constant_velocity_has_no_error():
    _, true = arrays()
    drift = torch.arange(5.0, dtype=torch.float64)[:, None, None] * torch.tensor([0.3, -0.1, 2.0])
    assert acceleration_error(true + drift, true)[1:-1].max() < 1e-12


def test_two_frames_have_no_acceleration():
    joints, true = arrays()
    assert acceleration_error(joints[:2], true[:2]).isnan().all()
