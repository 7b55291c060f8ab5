"""Fit one image: search over hypotheses with keypoints, then refine through the renderer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis, clothing_basis
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera, check_camera
from render_fit.core.errors import InputError
from render_fit.core.plausibility import check_height, check_weight
from render_fit.core.threads import one_torch_thread
from render_fit.fitting.context import FitContext
from render_fit.fitting.initialisation import default_hypotheses
from render_fit.fitting.known_height import of_height
from render_fit.fitting.recipe import Recipe, Stage, load_recipe
from render_fit.fitting.regressor_initialisation import regressor_hypotheses
from render_fit.fitting.report import NO_GRADIENT, result_of
from render_fit.fitting.resolve import ResolvedRecipe, resolve
from render_fit.fitting.result import FitResult
from render_fit.fitting.solvers import Solver
from render_fit.fitting.stages import (
    Clothing,
    StageProgress,
    StageRecord,
    keypoint_continuation,
    run_stage_of_all,
    search_and_refinement,
)
from render_fit.fitting.variables import Variables
from render_fit.losses.registry import Number
from render_fit.losses.term import Term
from render_fit.observations.camera_source import ASSUMED, assumed_camera
from render_fit.observations.observation import Observation
from render_fit.regressors.network import Regressor
from render_fit.renderers.base import Renderer

START_JITTER_RAD = 0.1
"""Standard deviation of the random rotation added to every joint and to the body at the start."""


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
    return fit_all([observation], resolved, cameras=[camera], progress=progress, watch=show, **given)[0]


@one_torch_thread()
def fit_all(
    observations: Sequence[Observation],
    resolved: ResolvedRecipe,
    *,
    cameras: Sequence[Camera | None] | None = None,
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
    begun = [_begun(*each, resolved, height_m, weight_kg, worn) for each in zip(observations, known, strict=True)]
    contexts, notes = [context for context, _ in begun], [notes for _, notes in begun]
    people = range(len(contexts))
    search, refinement = search_and_refinement(resolved.recipe, worn)
    found = [_starts(context, torch.Generator().manual_seed(seed)) for context in contexts]
    starts = [variables[:1] for variables in found]
    records: list[list[StageRecord]] = [[] for _ in people]

    def run(stage: Stage, best: list[Variables], show: bool = True) -> list[int]:
        """Runs a stage for all whom it can be run for; they are returned, and ``best`` and ``records`` updated."""
        able = [i for i in people if contexts[i].can_run(stage)]
        for i in able:
            if "offsets" in stage.free and best[i].offsets is None:
                free = torch.zeros(len(best[i]), resolved.body.n_vertices, 3)
                best[i] = best[i].with_values({"offsets": free})
        solved = run_stage_of_all(
            [contexts[i] for i in able], stage, [best[i] for i in able], progress if show else None
        )
        for i, (best[i], record) in zip(able, solved, strict=True):
            records[i].append(record)
            if watch is not None and show:
                watch(i, stage.name, best[i][:1].detached().parameters(resolved.body, contexts[i].clothing_basis))
        return able

    for stage in search:
        run(stage, found)
    moved = [[record.moved for record in of_one] for of_one in records]
    if resolved.regressor is not None:
        before = starts
    else:
        # The result of keypoints alone: no rendering took part in its selection.
        before = [records[i][-1].best if records[i] else found[i][:1] for i in people]
        baseline = keypoint_continuation(search, refinement)
        if baseline is not None:
            run(baseline, before, show=False)
    for stage in refinement:
        able = run(stage, found)
        for i in people:
            if i not in able:
                notes[i].append(f"stage {stage.name!r} skipped: nothing that its terms compare with was observed")
                continue
            moved[i].append(records[i][-1].moved)
            if not moved[i][-1]:
                notes[i].append(f"stage {stage.name!r} moved nothing: {NO_GRADIENT}")
    best = [_best(context, variables) for context, variables in zip(contexts, found, strict=True)]
    total = round((time.perf_counter() - clock) / len(contexts), 4)
    results = []
    for i, context in enumerate(contexts):
        seconds = {record.name: round(record.seconds, 4) for record in records[i]} | {"total": total}
        acted = any(moved[i]) or not moved[i]
        results.append(result_of(context, before[i], best[i], seconds, notes[i], resolved.record(), acted))
    return results


@torch.no_grad()
def _best(context: FitContext, variables: Variables) -> Variables:
    """The best hypothesis under the final objective."""
    index = int(context.final.loss(variables).nan_to_num(torch.inf).argmin())
    return variables[index : index + 1]


def _begun(
    observation: Observation,
    camera: Camera | None,
    resolved: ResolvedRecipe,
    height_m: float | None,
    weight_kg: float | None,
    worn: Clothing,
) -> tuple[FitContext, list[str]]:
    """What the stages of one fit share, and the first of its notes."""
    if not _has_evidence(observation):
        raise InputError("nothing to fit to: neither mask nor keypoints were observed")
    recipe, body, network = resolved.recipe, resolved.body, resolved.regressor
    basis = None if worn == "none" else clothing_basis(body)
    notes = list(observation.notes)
    if height_m is not None:
        check_height(height_m, f"height_m {height_m:g}")
    if weight_kg is not None:
        check_weight(weight_kg, f"weight_kg {weight_kg:g}", height_m)
    if camera is not None:
        check_camera(camera, "camera")
    else:
        camera, source = observation.camera, observation.source.get("camera")
        if camera is None or source == ASSUMED:
            camera = assumed_camera(*observation.image_size)
            focal = float(camera.K[0, 0, 0])
            notes.append(f"focal length is a guess: {focal:.0f} px, the image's diagonal (a 43 mm lens on 35 mm film)")
    if height_m is None:
        notes.append("size is a guess: no standing height given, so depth and height may be scaled together")
    if observation.mask is not None and _is_cut_off(observation.mask):
        notes.append("the person is cut off by the image's edge: the part outside follows from the priors alone")
    predicted = None
    if network is not None:
        predicted = regressor_hypotheses(body, observation, camera, network, recipe.n_betas, _dimension(basis))
        if height_m is not None:
            predicted = replace(predicted, variables=of_height(body, predicted.variables, height_m))
    own = _points_of(body, observation)
    context = FitContext(
        recipe, body, resolved.renderer, own, camera, basis, height_m, weight_kg, predicted, resolved.terms,
        resolved.solver,
    )  # fmt: skip
    return context, notes


def _points_of(body: Body, observation: Observation) -> Observation:
    """The observation with confidence 0 for keypoints that the body does not have."""
    if observation.skeleton is None:
        return observation
    has = body.supports(observation.skeleton)

    def known(confidence: Tensor | None) -> Tensor | None:
        return None if confidence is None else confidence * has.to(confidence)

    return replace(
        observation, confidence=known(observation.confidence), confidence_3d=known(observation.confidence_3d)
    )


def _has_evidence(observation: Observation) -> bool:
    """Whether the mask has a pixel, or a keypoint a confidence above 0."""
    mask, confidence = observation.mask, observation.confidence
    return (mask is not None and bool((mask >= 0.5).any())) or (confidence is not None and bool((confidence > 0).any()))


def _is_cut_off(mask: Float[Tensor, "h w"]) -> bool:
    """Whether a mask touches the image's edge along more than a tenth of the square root of its area."""
    person = mask > 0.5
    at_edge = max(int(side.sum()) for side in (person[0], person[-1], person[:, 0], person[:, -1]))
    return at_edge > 0.1 * float(person.sum()) ** 0.5


def _starts(context: FitContext, generator: torch.Generator) -> Variables:
    """Hypotheses of the regressor, then the recipe's poses and yaws with random rotations added."""
    recipe, starts = context.recipe, context.recipe.initialisation
    dimension = _dimension(context.clothing_basis)
    found = [] if context.predicted is None else [context.predicted.variables]
    if starts.yaws_deg and starts.poses and (starts.use_default_poses or not found):
        posed = default_hypotheses(
            context.body, context.targets(0), recipe.n_betas, starts.yaws_deg, starts.poses, dimension
        )
        noise = START_JITTER_RAD * torch.randn(posed.pose.shape, generator=generator)
        turn = START_JITTER_RAD * torch.randn(posed.orient.shape, generator=generator)
        found.append(posed.with_values({"pose": posed.pose + noise, "orient": turn}).recentred())
    return found[0] if len(found) == 1 else found[0].joined(found[1])


def _dimension(basis: ClothingBasis | None) -> int:
    return 0 if basis is None else basis.directions.shape[-1]
