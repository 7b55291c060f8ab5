"""What a fit gives back: the body in the photo's camera, and an honest account of it."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from jaxtyping import Int64
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from render_fit.bodies.parameters import BodyOutput, BodyParameters
from render_fit.core.cameras import Camera
from render_fit.observations.observation import Observation


class BeforeAfter(BaseModel):
    """A figure before and after refinement through the renderer."""

    model_config = ConfigDict(frozen=True)
    before: float
    after: float


class FitReport(BaseModel):
    """How good a fit is, whether refinement made anything worse, and how it came about.

    Attributes:
        status: ``ok``, ``poor`` (look at it before use) or ``failed`` (do not use).
        reason: One sentence on the status.
        iou: Of silhouette and observed mask on valid pixels; null where no mask was observed.
        part_iou: Mean over labels of the IoU of rendered and observed parts; null where none were observed.
        keypoint_error_px: Mean distance of seen keypoints, pixels of the photo; null where none were observed.
        losses: Weighted value of each term of the final objective.
        beta_max: Largest |β|, standard deviations.
        seconds: Per phase.
        notes: What a reader should know (a guessed scale, something that got worse, a skipped stage).
        sources: Where mask, keypoints, parts and camera came from.
        recipe: With all defaults filled in.
        versions: Of this package and what it stands on.
    """

    model_config = ConfigDict(frozen=True)
    status: Literal["ok", "poor", "failed"]
    reason: str
    iou: BeforeAfter | None
    part_iou: BeforeAfter | None
    keypoint_error_px: BeforeAfter | None
    losses: dict[str, float]
    beta_max: float
    seconds: dict[str, float]
    notes: list[str]
    sources: dict[str, str]
    recipe: dict[str, Any]
    versions: dict[str, str]


@dataclass(frozen=True)
class FitResult:
    """A fitted person.

    Attributes:
        parameters: In camera coordinates of the photo; N = 1.
        output: The posed mesh and joints.
        faces: (F, 3).
        face_parts: (F,) SMPL part of each face.
        body_name: Which body the parameters belong to.
        camera: The photo's.
        observation: What was fitted to, in the photo's pixels.
        report: See ``FitReport``.
        before: The parameters before refinement through the renderer.
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


def versions() -> dict[str, str]:
    """Versions of this package and of what decides a fit's numbers."""
    found = {"python": platform.python_version()}
    for package in ("render-fit", "torch", "numpy", "numba", "mediapipe"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
