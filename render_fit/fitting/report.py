"""Result of a finished fit: the best hypothesis, how good it is, and the report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from render_fit.fitting.context import FitContext
from render_fit.fitting.known_height import about_height
from render_fit.fitting.known_weight import about_weight
from render_fit.fitting.quality import Quality, fit_status, quality
from render_fit.fitting.result import BeforeAfter, FitReport, FitResult, versions
from render_fit.fitting.uncertainty import Uncertainty, joint_sigma_mm
from render_fit.fitting.variables import Variables

NO_GRADIENT = "its terms have no gradient in the free variables (a renderer without gradient?)"


def result_of(
    context: FitContext,
    before: Variables,
    after: Variables,
    seconds: dict[str, float],
    notes: list[str],
    recipe: dict[str, Any],
    moved: bool,
    uncertainty: Uncertainty | None = None,
) -> FitResult:
    """Measures the best hypothesis and writes its report.

    Args:
        context: Image, body, renderer and recipe of the fit.
        before: The hypothesis that the fit is compared with.
        after: The hypothesis that the fit ended with.
        seconds: Time of each stage, and in all.
        notes: What is to be told about the fit so far.
        recipe: The recipe's settings and objects, for the report.
        moved: Whether any stage moved anything.
        uncertainty: Covariances at ``after``, if they were estimated.
    """
    body, problem = context.body, context.final
    was, now = quality(problem.state(before)), quality(problem.state(after))
    status, reason = fit_status(now)
    if not moved:
        status, reason = "failed" if status == "failed" else "poor", f"no stage moved anything: {NO_GRADIENT}; {reason}"
    parameters = after.detached().parameters(body, context.clothing_basis)
    if context.height_m is not None:
        notes.extend(about_height(body, parameters.betas, context.height_m))
    if context.weight_kg is not None:
        notes.extend(about_weight(body, parameters.betas, context.weight_kg))
    if not all(bool(value.isfinite().all()) for value in (parameters.rotations, parameters.transl, parameters.betas)):
        status, reason = "failed", "the fit did not stay finite"
    worse = [name for name, a, b in _pairs(was, now) if a is not None and b is not None and _is_worse(name, a, b)]
    if worse:
        notes.append(f"refinement made worse: {', '.join(worse)}")
    crop = context.observation.crop(problem.targets.camera.width, (context.recipe.crop_margin - 1) / 2)
    assert crop.crop_box is not None
    size_px = float(problem.targets.person_size_px[0]) * crop.crop_box[2] / crop.image_size[1]
    keypoint_px = _before_after(was.keypoint_error, now.keypoint_error, size_px)
    report = FitReport(
        status=status,
        reason=reason,
        iou=_before_after(was.iou, now.iou),
        part_iou=_before_after(was.part_iou, now.part_iou),
        keypoint_error_px=keypoint_px,
        unexplained_share=_before_after(was.unexplained_share, now.unexplained_share),
        body_outside_share=_before_after(was.body_outside_share, now.body_outside_share),
        looseness=None if context.looseness_scale is None else round(float(context.looseness_scale), 2),
        losses={name: float(value[0]) for name, value in problem.breakdown(after).items()},
        beta_max=now.beta_max,
        joint_sigma_mm=None if uncertainty is None else joint_sigma_mm(body.kinematics(parameters).joints, uncertainty),
        seconds=seconds,
        notes=notes,
        sources=dict(context.observation.source),
        recipe=recipe,
        versions=versions(),
    )
    with torch.no_grad():
        output = body(parameters)
        unclothed = None if parameters.offsets is None else body(replace(parameters, offsets=None)).vertices
    return FitResult(
        parameters=parameters,
        output=output,
        faces=body.faces,
        face_parts=body.face_parts,
        body_name=body.origin,
        camera=context.camera,
        observation=context.observation,
        report=report,
        before=before.detached().parameters(body, context.clothing_basis),
        unclothed_vertices=unclothed,
        betas_covariance=None if uncertainty is None else uncertainty.betas,
        joints_covariance=None if uncertainty is None else uncertainty.joints,
    )


def _pairs(was: Quality, now: Quality) -> list[tuple[str, float | None, float | None]]:
    return [
        ("iou", was.iou, now.iou),
        ("part_iou", was.part_iou, now.part_iou),
        ("keypoint_error_px", was.keypoint_error, now.keypoint_error),
    ]


def _is_worse(name: str, before: float, after: float) -> bool:
    """Whether a metric became worse by more than 0.005."""
    return (after - before if name == "keypoint_error_px" else before - after) > 0.005


def _before_after(before: float | None, after: float | None, unit: float = 1.0) -> BeforeAfter | None:
    if before is None or after is None:
        return None
    return BeforeAfter(before=round(before * unit, 4), after=round(after * unit, 4))
