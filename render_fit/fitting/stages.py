"""A recipe's stages, run one after the other on one image."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.core.skeletons import SMPL_24
from render_fit.fitting.context import FitContext
from render_fit.fitting.depth_flips import limb_flips, straight_legs
from render_fit.fitting.looseness import estimate_looseness
from render_fit.fitting.problem import Problem
from render_fit.fitting.recipe import Recipe, Stage
from render_fit.fitting.solvers import Solution, Status
from render_fit.fitting.variables import Variables

StageProgress = Callable[[str, int, int], None]
Clothing = Literal["none", "smooth", "free"]

BASELINE = "keypoints alone"
"""Name of the stage that refinement is compared with."""

N_FLIPPED = 3
"""Number of best hypotheses whose limbs are flipped."""

RANKED_PER_KEPT = 5
"""Hypotheses that are ranked by the objective of ``rank_by``, which may render, per hypothesis that is kept."""


@dataclass(frozen=True)
class StageRecord:
    """Result of one stage.

    Attributes:
        stage: The stage.
        seconds: Wall time, seconds.
        evaluations: Evaluations of function and gradient.
        status: Status of each hypothesis that was solved.
        solved: These hypotheses, best first by the stage's own objective.
        losses: Its values.
        moved: Whether a variable of any hypothesis changed.
        kept: Places among ``solved`` of the hypotheses that the next stage starts from, best first by its ranking.
    """

    stage: Stage
    seconds: float
    evaluations: int
    status: tuple[Status, ...]
    solved: Variables
    losses: Float[Tensor, "h"]
    moved: bool
    kept: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.stage.name

    @property
    def hypotheses(self) -> int:
        """Number of hypotheses that were solved."""
        return len(self.solved)

    @property
    def best(self) -> Variables:
        """The best hypothesis by the stage's own objective."""
        return self.solved[:1]


def run_stage(
    context: FitContext, stage: Stage, variables: Variables, progress: StageProgress | None = None
) -> tuple[Variables, StageRecord]:
    """`run_stage_of_all` for one image."""
    return run_stage_of_all([context], stage, [variables], progress)[0]


def run_stage_of_all(
    contexts: Sequence[FitContext],
    stage: Stage,
    starts: Sequence[Variables],
    progress: StageProgress | None = None,
) -> list[tuple[Variables, StageRecord]]:
    """One stage for one or more images: estimate looseness, propose flips and straight legs, solve, keep the best.

    The hypotheses of all images that were observed in the same way are solved in one batch, each independently.

    Args:
        contexts: Image, body, renderer and recipe; all but the image the same.
        stage: Free variables, terms and solver.
        starts: Hypotheses of each image, best first.
        progress: Called with (stage, iterations done, all iterations).

    Returns:
        For each image its hypotheses, best first, and the stage's record.
    """
    if not contexts:
        return []
    began = time.perf_counter()
    prepared = [_prepared(context, stage, start) for context, start in zip(contexts, starts, strict=True)]
    alike: dict[tuple[object, ...], list[int]] = {}
    for index, (problem, _) in enumerate(prepared):
        alike.setdefault(problem.layout, []).append(index)
    solved: dict[int, tuple[Variables, Solution]] = {}
    for indices in alike.values():
        group = [prepared[index] for index in indices]
        problem = Problem.joined([problem for problem, _ in group], [len(start) for _, start in group])
        found, solution = problem.minimise(
            reduce(Variables.joined, [start for _, start in group]),
            stage.free,
            contexts[0].solver_of(stage),
            stage.solver.iterations,
            stage.solver.tolerance,
            stage.solver.whiten,
            progress=None if progress is None else lambda done, total: progress(stage.name, done, total),
        )
        end = 0
        for index, (_, start) in zip(indices, group, strict=True):
            rows = slice(end, end := end + len(start))
            solved[index] = found[rows], solution[rows]
    kept = [_kept(context, stage, *solved[index]) for index, context in enumerate(contexts)]
    seconds = (time.perf_counter() - began) / len(contexts)
    return [(variables, replace(record, seconds=seconds)) for variables, record in kept]


def _prepared(context: FitContext, stage: Stage, variables: Variables) -> tuple[Problem, Variables]:
    """The stage's problem, and the hypotheses with those that the stage adds."""
    problem = context.problem(stage.terms, stage.resolution, stage.edge)
    if stage.estimate_looseness and problem.targets.has("mask"):
        context.looseness_scale = estimate_looseness(problem, variables)
        problem = context.problem(stage.terms, stage.resolution, stage.edge)
    if stage.flips:
        variables = variables.joined(propose_flips(problem, variables, stage.flips, stage.min_distance_m))
    straight = straight_legs(context.body, variables[:1]) if stage.straighten else None
    return problem, variables if straight is None else variables.joined(straight)


def _kept(context: FitContext, stage: Stage, variables: Variables, solution: Solution) -> tuple[Variables, StageRecord]:
    """The solved hypotheses that a stage keeps, best first, and its record, without the time."""
    order = solution.loss.nan_to_num(torch.inf).argsort(stable=True)
    variables = variables[order]
    kept = chosen(context, stage, variables) if stage.n_hypotheses else torch.arange(len(variables))
    moved = any(bool(value.any()) for value in solution.values.values())  # they are differences to the start
    record = StageRecord(
        stage, 0.0, solution.evaluations, solution.status, variables, solution.loss[order], moved, tuple(kept.tolist())
    )
    return variables[kept], record


@torch.no_grad()
def chosen(context: FitContext, stage: Stage, variables: Variables) -> Int64[Tensor, "kept"]:
    """Indices of the hypotheses that a stage keeps: the best by the objective of ``rank_by``, no two nearly the same.

    Args:
        context: Image, body, renderer and recipe.
        stage: Number of hypotheses, stage that ranks them, minimum distance between them.
        variables: Hypotheses, best first by the stage's own objective.

    Returns:
        Indices, best first.
    """
    order = torch.arange(len(variables))
    ranking = next((other for other in context.recipe.stages if other.name == stage.rank_by), None)
    if ranking is not None and context.can_run(ranking):
        order = order[: RANKED_PER_KEPT * stage.n_hypotheses]
        losses = context.problem(ranking.terms, ranking.resolution, ranking.edge).loss(variables[order])
        order = order[losses.nan_to_num(torch.inf).argsort(stable=True)]
    return order[_distinct(context.body, variables[order], stage.n_hypotheses, stage.min_distance_m)]


def _distinct(body: Body, variables: Variables, count: int, min_distance_m: float) -> Int64[Tensor, "kept"]:
    """The first ``count`` hypotheses of which no two have all joints within ``min_distance_m`` of each other's."""
    joints = body.keypoints(variables.parameters(body), SMPL_24)
    joints = joints - joints[:, :1]
    kept: list[int] = []
    for index in range(len(variables)):
        farthest = (joints[kept] - joints[index]).norm(dim=-1).amax(dim=-1)
        if bool((farthest >= min_distance_m).all()):
            kept.append(index)
        if len(kept) == count:
            break
    return torch.tensor(kept)


@torch.no_grad()
def propose_flips(problem: Problem, variables: Variables, count: int, min_distance_m: float = 0.0) -> Variables:
    """Depth flips of the best hypotheses: those with the lowest loss.

    Args:
        problem: Problem of the stage.
        variables: Hypotheses, best first.
        count: Number of flips to propose, at most.
        min_distance_m: Distance by which at least one joint must differ between any two proposals, metres.

    Returns:
        New hypotheses, best first.
    """
    sources = [variables[i : i + 1] for i in range(min(N_FLIPPED, len(variables)))]
    flipped = [limb_flips(problem.body, source)[1:] for source in sources]
    candidates = flipped[0]
    for more in flipped[1:]:
        candidates = candidates.joined(more)
    loss = problem.loss(candidates)
    candidates = candidates[loss.nan_to_num(torch.inf).argsort()]
    return candidates[_distinct(problem.body, candidates, count, min_distance_m)]


def search_and_refinement(recipe: Recipe, clothing: Clothing) -> tuple[list[Stage], list[Stage]]:
    """The stages without rendering, and those that render.

    Clothing variables that ``clothing`` excludes are not free, and the terms of their names are left out. Stages
    without any free variable are dropped.
    """
    unwanted = {"none": {"clothing", "offsets"}, "smooth": {"offsets"}, "free": set()}[clothing]
    stages = []
    for stage in recipe.stages:
        free = tuple(name for name in stage.free if name not in unwanted)
        terms = {name: setting for name, setting in stage.terms.items() if name not in unwanted}
        if free:
            stages.append(stage.model_copy(update={"free": free, "terms": terms}))
    return [s for s in stages if not s.resolution], [s for s in stages if s.resolution]


def keypoint_continuation(search: list[Stage], refinement: list[Stage]) -> Stage | None:
    """The baseline of refinement: the last keypoint stage with as many iterations as all refinement stages."""
    iterations = sum(stage.solver.iterations for stage in refinement)
    if not search or not iterations:
        return None
    last = search[-1]
    solver = last.solver.model_copy(update={"iterations": iterations})
    return last.model_copy(update={"name": BASELINE, "solver": solver, "flips": 0, "n_hypotheses": 0})
