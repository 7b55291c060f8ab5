"""Solvers for batches of independent problems."""

from collections.abc import Mapping
from typing import Any

from render_fit.fitting.solvers.adam import Adam
from render_fit.fitting.solvers.lbfgs import LBFGS
from render_fit.fitting.solvers.levenberg_marquardt import LevenbergMarquardt
from render_fit.fitting.solvers.solution import SecondOrderSolver, Solution, Solver, Status

SOLVERS: Mapping[str, type] = {"adam": Adam, "lbfgs": LBFGS, "lm": LevenbergMarquardt}

__all__ = [
    "Adam",
    "LBFGS",
    "LevenbergMarquardt",
    "SOLVERS",
    "SecondOrderSolver",
    "Solution",
    "Solver",
    "Status",
    "make_solver",
]


def make_solver(name: str, options: Mapping[str, Any]) -> Solver:
    """Make a solver from a recipe's name and options."""
    return SOLVERS[name](**{key: tuple(v) if isinstance(v, list) else v for key, v in options.items()})
