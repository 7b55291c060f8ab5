"""A recipe's stages, run one after the other on one image."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.core.cameras import Camera
from render_fit.core.skeletons import SMPL_24
from render_fit.fitting.depth_flips import limb_flips
from render_fit.fitting.problem import Problem
from render_fit.fitting.recipe import Edge, Recipe, Stage, TermSetting
from render_fit.fitting.regressor_initialisation import RegressorHypotheses
from render_fit.fitting.solvers import Status, make_solver
from render_fit.fitting.variables import Variables
from render_fit.losses.parameters import KnownHeight
from render_fit.losses.priors.vae import PoseVAE, load_pose_vae
from render_fit.losses.registry import OBSERVED, is_observed, make_term
from render_fit.losses.targets import FitTargets, targets_from
from render_fit.losses.term import Objective
from render_fit.observations.observation import Observation
from render_fit.renderers.base import Renderer, RenderSettings

StageProgress = Callable[[str, int, int], None]
Clothing = Literal["none", "smooth", "free"]

SEARCH_SIZE = 256
"""Side of the crop in which keypoints are compared when nothing is rendered, pixels; any size gives the same fit."""


N_FLIPPED = 3
"""How many of the best hypotheses have their limbs flipped."""

RANKED_PER_KEPT = 5
"""How many times as many hypotheses as it keeps a stage shows to its judge, who has to draw them."""


@dataclass
class FitContext:
    """One image, one body, one recipe: everything that the stages share.

    Attributes:
        recipe: What to do.
        body: M.
        renderer: R.
        observation: z(I), in the photo.
        camera: The photo's.
        clothing_basis: Smooth offsets, or None for no clothing.
        height_m: Standing height, if known.
        regressed: What a regressor says of the person, if one was asked.
    """

    recipe: Recipe
    body: Body
    renderer: Renderer
    observation: Observation
    camera: Camera
    clothing_basis: ClothingBasis | None = None
    height_m: float | None = None
    regressed: RegressorHypotheses | None = None
    _targets: dict[int, FitTargets] = field(default_factory=dict)

    def targets(self, resolution: int) -> FitTargets:
        """The observation in a crop of one size, made once."""
        size = resolution or SEARCH_SIZE
        if size not in self._targets:
            margin = (self.recipe.crop_margin - 1) / 2
            targets = targets_from(self.observation, self.camera, size, margin)
            if self.regressed is not None:
                targets = self.regressed.add_to(targets, self.body)
            self._targets[size] = targets
        return self._targets[size]

    def problem(self, terms: Mapping[str, TermSetting], resolution: int, edge: Edge) -> Problem:
        """The problem that a stage's terms pose; terms without an observation are left out."""
        targets = self.targets(resolution)
        chosen = {}
        for name, setting in terms.items():
            if is_observed(name, targets):
                options = dict(setting.options)
                if name == "pose_mixture" and self.recipe.pose_prior != "default":
                    options.setdefault("path", self.recipe.pose_prior)
                if name in ("pose_vae", "pose_latent"):
                    options.setdefault("path", self.recipe.pose_vae)
                chosen[name] = (setting.weight, make_term(name, options))
        if self.height_m is not None:
            chosen["height"] = (1.0, KnownHeight(self.height_m))
        settings = RenderSettings(edge.silhouette, edge.sigma_px, edge.gamma_m)
        return Problem(
            self.body, targets, Objective(chosen), self.renderer, settings, self.clothing_basis, self._pose_vae
        )

    @cached_property
    def _pose_vae(self) -> PoseVAE | None:
        """Whose latent vector stages move, if any does."""
        moved = any("latent" in stage.free for stage in self.recipe.stages)
        return load_pose_vae(self.recipe.pose_vae) if moved else None

    @cached_property
    def final(self) -> Problem:
        """The fixed problem by which states are compared."""
        final = self.recipe.final
        return self.problem(final.terms, final.resolution, final.edge)

    def can_run(self, stage: Stage) -> bool:
        """Whether anything that the stage compares with was observed."""
        targets = self.targets(stage.resolution)
        return any(name in OBSERVED and is_observed(name, targets) for name in stage.terms)


@dataclass(frozen=True)
class StageRecord:
    """What a stage did.

    Attributes:
        name: The stage's.
        seconds: Wall time.
        evaluations: Of function and gradient.
        hypotheses: How many were solved.
        status: How each ended.
        best: The hypothesis that the stage's own objective likes best, whatever its judge says.
    """

    name: str
    seconds: float
    evaluations: int
    hypotheses: int
    status: tuple[Status, ...]
    best: Variables


def run_stage(
    setting: FitContext, stage: Stage, variables: Variables, progress: StageProgress | None = None
) -> tuple[Variables, StageRecord]:
    """One stage: propose flips, solve, keep the best.

    Args:
        setting: The image and what fits it.
        stage: What moves, under which terms.
        variables: Hypotheses, best first.
        progress: Called with (stage, done, all).

    Returns:
        Hypotheses, best first, and an account.
    """
    began = time.perf_counter()
    problem = setting.problem(stage.terms, stage.resolution, stage.edge)
    if stage.flips:
        variables = variables.joined(propose_flips(problem, variables, stage.flips, stage.min_distance_m))
    solver = make_solver(stage.solver.name, stage.solver.options)
    variables, solution = problem.minimise(
        variables,
        stage.free,
        solver,
        stage.solver.iterations,
        stage.solver.tolerance,
        stage.solver.whiten,
        progress=None if progress is None else lambda done, total: progress(stage.name, done, total),
    )
    order = solution.loss.nan_to_num(torch.inf).argsort(stable=True)
    variables, count = variables[order], len(order)
    kept = variables[chosen(setting, stage, variables)] if stage.n_hypotheses else variables
    seconds = time.perf_counter() - began
    return kept, StageRecord(stage.name, seconds, solution.evaluations, count, solution.status, variables[:1])


@torch.no_grad()
def chosen(setting: FitContext, stage: Stage, variables: Variables) -> Int64[Tensor, "kept"]:
    """Which hypotheses a stage keeps: the best in the eyes of its judge, no two of them nearly the same.

    Args:
        setting: The image and what fits it.
        stage: How many are kept, who judges, how far they must be apart.
        variables: Hypotheses, best first by the stage's own objective.

    Returns:
        Their indices, best first.
    """
    order = torch.arange(len(variables))
    judge = next((other for other in setting.recipe.stages if other.name == stage.rank_by), None)
    if judge is not None and setting.can_run(judge):
        order = order[: RANKED_PER_KEPT * stage.n_hypotheses]
        judged = setting.problem(judge.terms, judge.resolution, judge.edge).loss(variables[order])
        order = order[judged.nan_to_num(torch.inf).argsort(stable=True)]
    return order[_distinct(setting.body, variables[order], stage.n_hypotheses, stage.min_distance_m)]


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
    """The depth flips of the best hypotheses that the objective likes best.

    Args:
        problem: The stage's.
        variables: Hypotheses, best first.
        count: How many to propose, at most.
        min_distance_m: How far some joint must be from where every other proposal has it.

    Returns:
        Hypotheses, best first, none of them one of those given.
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
    """The stages that look at keypoints only, and those that render.

    Clothing that is not wanted does not move, and the term of its name is left out; a stage in which nothing else moves
    goes.
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
    """The keypoint-only stage that gets as many iterations as the refinement: what refinement is compared with."""
    iterations = sum(stage.solver.iterations for stage in refinement)
    if not search or not iterations:
        return None
    last = search[-1]
    solver = last.solver.model_copy(update={"iterations": iterations})
    return last.model_copy(update={"name": "keypoints alone", "solver": solver, "flips": 0, "n_hypotheses": 0})
