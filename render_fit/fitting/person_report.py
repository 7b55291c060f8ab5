"""Report of a person in several images: one verdict, and the quality of each image's fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from render_fit.fitting.person import PersonFit
from render_fit.fitting.result import versions

OK_SHARE = 0.8
"""Share of the images whose fits have to be ``ok`` for a person who is ``ok``; set by hand."""


class ImageReport(BaseModel):
    """One image of the person.

    Attributes:
        name: Name of the image's folder.
        found: Whether the person was found in it and counts.
        status: Status of its fit, of ``ok``, ``poor`` and ``failed``.
        reason: One sentence that explains it.
        iou: IoU of silhouette and mask after the fit; null without a mask.
        keypoint_error_px: Mean distance of seen keypoints, pixels of the photo; null without keypoints.
        joint_sigma_mm: How unsure the joints are in it, as in ``FitReport``; null where the person was not found.
        disagreement: Squared distance of the shape that this image asks for from that of all.
        notes: Warnings about this image.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    found: bool
    status: Literal["ok", "poor", "failed"]
    reason: str
    iou: float | None = None
    keypoint_error_px: float | None = None
    joint_sigma_mm: dict[str, float] | None = None
    disagreement: float | None = None
    notes: list[str] = []


class PersonReport(BaseModel):
    """The person.

    Attributes:
        status: ``ok``, ``poor`` (check it before use) or ``failed`` (do not use).
        reason: One sentence that explains the status.
        images: Number of images.
        found: Number of images that the shape was fitted to.
        beta_max: Largest |β|, standard deviations; null if nobody was found.
        frames: The images in their order.
        seconds: Wall time of each stage, and ``total``.
        notes: Warnings about all images.
        recipe: Recipe with all defaults filled in.
        versions: Versions of this package and of its main dependencies.
    """

    model_config = ConfigDict(frozen=True)
    status: Literal["ok", "poor", "failed"]
    reason: str
    images: int
    found: int
    beta_max: float | None
    frames: list[ImageReport]
    seconds: dict[str, float]
    notes: list[str]
    recipe: dict[str, Any]
    versions: dict[str, str]


def image_reports(names: Sequence[str], missing: Mapping[str, str], fit: PersonFit) -> list[ImageReport]:
    """What is to be told about each image.

    Args:
        names: Names of all images, in their order.
        missing: Why there is no observation of an image, by its name; the others are those of the fit, in their order.
        fit: The person.
    """
    reports, fitted = [], iter(range(len(fit.results)))
    for name in names:
        if name in missing:
            reports.append(ImageReport(name=name, found=False, status="failed", reason=missing[name]))
            continue
        index = next(fitted)
        result, disagreement = fit.results[index], round(float(fit.disagreement[index]), 2)
        if result is None:
            reason = fit.left_out[index]
            left = ImageReport(name=name, found=False, status="failed", reason=reason, disagreement=disagreement)
            reports.append(left)
            continue
        report = result.report
        reports.append(
            ImageReport(
                name=name,
                found=True,
                status=report.status,
                reason=report.reason,
                iou=None if report.iou is None else report.iou.after,
                keypoint_error_px=None if report.keypoint_error_px is None else report.keypoint_error_px.after,
                joint_sigma_mm=report.joint_sigma_mm,
                disagreement=disagreement,
                notes=report.notes,
            )
        )
    return reports


def person_report(frames: list[ImageReport], fit: PersonFit, recipe: dict[str, Any]) -> PersonReport:
    """The report of a person.

    Args:
        frames: What is told about each image.
        fit: The person.
        recipe: The recipe's settings and objects.
    """
    found = [frame for frame in frames if frame.found]
    ok = sum(frame.status == "ok" for frame in found)
    left_out = len(frames) - len(found)
    status: Literal["ok", "poor"] = "ok" if ok >= OK_SHARE * len(found) and 2 * left_out <= len(frames) else "poor"
    reason = f"{ok} of {len(found)} images fit well"
    if left_out:
        reason += f"; {left_out} left out"
    common = [note for note in (found[0].notes if found else []) if all(note in frame.notes for frame in found)]
    frames = [
        frame.model_copy(update={"notes": [note for note in frame.notes if note not in common]}) for frame in frames
    ]
    return PersonReport(
        status=status,
        reason=reason,
        images=len(frames),
        found=len(found),
        beta_max=round(float(fit.betas.abs().max()), 3),
        frames=frames,
        seconds=fit.seconds,
        notes=list(dict.fromkeys(common)),
        recipe=recipe,
        versions=versions(),
    )
