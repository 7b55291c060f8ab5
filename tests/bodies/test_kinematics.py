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
def test_parents_that_form_no_tree_are_an_error(parents: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="earlier joint"):
        Tree(parents)


def test_gradient_is_that_of_the_matrix_product() -> None:
    parents = (-1, 0, 0, 1, 2, 2, 3)
    local = roma.random_rotmat((2, len(parents)), dtype=torch.float64).requires_grad_()
    rest = torch.randn(2, len(parents), 3, dtype=torch.float64, requires_grad=True)
    turns, places = [local[:, 0]], [rest[:, 0]]
    for joint, parent in enumerate(parents[1:], start=1):
        turns.append(turns[parent] @ local[:, joint])
        places.append(places[parent] + (turns[parent] @ (rest[:, joint] - rest[:, parent])[..., None])[..., 0])
    by_hand = torch.stack(turns, 1), torch.stack(places, 1)
    tree = Tree(parents).to(rest)
    posed = tree.pose(local, rest)
    weights = [torch.randn_like(one) for one in posed]
    gradients = [torch.autograd.grad([one.sin() for one in pair], [local, rest], weights) for pair in (posed, by_hand)]
    for ours, theirs in zip((*posed, *gradients[0]), (*by_hand, *gradients[1]), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)


def test_gradient_has_a_gradient() -> None:
    tree = Tree((-1, 0, 1, 1)).to(torch.zeros((), dtype=torch.float64))
    rotvec = 0.5 * torch.randn(1, 4, 3, dtype=torch.float64)
    rest = torch.randn(1, 4, 3, dtype=torch.float64)

    def posed(rotvec: torch.Tensor, rest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return tree.pose(roma.rotvec_to_rotmat(rotvec), rest)

    assert torch.autograd.gradgradcheck(posed, (rotvec.requires_grad_(), rest.requires_grad_()))
