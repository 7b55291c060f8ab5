"""The experiment on the joints' covariances: what counts as inside of a region."""

from __future__ import annotations

import pytest
import torch

from render_fit.core.skeletons import SMPL_24
from render_fit.evaluation.experiments.joint_uncertainty import DIRECTIONS, JOINT_GROUPS, regions

COUNT = 20_000


def test_nine_of_ten_samples_of_the_covariance_are_inside_of_every_region():
    joint = torch.tensor([0.7, -0.4, 2.5])
    root = torch.tensor([[0.02, 0.0, 0.0], [0.01, 0.03, 0.0], [0.05, -0.02, 0.15]])
    errors = torch.randn(COUNT, 3) @ root.T
    found = regions(joint.expand(COUNT, 3), errors, (root @ root.T).expand(COUNT, 3, 3))
    for name in DIRECTIONS:
        assert float(found[name].mean()) == pytest.approx(0.9, abs=0.01)
    for direction in ("depth", "across"):
        square, variance = (float(found[f"{kind}_{direction}"].mean()) for kind in ("square", "variance"))
        assert square == pytest.approx(variance, rel=0.05)


def test_depth_is_along_the_viewing_ray():
    joint = torch.tensor([[1.0, 0.5, 2.0]])
    ray = torch.nn.functional.normalize(joint, dim=1)
    right = torch.nn.functional.normalize(torch.linalg.cross(torch.tensor([[0.0, 1.0, 0.0]]), ray), dim=1)
    covariance = 1e-4 * torch.eye(3)[None]
    along, across = regions(joint, 0.1 * ray, covariance), regions(joint, 0.1 * right, covariance)
    assert (float(along["depth"]), float(along["across"]), float(along["all"])) == (0, 1, 0)
    assert (float(across["depth"]), float(across["across"]), float(across["all"])) == (1, 0, 0)
    assert float(along["square_depth"]) == pytest.approx(0.01) and float(along["square_across"]) < 1e-9
    assert float(across["square_across"]) == pytest.approx(0.005)  # per axis


def test_every_joint_is_in_one_group():
    assert sorted(joint for joints in JOINT_GROUPS.values() for joint in joints) == sorted(SMPL_24.joints)
