"""Result of a fit: the body in coordinates of the photo's camera, and a report on it."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from jaxtyping import Float, Int64
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from render_fit.bodies.parameters import BodyOutput, BodyParameters
from render_fit.core.cameras import Camera
from render_fit.observations.observation import Observation


class BeforeAfter(BaseModel):
    """A metric before and after refinement through the renderer."""

    model_config = ConfigDict(frozen=True)
    before: float
    after: float


class FitReport(BaseModel):
    """Quality of a fit before and after refinement, and what it was made with.

    Attributes:
        status: ``ok``, ``poor`` (check it before use) or ``failed`` (do not use).
        reason: One sentence that explains the status.
        iou: IoU of silhouette and observed mask on valid pixels; null where no mask was observed.
        part_iou: Mean over labels of the IoU of rendered and observed parts; null where none were observed.
        keypoint_error_px: Mean distance of seen keypoints, pixels of the photo; null where none were observed.
        unexplained_share: Share of the observed mask that the mesh, clothing offsets included, does not cover, on valid
            pixels; null where no mask was observed. Skirts, bags and hair stay unexplained on purpose.
        body_outside_share: Share of the body without clothing offsets that lies outside of the observed mask, on valid
            pixels; null where no mask was observed.
        looseness: Estimate of how loosely the person is dressed: 0.25 (the least) without clothes or in tight ones, 1
            in usual ones, at most 3; null where no stage estimates it. Labels of clothes count in its place.
        losses: Weighted value of each term of the final objective.
        beta_max: Largest |β|, standard deviations.
        joint_sigma_mm: How unsure the joints are relative to the pelvis: root mean square of their standard deviations,
            ``depth`` and ``across`` it; null where no stage moved the shape.
        seconds: Wall time of each stage, and ``total``.
        notes: Warnings: a guessed scale, a metric that became worse, a skipped stage.
        sources: Origin of mask, keypoints, parts and camera.
        recipe: Recipe with all defaults filled in, and ``objects``: terms, solver and regressor passed beside it.
        versions: Versions of this package and of its main dependencies.
    """

    model_config = ConfigDict(frozen=True)
    status: Literal["ok", "poor", "failed"]
    reason: str
    iou: BeforeAfter | None
    part_iou: BeforeAfter | None
    keypoint_error_px: BeforeAfter | None
    unexplained_share: BeforeAfter | None
    body_outside_share: BeforeAfter | None
    looseness: float | None = None
    losses: dict[str, float]
    beta_max: float
    joint_sigma_mm: dict[str, float] | None = None
    seconds: dict[str, float]
    notes: list[str]
    sources: dict[str, str]
    recipe: dict[str, Any]
    versions: dict[str, str]


@dataclass(frozen=True)
class StageResult:
    """The hypotheses that one stage of a fit handed on.

    Attributes:
        name: Name of the stage.
        parameters: In camera coordinates of the photo; N hypotheses, best first.
        losses: (N,) value of the stage's objective for each; values of different stages cannot be compared.
    """

    name: str
    parameters: BodyParameters
    losses: Float[Tensor, "n"]


@dataclass(frozen=True)
class FitResult:
    """A fitted person.

    Attributes:
        parameters: In camera coordinates of the photo; N = 1.
        output: The posed mesh and joints.
        faces: (F, 3).
        face_parts: (F,) SMPL part of each face.
        body_name: Name or path by which ``load_body`` finds the body that the parameters belong to.
        camera: Camera of the photo.
        observation: Observation that was fitted to, in pixels of the photo.
        report: Quality of the fit.
        before: The parameters before refinement through the renderer.
        unclothed_vertices: (1, V, 3) the posed mesh without clothing offsets; None where the fit has none.
        betas_covariance: (S, S) covariance of the shape; None where no stage moved it, as the next one.
        joints_covariance: (1, J, 3, 3) covariance of the pelvis in camera coordinates, and of each other joint's
            position relative to the pelvis, in the axes of the camera; squared metres.
        stages: What each stage handed on, in order; empty for a person in several images.
    """

    parameters: BodyParameters
    output: BodyOutput
    faces: Int64[Tensor, "f 3"]
    face_parts: Int64[Tensor, "f"]
    body_name: str
    camera: Camera
    observation: Observation
    report: FitReport
    before: BodyParameters | None = None
    unclothed_vertices: Float[Tensor, "1 v 3"] | None = None
    betas_covariance: Float[Tensor, "s s"] | None = None
    joints_covariance: Float[Tensor, "1 j 3 3"] | None = None
    stages: tuple[StageResult, ...] = ()


def versions() -> dict[str, str]:
    """Versions of this package and of the dependencies that affect results."""
    found = {"python": platform.python_version()}
    for package in ("render-fit", "torch", "numpy", "numba", "mediapipe"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
