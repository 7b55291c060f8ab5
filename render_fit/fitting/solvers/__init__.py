"""Solvers for batches of independent problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from render_fit.core.registry import Registry
from render_fit.fitting.solvers.adam import Adam
from render_fit.fitting.solvers.lbfgs import LBFGS
from render_fit.fitting.solvers.levenberg_marquardt import LevenbergMarquardt
from render_fit.fitting.solvers.solution import FlatProblem, Solution, Solver, Status

SOLVERS: Registry[Solver] = Registry(
    "solver", "render_fit.solvers", {"adam": Adam, "lbfgs": LBFGS, "lm": LevenbergMarquardt}
)
"""Solvers by the names that recipes use."""

__all__ = [
    "Adam",
    "FlatProblem",
    "LBFGS",
    "LevenbergMarquardt",
    "SOLVERS",
    "Solution",
    "Solver",
    "Status",
    "make_solver",
    "moves_offsets",
]


def make_solver(name: str, options: Mapping[str, Any] | None = None) -> Solver:
    """Makes a solver from a recipe's name and options.

    Raises:
        InputError: if the solver or one of its options is not known; the message lists the known ones.
    """
    return SOLVERS.make(name, options)


def moves_offsets(solver: Solver) -> bool:
    """Whether a solver can move free per-vertex offsets: they are too many for one that needs their curvature."""
    return not getattr(solver, "needs_curvature", False)
