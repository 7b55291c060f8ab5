"""3D PCK and its area against mmpose's formulas."""

import pytest
import torch

from render_fit.core.threshold_metrics import auc_3d, pck_3d, pck_curve

ERRORS = [[0.01, 0.052, 0.149, 0.4], [0.0, 0.151, 0.2, 0.003]]
# mmpose, evaluation/functional/mesh_eval.py and keypoint_eval.py: keypoint_3d_pck, keypoint_3d_auc
# [(e < 0.15).mean() for e in ERRORS]
PCK = [0.75, 0.5]
# [np.mean([(e < t).mean() for t in np.linspace(0, 150, 31) / 1000]) for e in ERRORS]
AUC = [0.3951612903225806, 0.4838709677419355]


def displaced():
    true = torch.arange(24.0, dtype=torch.float64).reshape(2, 4, 3)
    moved = true.clone()
    moved[..., 0] += torch.tensor(ERRORS, dtype=torch.float64)
    return moved, true


def test_pck_and_auc_are_mmposes():
    moved, true = displaced()
    assert pck_3d(moved, true).tolist() == PCK
    assert auc_3d(moved, true).tolist() == pytest.approx(AUC)


def test_joints_that_are_not_known_do_not_count():
    moved, true = displaced()
    known = torch.tensor([[True, True, False, False], [False, False, False, False]])
    moved[~known] = torch.nan
    found = pck_3d(moved, true, known)
    assert found[0] == 1.0 and found[1].isnan()
    assert auc_3d(moved, true, known)[0].item() == pytest.approx((28 + 20) / 62)  # of 31 thresholds 28 and 20 find them


def test_the_curve_rises_from_nothing_to_everything():
    curve = pck_curve(torch.tensor(ERRORS), torch.tensor([0.0, 0.05, 0.15, 0.5]))
    assert curve.tolist() == [[0.0, 0.25, 0.75, 1.0], [0.0, 0.5, 0.5, 1.0]]
