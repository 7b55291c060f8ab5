"""Fit one image: search over hypotheses with keypoints, then refine through the renderer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies import load_body
from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis, clothing_basis
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError
from render_fit.fitting.initialisation import default_hypotheses
from render_fit.fitting.quality import Quality, judge, quality
from render_fit.fitting.recipe import Recipe, load_recipe
from render_fit.fitting.regressor_initialisation import cached_regressor, regressor_hypotheses
from render_fit.fitting.result import BeforeAfter, FitReport, FitResult, versions
from render_fit.fitting.stages import (
    Clothing,
    FitContext,
    StageProgress,
    StageRecord,
    keypoint_continuation,
    run_stage,
    search_and_refinement,
)
from render_fit.fitting.variables import Variables
from render_fit.observations.camera_source import ASSUMED, assumed_camera
from render_fit.observations.observation import Observation
from render_fit.renderers import make_renderer
from render_fit.renderers.base import Renderer

START_JITTER_RAD = 0.1
"""Standard deviation of the random turn of every joint and of the body at the start."""


def fit_image(
    observation: Observation,
    recipe: str | Path | Recipe = "hybrid",
    *,
    body: Body | None = None,
    renderer: Renderer | None = None,
    camera: Camera | None = None,
    height_m: float | None = None,
    clothing: Clothing | None = None,
    seed: int = 0,
    progress: StageProgress | None = None,
    watch: Callable[[str, BodyParameters], None] | None = None,
) -> FitResult:
    """Recover the body of one person in one image.

    Args:
        observation: What was seen: mask, keypoints, parts, in any combination, in pixels of the photo.
        recipe: Name of a shipped recipe, path of a YAML file, or a ``Recipe``.
        body: M; the recipe's if None.
        renderer: R; the recipe's if None.
        camera: Camera of the photo; if None the observation's, or an assumed one if it has none.
        height_m: Standing height of the person, metres, if it is known: fixes the scale.
        clothing: ``none``, ``smooth`` or ``free``; the recipe's if None.
        seed: Of the random turns of the starting poses.
        progress: Called with (stage, iterations done, all iterations).
        watch: Called after each stage with its name and the best hypothesis so far.

    Returns:
        The best hypothesis under the recipe's final objective, with its report. A fit that went wrong comes back too,
        with ``status`` "failed".

    Raises:
        InputError: if nothing that can be fitted to was observed, or the recipe is not valid.
    """
    recipe = load_recipe(recipe)
    if not _sees_anything(observation):
        raise InputError("nothing to fit to: neither mask nor keypoints were observed")
    body = body if body is not None else load_body(recipe.body, n_betas=recipe.n_betas)
    renderer = renderer if renderer is not None else make_renderer(recipe.renderer)
    worn: Clothing = clothing if clothing is not None else recipe.clothing
    basis = None if worn == "none" else clothing_basis(body)
    notes: list[str] = []
    if camera is None:
        camera, source = observation.camera, observation.source.get("camera")
        if camera is None or source == ASSUMED:
            camera = assumed_camera(*observation.image_size)
            focal = float(camera.K[0, 0, 0])
            notes.append(f"focal length is a guess: {focal:.0f} px, the image's diagonal (a 43 mm lens on 35 mm film)")
    if height_m is None:
        notes.append("size is a guess: no standing height given, so depth and height may be scaled together")
    if observation.mask is not None and _is_cut_off(observation.mask):
        notes.append("the person is cut off by the image's edge: what lies outside is the priors' guess")
    clock = time.perf_counter()
    regressed = None
    if recipe.initialisation.regressor:
        regressor, dimension = cached_regressor(recipe.initialisation.regressor), _dimension(basis)
        regressed = regressor_hypotheses(body, observation, camera, regressor, recipe.n_betas, dimension)
    setting = FitContext(recipe, body, renderer, observation, camera, basis, height_m, regressed)

    generator = torch.Generator().manual_seed(seed)
    search, refinement = search_and_refinement(recipe, worn)

    def show(stage: str, variables: Variables) -> None:
        if watch is not None:
            watch(stage, variables[:1].detached().parameters(body, basis))

    starts = _starts(setting, generator)
    found, records = _search(setting, search, starts, progress, show)
    if recipe.initialisation.regressor:
        before = starts[:1]
    else:
        # What keypoints alone would have chosen: no picture may have judged it.
        before = records[-1].best if records else found[:1]
        baseline = keypoint_continuation(search, refinement)
        if baseline is not None and setting.can_run(baseline):
            before, record = run_stage(setting, baseline, before, None)
            records.append(record)
    after = found
    for stage in refinement:
        if not setting.can_run(stage):
            notes.append(f"stage {stage.name!r} skipped: nothing that it compares with was observed")
            continue
        if "offsets" in stage.free and after.offsets is None:
            after = after.with_values({"offsets": torch.zeros(len(after), body.n_vertices, 3)})
        after, record = run_stage(setting, stage, after, progress)
        records.append(record)
        show(stage.name, after)
    with torch.no_grad():
        best = int(setting.final.loss(after).nan_to_num(torch.inf).argmin())
    after = after[best : best + 1]
    seconds = {record.name: round(record.seconds, 4) for record in records}
    seconds["total"] = round(time.perf_counter() - clock, 4)
    return _result(setting, before, after, seconds, notes)


def _sees_anything(observation: Observation) -> bool:
    """Whether there is a pixel of the mask, or a keypoint of any confidence."""
    mask, confidence = observation.mask, observation.confidence
    return (mask is not None and bool((mask >= 0.5).any())) or (confidence is not None and bool((confidence > 0).any()))


def _is_cut_off(mask: Float[Tensor, "h w"]) -> bool:
    """Whether a mask meets the image's edge along more than a tenth of the square root of its area."""
    person = mask > 0.5
    at_edge = max(int(side.sum()) for side in (person[0], person[-1], person[:, 0], person[:, -1]))
    return at_edge > 0.1 * float(person.sum()) ** 0.5


def _search(
    setting: FitContext,
    stages: list,
    variables: Variables,
    progress: StageProgress | None,
    show: Callable[[str, Variables], None],
) -> tuple[Variables, list[StageRecord]]:
    """The hypotheses that keypoints leave, best first; all starts where there are no keypoints."""
    records = []
    for stage in stages:
        if setting.can_run(stage):
            variables, record = run_stage(setting, stage, variables, progress)
            records.append(record)
            show(stage.name, variables)
    return variables, records


def _starts(setting: FitContext, generator: torch.Generator) -> Variables:
    """What a regressor says, then poses and yaws of the recipe, turned a little at random."""
    recipe, starts = setting.recipe, setting.recipe.initialisation
    dimension = _dimension(setting.clothing_basis)
    found = [] if setting.regressed is None else [setting.regressed.variables]
    if starts.yaws_deg and starts.poses and (starts.use_default_poses or not found):
        posed = default_hypotheses(
            setting.body, setting.targets(0), recipe.n_betas, starts.yaws_deg, starts.poses, dimension
        )
        noise = START_JITTER_RAD * torch.randn(posed.pose.shape, generator=generator)
        turn = START_JITTER_RAD * torch.randn(posed.orient.shape, generator=generator)
        found.append(posed.with_values({"pose": posed.pose + noise, "orient": turn}).recentred())
    return found[0] if len(found) == 1 else found[0].joined(found[1])


def _dimension(basis: ClothingBasis | None) -> int:
    return 0 if basis is None else basis.directions.shape[-1]


def _result(
    setting: FitContext, before: Variables, after: Variables, seconds: dict[str, float], notes: list[str]
) -> FitResult:
    body, problem = setting.body, setting.final
    was, now = quality(problem.scene(before)), quality(problem.scene(after))
    status, reason = judge(now)
    parameters = after.detached().parameters(body, setting.clothing_basis)
    if not all(bool(value.isfinite().all()) for value in (parameters.rotations, parameters.transl, parameters.betas)):
        status, reason = "failed", "the fit did not stay finite"
    worse = [name for name, a, b in _pairs(was, now) if a is not None and b is not None and _is_worse(name, a, b)]
    if worse:
        notes.append(f"refinement made worse: {', '.join(worse)}")
    crop = setting.observation.crop(problem.targets.camera.width, (setting.recipe.crop_margin - 1) / 2)
    assert crop.crop_box is not None
    size_px = float(problem.targets.person_size_px[0]) * crop.crop_box[2] / crop.image_size[1]
    keypoint_px = _before_after(was.keypoint_error, now.keypoint_error, size_px)
    report = FitReport(
        status=status,
        reason=reason,
        iou=_before_after(was.iou, now.iou),
        part_iou=_before_after(was.part_iou, now.part_iou),
        keypoint_error_px=keypoint_px,
        losses={name: float(value[0]) for name, value in problem.breakdown(after).items()},
        beta_max=now.beta_max,
        seconds=seconds,
        notes=notes,
        sources=dict(setting.observation.source),
        recipe=setting.recipe.resolved(),
        versions=versions(),
    )
    with torch.no_grad():
        output = body(parameters)
    return FitResult(
        parameters=parameters,
        output=output,
        faces=body.faces,
        face_parts=body.face_parts,
        body_name=body.name,
        camera=setting.camera,
        observation=setting.observation,
        report=report,
        before=before.detached().parameters(body, setting.clothing_basis),
    )


def _pairs(was: Quality, now: Quality) -> list[tuple[str, float | None, float | None]]:
    return [
        ("iou", was.iou, now.iou),
        ("part_iou", was.part_iou, now.part_iou),
        ("keypoint_error_px", was.keypoint_error, now.keypoint_error),
    ]


def _is_worse(name: str, before: float, after: float) -> bool:
    """Whether a figure changed for the worse by more than half a percent point."""
    return (after - before if name == "keypoint_error_px" else before - after) > 0.005


def _before_after(before: float | None, after: float | None, unit: float = 1.0) -> BeforeAfter | None:
    if before is None or after is None:
        return None
    return BeforeAfter(before=round(before * unit, 4), after=round(after * unit, 4))
