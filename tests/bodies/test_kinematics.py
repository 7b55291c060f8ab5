"""Forward kinematics, checked by hand on two links."""

import math

import pytest
import roma
import torch

from render_fit.bodies.kinematics import Tree


def test_two_links_turned_by_right_angles() -> None:
    tree = Tree((-1, 0, 1))
    rest = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]])
    quarter = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, math.pi / 2]))
    local = torch.stack([quarter, quarter, torch.eye(3)])[None]
    rotations, joints = tree.pose(local, rest)
    # The first link turns up, the second one, bent by another quarter turn, points back.
    torch.testing.assert_close(joints[0], torch.tensor([[0.0, 0, 0], [0, 1, 0], [-1, 1, 0]]), atol=1e-6, rtol=0)
    torch.testing.assert_close(rotations[0, 2], quarter @ quarter, atol=1e-6, rtol=0)


def test_the_root_stays_where_it_rests() -> None:
    rest = torch.randn(1, 3, 3)
    _, joints = Tree((-1, 0, 0)).pose(roma.random_rotmat((1, 3)), rest)
    assert torch.equal(joints[:, 0], rest[:, 0])


@pytest.mark.parametrize("parents", [(0, 0), (-1, 2, 0), (-1, -1)])
def test_what_is_no_tree_is_refused(parents: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="earlier joint"):
        Tree(parents)
