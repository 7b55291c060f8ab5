"""Terms on clothing: values by hand on the open body's surface."""

from dataclasses import replace

import pytest
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.bodies.clothing import clothing_basis
from render_fit.bodies.mesh_operators import mirror_vertices, vertex_normals
from render_fit.core.parts import PART_LOOSENESS_M
from render_fit.losses.fit_state import FitState
from render_fit.losses.offsets import ClothingCoefficients, OffsetLaplacian, OffsetSize, OffsetSymmetry
from tests.losses.factories import standing, targets

FREE = [OffsetSize(), OffsetLaplacian(), OffsetSymmetry()]


def worn(offsets, clothing=None) -> FitState:
    made = standing(1 if offsets is None else len(offsets))
    parameters = BodyParameters(made.rotations, made.betas, made.transl, offsets)
    return FitState(open_body(), parameters, targets(), clothing=clothing)


def everywhere(*offset: float) -> torch.Tensor:
    return torch.tensor(offset).expand(1, open_body().n_vertices, 3).clone()


def test_size_by_hand():
    assert OffsetSize(sigma_m=0.02)(worn(everywhere(0.0, 0.02, 0.0))).item() == pytest.approx(1.0)
    assert OffsetSize(sigma_m=0.02)(worn(everywhere(0.02, 0.02, 0.02))).item() == pytest.approx(3.0)


def test_laplacian_by_hand():
    assert OffsetLaplacian()(worn(everywhere(0.01, 0.02, 0.03))).item() == pytest.approx(0.0, abs=1e-6)
    spike = everywhere(0.0, 0.0, 0.0)
    spike[0, 100, 1] = 0.002
    faces = open_body().faces
    neighbours = faces[(faces == 100).any(dim=1)].unique()
    degrees = torch.tensor([len(faces[(faces == i).any(dim=1)].unique()) - 1 for i in neighbours.tolist() if i != 100])
    # The spike differs by all of itself from its neighbours' mean, each neighbour by 1 / degree from its own.
    expected = (1 + (1 / degrees).square().sum()) / open_body().n_vertices
    assert OffsetLaplacian(sigma_m=0.002)(worn(spike)).item() == pytest.approx(expected.item(), rel=1e-3)


def test_symmetry_by_hand():
    vertices = open_body().v_template
    mirrored = everywhere(0.0, 0.0, 0.0)
    mirrored[0] = 0.02 * vertices  # grows alike on both sides
    assert OffsetSymmetry()(worn(mirrored)).item() == pytest.approx(0.0, abs=1e-6)
    # All to one side: each vertex differs from its partner's mirror image by twice that.
    assert OffsetSymmetry(sigma_m=0.02)(worn(everywhere(0.02, 0.0, 0.0))).item() == pytest.approx(4.0, rel=1e-4)
    assert (mirror_vertices(vertices)[mirror_vertices(vertices)] == torch.arange(len(vertices))).all()


def test_clothing_by_hand():
    basis = clothing_basis(open_body())
    coefficients = torch.zeros(3, 48)
    coefficients[1, 0], coefficients[2, 0] = 2.0, -2.0
    scene = worn(basis(coefficients), coefficients)
    sizes = ClothingCoefficients(sigma=2.0, inward=0.0)(scene)
    torch.testing.assert_close(sizes, torch.tensor([0.0, 0.5, 0.5]))
    none, one, other = ClothingCoefficients(sigma=2.0, inward=10.0)(scene)
    assert none.item() == 0.0
    # The first harmonic has one sign over the whole body, outwards where positive. Inwards it would add 10
    # averaged over area; over vertices it is less, since those lie densest on hands and face, which stay still.
    assert one.item() == pytest.approx(0.5, abs=0.05)
    assert 4.0 < other.item() < 10.5


def learned(state: FitState, mean: torch.Tensor, precision: torch.Tensor) -> FitState:
    state.targets = replace(state.targets, clothing_mean=mean, clothing_precision=precision)
    return state


def test_learned_clothing_is_a_gaussian_about_the_mean():
    """In place of N(0, sigma²); inward displacements cost as before."""
    basis = clothing_basis(open_body())
    mean, away = torch.zeros(1, 48), torch.zeros(1, 48)
    mean[0, 0], away[0, 3] = 8.0, 1.0
    precision = torch.diag(torch.arange(1.0, 49.0))[None]
    term = ClothingCoefficients(inward=0.0, widening=2.0)
    for coefficients, expected in ((mean, 0.0), (mean + away, 0.25 * 4)):
        state = worn(basis(coefficients), coefficients)
        assert term(state).item() > 5.0
        assert term(learned(state, mean, precision)).item() == pytest.approx(expected, abs=1e-6)
        torch.testing.assert_close(term.clothing_curvature(state, basis.directions), 0.5 * precision)
    inside = learned(worn(basis(-mean), -mean), mean, precision)
    assert ClothingCoefficients(inward=10.0)(inside) > 10.0 + ClothingCoefficients(inward=0.0)(inside)


def test_learned_clothing_may_hang_farther():
    normals = vertex_normals(open_body().v_template, open_body().faces)[None]
    usual = PART_LOOSENESS_M[open_body().vertex_parts][None, :, None] * normals
    term, zero = ClothingCoefficients(inward=0.0, beyond=10.0), torch.zeros(1, 48)
    for times, without, with_mean in ((1.9, False, False), (2.5, True, False), (3.5, True, True)):
        state = worn(times * usual, zero)
        assert (term(state).item() > 1e-3) is without
        assert (term(learned(state, zero, torch.eye(48)[None])).item() > 1e-3) is with_mean


def test_free_offsets_are_counted_from_the_clothing_if_asked_for():
    free, total = everywhere(0.0, 0.02, 0.0), everywhere(0.0, 0.04, 0.0)
    state = worn(total)
    state.free_offsets = free
    assert OffsetSize()(state).item() == pytest.approx(4.0)
    assert OffsetSize(from_clothing=True)(state).item() == pytest.approx(1.0)


def test_inward_is_what_lies_inside_the_surface():
    normals = vertex_normals(open_body().v_template, open_body().faces)[None]
    zero = torch.zeros(1, 48)
    term = ClothingCoefficients(sigma=2.0, inward=10.0)
    assert term(worn(0.02 * normals, zero)).item() == pytest.approx(0.0, abs=1e-6)
    assert term(worn(-0.02 * normals, zero)).item() == pytest.approx(10.0, rel=1e-4)


@pytest.mark.parametrize("term", FREE, ids=lambda t: type(t).__name__)
def test_rows_do_not_couple(term):
    offsets = 0.01 * torch.randn(3, open_body().n_vertices, 3)
    alone = torch.cat([term(worn(offsets[i : i + 1])) for i in range(3)])
    torch.testing.assert_close(term(worn(offsets)), alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("term", FREE, ids=lambda t: type(t).__name__)
def test_gradient_is_the_slope(term):
    """Along a random direction, in float32: central differences of these quadratics are exact but for rounding."""
    offsets = (0.01 * torch.randn(1, open_body().n_vertices, 3)).requires_grad_(True)
    direction = torch.randn_like(offsets)
    (gradient,) = torch.autograd.grad(term(worn(offsets)).sum(), offsets)
    step = 1e-2
    ahead, behind = (term(worn(offsets.detach() + sign * step * direction)).double() for sign in (1, -1))
    slope = (ahead - behind) / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-3)


@pytest.mark.parametrize("term", FREE, ids=lambda t: type(t).__name__)
def test_no_offsets_is_said_clearly(term):
    with pytest.raises(ValueError, match="offsets: this state has no clothing offsets"):
        term(worn(None))


def test_no_coefficients_is_said_clearly():
    with pytest.raises(ValueError, match="clothing: this state has no clothing coefficients"):
        ClothingCoefficients()(worn(everywhere(0.0, 0.0, 0.0)))
