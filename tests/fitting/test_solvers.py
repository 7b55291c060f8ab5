"""Problems whose minima are known × every solver."""

from dataclasses import replace

import pytest
import torch

from render_fit.fitting.solvers import LBFGS, Adam, LevenbergMarquardt, Status, make_solver
from render_fit.fitting.solvers.solution import Solver

SOLVERS: list[tuple[Solver, int]] = [(LBFGS(), 150), (Adam(step=0.3), 1500), (LevenbergMarquardt(), 150)]
NAMES = ["lbfgs", "adam", "lm"]


def quadratic(values):
    """Minimum 0 at x = 3, y = −1, with curvatures 1 to 100."""
    curvature = torch.logspace(0, 2, 4, dtype=torch.float64)
    return (curvature * (values["x"] - 3).square()).sum(dim=1) + (values["y"] + 1).square().sum(dim=(1, 2))


def rosenbrock(values):
    """Minimum 0 at (1, 1), at the end of a curved valley."""
    x, y = values["x"].unbind(dim=1)
    return 100 * (y - x.square()).square() + (1 - x).square()


@pytest.mark.parametrize(("solver", "iterations"), SOLVERS, ids=NAMES)
def test_quadratic_minimum(solver, iterations):
    start = {"x": torch.randn(5, 4, dtype=torch.float64), "y": torch.randn(5, 2, 3, dtype=torch.float64)}
    solution = solver(quadratic, start, {"x": 0.5}, iterations, tolerance=0.0)
    torch.testing.assert_close(solution.values["x"], torch.full((5, 4), 3.0, dtype=torch.float64), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        solution.values["y"], torch.full((5, 2, 3), -1.0, dtype=torch.float64), atol=1e-3, rtol=0
    )
    assert solution.evaluations <= iterations
    assert solution.history.shape == (solution.evaluations, 5)


@pytest.mark.parametrize(("solver", "iterations"), SOLVERS, ids=NAMES)
def test_rosenbrock_valley(solver, iterations):
    start = {"x": torch.tensor([[-1.2, 1.0], [0.0, 0.0], [2.0, -1.0]], dtype=torch.float64)}
    solution = solver(rosenbrock, start, {}, iterations, tolerance=0.0)
    assert (solution.loss < 0.02).all(), solution.loss


@pytest.mark.parametrize(("solver", "iterations"), SOLVERS, ids=NAMES)
def test_rows_do_not_couple(solver, iterations):
    start = torch.tensor([[-1.2, 1.0], [0.3, 0.2], [2.0, -1.0]], dtype=torch.float64)
    together = solver(rosenbrock, {"x": start}, {}, 40, tolerance=0.0)
    for i in range(3):
        alone = solver(rosenbrock, {"x": start[i : i + 1]}, {}, 40, tolerance=0.0)
        torch.testing.assert_close(alone.values["x"][0], together.values["x"][i], atol=1e-9, rtol=0)


@pytest.mark.parametrize(("solver", "iterations"), SOLVERS, ids=NAMES)
def test_steps_that_are_not_finite_are_undone(solver, iterations):
    """x − log x has its minimum at 1 and is not a number left of 0, where long first steps land."""

    def function(values):
        return (values["x"] - values["x"].log()).sum(dim=1)

    start = {"x": torch.tensor([[2.5], [0.02]], dtype=torch.float64)}
    eager = Adam(step=3.0) if isinstance(solver, Adam) else replace(solver, longest=50.0)
    solution = eager(function, start, {}, iterations, tolerance=0.0)
    assert Status.RECOVERED in solution.status
    torch.testing.assert_close(solution.values["x"], torch.ones(2, 1, dtype=torch.float64), atol=0.02, rtol=0)


@pytest.mark.parametrize(("solver", "iterations"), SOLVERS, ids=NAMES)
def test_hopeless_start_is_reported_and_returned(solver, iterations):
    start = {"x": torch.tensor([[float("nan"), 0.0], [0.5, 0.5]], dtype=torch.float64)}
    solution = solver(rosenbrock, start, {}, 20, tolerance=0.0)
    assert solution.status[0] is Status.NOT_FINITE
    assert solution.status[1] is not Status.NOT_FINITE
    assert solution.values["x"][1].isfinite().all()


@pytest.mark.parametrize(("solver", "iterations"), SOLVERS, ids=NAMES)
def test_best_iterate_is_returned(solver, iterations):
    start = {"x": torch.tensor([[-1.2, 1.0]], dtype=torch.float64)}
    solution = solver(rosenbrock, start, {}, 25, tolerance=0.0)
    assert solution.loss[0] == solution.history.min()
    torch.testing.assert_close(rosenbrock(solution.values), solution.loss)


def test_stops_early_when_converged():
    solution = LBFGS()(quadratic, {"x": torch.full((1, 4), 3.0), "y": torch.full((1, 1, 3), -1.0)}, {}, 100)
    assert solution.evaluations < 20
    assert solution.status == (Status.CONVERGED,)


def test_progress_is_told():
    seen = []
    Adam()(rosenbrock, {"x": torch.zeros(1, 2)}, {}, 7, 0.0, lambda done, total: seen.append((done, total)))
    assert seen == [(i, 7) for i in range(1, 8)]


def test_options_reach_the_solver():
    assert make_solver("adam", {"step": 0.5}) == Adam(step=0.5)


def quadratic_curvature(values):
    """Of ``quadratic``, as its docstring says."""
    diagonal = 2 * torch.cat([torch.logspace(0, 2, 4, dtype=torch.float64), torch.ones(6, dtype=torch.float64)])
    return torch.diag(diagonal).expand(len(values["x"]), -1, -1)


def test_a_true_curvature_leads_to_the_minimum_at_once():
    """Without damping and floor the first step is Newton's; scales are the solver's own affair."""
    start = {"x": torch.randn(3, 4, dtype=torch.float64), "y": torch.randn(3, 2, 3, dtype=torch.float64)}
    solver = LevenbergMarquardt(damping=1e-6, floor=0.0, longest=100.0)
    solution = solver(quadratic, start, {"x": 0.5}, 3, 0.0, curvature=quadratic_curvature)
    assert (solution.loss < 1e-9).all()


@pytest.mark.parametrize("share", [0.0, 0.01, 100.0, float("nan")])
def test_a_wrong_curvature_costs_steps_only(share):
    start = {"x": torch.randn(3, 4, dtype=torch.float64), "y": torch.randn(3, 2, 3, dtype=torch.float64)}
    solution = LevenbergMarquardt()(
        quadratic, start, {}, 150, 0.0, curvature=lambda values: share * quadratic_curvature(values)
    )
    assert (solution.loss < 1e-3).all(), solution.loss
