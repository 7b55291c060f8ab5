"""Curvature by differences of gradients, and variables in which it is one."""

import pytest
import torch

from render_fit.fitting.curvature import Whitened, hessian, whitening

A = torch.tensor(
    [[[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 100.0]], [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]]
)


def gradient(points):
    """Of ½ xᵀ A x for the points of each problem in turn."""
    rows = torch.arange(2).repeat_interleave(len(points) // 2)
    return (A[rows] @ points[..., None])[..., 0]


def test_hessian_of_a_quadratic():
    found = hessian(gradient, torch.randn(2, 3))
    torch.testing.assert_close(found, A, atol=1e-2, rtol=1e-3)


def test_whitening_makes_curvature_one():
    W = whitening(A, floor=0.0)
    torch.testing.assert_close(W.mT @ A @ W, torch.eye(3).expand(2, 3, 3), atol=1e-5, rtol=0)


def test_floor_and_negative_curvature():
    curvature = torch.diag_embed(torch.tensor([[0.0, -4.0, 1e6]]))
    W = whitening(curvature, floor=5.0)
    # steps of 1/√(|curvature| + floor), in the order of the eigenvalues: −4, 0, 10⁶
    torch.testing.assert_close(W[0].abs().amax(dim=0), torch.tensor([1 / 3, 5**-0.5, 1e-3]), rtol=1e-4, atol=0)
    assert whitening(torch.full((1, 2, 2), torch.nan), floor=1.0).isfinite().all()


def test_whitened_variables_unpack_to_the_named_ones():
    start = {"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([[[3.0], [4.0]]])}
    scales = {"a": 0.5, "b": 10.0}
    plain = Whitened(start, scales, None)
    assert plain.origin.shape == (1, 4) and not plain.origin.any()
    values = plain.unpack(torch.tensor([[1.0, 0.0, 0.0, -1.0]]))
    assert values["a"].tolist() == [[1.5, 2.0]] and values["b"].tolist() == [[[3.0], [-6.0]]]
    mixed = Whitened(start, scales, torch.tensor([[[0.0, 2.0], [1.0, 0.0]]]))
    values = mixed.unpack(torch.tensor([[1.0, 3.0, 0.0, 0.0]]))
    # head: W (1, 3) = (6, 1), in units of 0.5; the tail is not whitened
    assert values["a"].tolist() == [[4.0, 2.5]] and values["b"].tolist() == [[[3.0], [4.0]]]


@pytest.mark.parametrize("rows", [1, 5])
def test_origin_has_a_row_for_each_problem(rows):
    assert Whitened({"x": torch.zeros(rows, 2, 3)}, {"x": 1.0}, None).origin.shape == (rows, 6)
