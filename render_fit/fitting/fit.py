"""Fit one image: search over hypotheses with keypoints, then refine through the renderer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera
from render_fit.core.threads import one_torch_thread
from render_fit.fitting.beginning import Start, begin, first_hypotheses
from render_fit.fitting.context import FitContext
from render_fit.fitting.recipe import Recipe, Stage, load_recipe
from render_fit.fitting.report import NO_GRADIENT, result_of
from render_fit.fitting.resolve import ResolvedRecipe, resolve
from render_fit.fitting.result import FitResult, StageResult
from render_fit.fitting.solvers import Solver
from render_fit.fitting.stages import (
    BASELINE,
    Clothing,
    StageProgress,
    StageRecord,
    keypoint_continuation,
    run_stage_of_all,
    search_and_refinement,
)
from render_fit.fitting.uncertainty import Rivals, Uncertainty, uncertainty
from render_fit.fitting.variables import Variables
from render_fit.losses.registry import Number
from render_fit.losses.term import Term
from render_fit.observations.observation import Observation
from render_fit.regressors.network import Regressor
from render_fit.renderers.base import Renderer


def fit_image(
    observation: Observation,
    recipe: str | Path | Recipe = "hybrid",
    *,
    body: Body | str | Path | None = None,
    renderer: Renderer | str | None = None,
    regressor: Regressor | str | Path | None = None,
    solver: Solver | str | None = None,
    terms: Mapping[str, Number | tuple[Number, Term]] | None = None,
    camera: Camera | None = None,
    height_m: float | None = None,
    weight_kg: float | None = None,
    clothing: Clothing | None = None,
    start: Start | None = None,
    seed: int = 0,
    progress: StageProgress | None = None,
    watch: Callable[[str, BodyParameters], None] | None = None,
) -> FitResult:
    """Recover the body of one person in one image.

    Args:
        observation: Mask, keypoints and parts, in any combination, in pixels of the photo.
        recipe: Name of a shipped recipe, path of a YAML file, or a ``Recipe``.
        body: Body model M: an object, ``open``, a path, or a name that another package registers; the recipe's if None.
        renderer: Renderer R: an object or a name; the recipe's if None.
        regressor: Network whose hypotheses the search starts from: an object, a name, path or hub id, or ``none`` for
            the recipe's poses and yaws; the recipe's if None.
        solver: Solver in place of those of the stages: an object or a name. Stages that free per-vertex offsets keep
            the recipe's if it needs curvature.
        terms: Own terms: name → ``(weight, term)``, or name → weight for a registered term with its default options.
            They are added to the final objective and to every stage that can evaluate them: those whose observation
            has what ``requires`` lists, and that render, or the term is ``skeletal`` (see ``Term``).
        camera: Camera of the photo; if None the observation's, or an assumed one if it has none.
        height_m: Standing height of the person, metres, if known: it fixes the scale.
        weight_kg: Weight of the person, kilograms, if known: it tells how stout the body under the clothes is.
        clothing: ``none``, ``smooth`` or ``free``; the recipe's if None.
        start: Hypotheses to start from in place of the regressor's, such as another system's result as
            `exchange.starting.starting_results` reads it.
        seed: Seed of the random rotations that are added to the starting poses.
        progress: Called with (stage, iterations done, all iterations).
        watch: Called after each stage with its name and the best hypothesis so far.

    Returns:
        The best hypothesis under the final objective, with its report. A fit that went wrong is returned as well, with
        ``status`` "failed".

    Raises:
        InputError: if nothing that can be fitted to was observed, the recipe is not valid, or a name is not known.
    """
    recipe = load_recipe(recipe)
    resolved = resolve(recipe, body=body, renderer=renderer, regressor=regressor, solver=solver, terms=terms)
    return fit_resolved(
        observation,
        resolved,
        camera=camera,
        height_m=height_m,
        weight_kg=weight_kg,
        clothing=clothing,
        start=start,
        seed=seed,
        progress=progress,
        watch=watch,
    )


def fit_resolved(
    observation: Observation,
    resolved: ResolvedRecipe,
    *,
    camera: Camera | None = None,
    height_m: float | None = None,
    weight_kg: float | None = None,
    clothing: Clothing | None = None,
    start: Start | None = None,
    seed: int = 0,
    progress: StageProgress | None = None,
    watch: Callable[[str, BodyParameters], None] | None = None,
) -> FitResult:
    """``fit_image`` with the objects of a recipe, which many fits can share.

    Args:
        observation: As the other arguments in ``fit_image``.
        resolved: The recipe and its objects.
        camera: Camera of the photo.
        height_m: Standing height, metres.
        weight_kg: Weight, kilograms.
        clothing: ``none``, ``smooth`` or ``free``.
        start: Hypotheses in place of the regressor's.
        seed: Seed of the starting poses.
        progress: Called with (stage, iterations done, all iterations).
        watch: Called after each stage.

    Raises:
        InputError: if nothing that can be fitted to was observed.
    """

    def show(_: int, stage: str, parameters: BodyParameters) -> None:
        if watch is not None:
            watch(stage, parameters)

    given = {"height_m": height_m, "weight_kg": weight_kg, "clothing": clothing, "seed": seed}
    return fit_all([observation], resolved, cameras=[camera], starts=[start], progress=progress, watch=show, **given)[0]


@one_torch_thread()
def fit_all(
    observations: Sequence[Observation],
    resolved: ResolvedRecipe,
    *,
    cameras: Sequence[Camera | None] | None = None,
    starts: Sequence[Start | None] | None = None,
    height_m: float | None = None,
    weight_kg: float | None = None,
    clothing: Clothing | None = None,
    seed: int = 0,
    progress: StageProgress | None = None,
    watch: Callable[[int, str, BodyParameters], None] | None = None,
) -> list[FitResult]:
    """Fits several people, each in its own image, side by side.

    Every stage solves the hypotheses of all people in one batch. Nothing couples them: each gets the fit that it gets
    alone, up to rounding. Side by side they take less time, since they share the cost of small operations.

    Args:
        observations: One for each person, as in ``fit_image``.
        resolved: The recipe and its objects.
        cameras: Camera of each photo, or None for the observation's.
        starts: Hypotheses of each person in place of the regressor's, or None for the regressor's.
        height_m: Standing height of every person, metres.
        weight_kg: Weight of every person, kilograms.
        clothing: ``none``, ``smooth`` or ``free``.
        seed: Seed of the starting poses of each.
        progress: Called with (stage, iterations done, all iterations).
        watch: Called after each stage with the person's index, the stage and the best hypothesis so far.

    Returns:
        The result of each person. Its seconds are the person's share of the time.

    Raises:
        InputError: if nothing that can be fitted to was observed of one of them.
    """
    if not observations:
        return []
    clock = time.perf_counter()
    worn: Clothing = clothing if clothing is not None else resolved.recipe.clothing
    known = cameras if cameras is not None else [None] * len(observations)
    given = starts if starts is not None else [None] * len(observations)
    begun = [
        begin(observation, camera, resolved, height_m, weight_kg, worn, start)
        for observation, camera, start in zip(observations, known, given, strict=True)
    ]
    search, refinement = search_and_refinement(resolved.recipe, worn)
    fitted = run_stages([context for context, _ in begun], search, refinement, seed, progress, watch)
    total = round((time.perf_counter() - clock) / len(begun), 4)
    results = []
    for (context, notes), one in zip(begun, fitted, strict=True):
        notes += one.notes
        seconds = one.seconds | {"total": total}
        unsure = one.uncertainty(context)
        result = result_of(context, one.before, one.best, seconds, notes, resolved.record(), one.acted, unsure)
        results.append(replace(result, stages=one.stages(context)))
    return results


@dataclass
class Fitted:
    """What the stages made of one image.

    Attributes:
        found: Hypotheses that remain, best first by the last stage's objective.
        before: The hypothesis that refinement is compared with.
        best: The best hypothesis under the final objective.
        records: One for each stage that was run.
        moved: Whether each stage that led to ``found`` moved anything.
        notes: What is to be told about the stages.
    """

    found: Variables
    before: Variables
    best: Variables
    records: list[StageRecord] = field(default_factory=list)
    moved: list[bool] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> dict[str, float]:
        """Time of each stage."""
        return {record.name: round(record.seconds, 4) for record in self.records}

    @property
    def acted(self) -> bool:
        """Whether a stage moved anything, or there was none."""
        return not self.moved or any(self.moved)

    @property
    def shaping(self) -> list[StageRecord]:
        """Records of the stages that move the shape, and with it the pose."""
        return [record for record in self.records if "betas" in record.stage.free]

    @property
    def rivals(self) -> Rivals:
        """The hypotheses of that stage among `shaping` which solved most of them: if any renders, of those that do."""
        last = max(reversed(self.shaping), key=lambda record: (record.stage.resolution > 0, record.hypotheses))
        return Rivals(last.solved, last.losses)

    def stages(self, context: FitContext) -> tuple[StageResult, ...]:
        """What each stage handed on; the baseline of refinement is none of them."""
        results = []
        for record in self.records:
            if record.name != BASELINE:
                kept = list(record.kept)
                parameters = (
                    record.solved[torch.tensor(kept)].detached().parameters(context.body, context.clothing_basis)
                )
                results.append(StageResult(record.name, parameters, record.losses[kept].detach()))
        return tuple(results)

    def uncertainty(self, context: FitContext) -> Uncertainty | None:
        """Covariances of the best hypothesis; None if no stage moved the shape, or they are not finite."""
        if not self.shaping:
            return None
        found = uncertainty([context], self.shaping[-1].stage, self.best, [self.rivals])
        return found if bool(found.joints.isfinite().all() & found.betas.isfinite().all()) else None


def run_stages(
    contexts: Sequence[FitContext],
    search: list[Stage],
    refinement: list[Stage],
    seed: int = 0,
    progress: StageProgress | None = None,
    watch: Callable[[int, str, BodyParameters], None] | None = None,
    begun: Sequence[Fitted] = (),
) -> list[Fitted]:
    """Runs stages for several images side by side, each from its own first hypotheses.

    Args:
        contexts: What the stages of each fit share; recipe and body are the same.
        search: Stages that render nothing.
        refinement: Stages that render.
        seed: Seed of the starting poses of each.
        progress: Called with (stage, iterations done, all iterations).
        watch: Called after each stage with the image's index, the stage and the best hypothesis so far.
        begun: What earlier stages made of each image, to go on from; their records and notes are added to.
    """
    images, body = range(len(contexts)), contexts[0].body
    fitted = list(begun)
    if not fitted:
        starts = [first_hypotheses(context, torch.Generator().manual_seed(seed)) for context in contexts]
        fitted = [Fitted(variables, variables[:1], variables[:1]) for variables in starts]
    found = [one.found for one in fitted]

    def run(stage: Stage, best: list[Variables], show: bool = True) -> list[int]:
        """Runs a stage for all whom it can be run for; they are returned, and ``best`` and ``records`` updated."""
        able = [i for i in images if contexts[i].can_run(stage)]
        for i in able:
            if "offsets" in stage.free and best[i].offsets is None:
                best[i] = best[i].with_values({"offsets": torch.zeros(len(best[i]), body.n_vertices, 3)})
        solved = run_stage_of_all(
            [contexts[i] for i in able], stage, [best[i] for i in able], progress if show else None
        )
        for i, (best[i], record) in zip(able, solved, strict=True):
            fitted[i].records.append(record)
            if watch is not None and show:
                watch(i, stage.name, best[i][:1].detached().parameters(body, contexts[i].clothing_basis))
        return able

    for stage in search:
        for i in run(stage, found):
            fitted[i].moved.append(fitted[i].records[-1].moved)
    unpredicted = [context.predicted is None for context in contexts]
    if any(unpredicted) and not begun:
        # The result of keypoints alone: no rendering took part in its selection.
        before = [one.records[-1].best if one.records else found[i][:1] for i, one in enumerate(fitted)]
        baseline = keypoint_continuation(search, refinement)
        if baseline is not None:
            run(baseline, before, show=False)
        for i in images:
            if unpredicted[i]:
                fitted[i].before = before[i]
    for stage in refinement:
        able = run(stage, found)
        for i, one in enumerate(fitted):
            if i not in able:
                one.notes.append(f"stage {stage.name!r} skipped: nothing that its terms compare with was observed")
                continue
            one.moved.append(one.records[-1].moved)
            if not one.moved[-1]:
                one.notes.append(f"stage {stage.name!r} moved nothing: {NO_GRADIENT}")
    for one, context, variables in zip(fitted, contexts, found, strict=True):
        one.found, one.best = variables, _best(context, variables)
    return fitted


@torch.no_grad()
def _best(context: FitContext, variables: Variables) -> Variables:
    """The best hypothesis under the final objective."""
    index = int(context.final.loss(variables).nan_to_num(torch.inf).argmin())
    return variables[index : index + 1]
