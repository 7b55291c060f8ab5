"""How well a scene matches its observation, in figures that people know, and what status that earns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from render_fit.losses.fit_state import FitState

SEEN = 0.3
"""Confidence from which a keypoint counts in the reported error."""


@dataclass(frozen=True)
class Quality:
    """Figures of one fit; None where there was nothing to compare with.

    Attributes:
        iou: Silhouette against mask, on valid pixels.
        part_iou: Mean over observed labels.
        keypoint_error: Mean distance of seen keypoints in person sizes.
        beta_max: Largest |β|.
    """

    iou: float | None
    part_iou: float | None
    keypoint_error: float | None
    beta_max: float


@torch.no_grad()
def quality(scene: FitState) -> Quality:
    """Measure one hypothesis (B = 1)."""
    targets = scene.targets
    return Quality(
        iou=None if targets.mask is None else _iou(scene),
        part_iou=None if targets.labels is None else _part_iou(scene),
        keypoint_error=_keypoint_error(scene),
        beta_max=float(scene.parameters.betas.abs().max()),
    )


def _iou(scene: FitState) -> float:
    valid = scene.targets.valid[0]
    body = (scene.render("silhouette")[0] > 0.5) & valid
    mask = (scene.targets.seen_mask[0] > 0.5) & valid
    union = (body | mask).sum()
    return float((body & mask).sum() / union) if union > 0 else 0.0


def _part_iou(scene: FitState) -> float:
    targets = scene.targets
    assert targets.labels is not None and targets.part_space is not None
    parts = scene.render("parts")[0]
    background = (1 - parts.sum(dim=0, keepdim=True)).clamp(min=0)
    emission = targets.part_space.emission.to(parts)
    drawn = torch.einsum("phw,pl->lhw", torch.cat([parts, background]), emission).argmax(dim=0)
    valid, seen = targets.valid[0], targets.labels[0]
    ious = []
    for label in seen[valid].unique().tolist():
        if label == 0:
            continue
        a, b = (drawn == label) & valid, (seen == label) & valid
        ious.append(float((a & b).sum() / (a | b).sum()))
    return sum(ious) / len(ious) if ious else 0.0


def _keypoint_error(scene: FitState) -> float | None:
    targets = scene.targets
    if targets.keypoints_px is None or targets.confidence is None:
        return None
    seen = targets.confidence[0] > SEEN
    if not seen.any():
        return None
    distance = (scene.keypoints_px[0] - targets.keypoints_px[0]).norm(dim=-1)
    return float(distance[seen].mean() / targets.person_size_px[0])


@dataclass(frozen=True)
class Thresholds:
    """Where ``ok`` ends and ``failed`` begins.

    Measured with ``python -m render_fit.evaluation.experiments status``: unclothed synthetic people in held-out poses,
    mask or keypoints made wrong in eleven ways or left right, the fit compared with the true joints; 192 fits, seeds 0
    and 1. PA-MPJPE is 66 mm in the median of 136 ``ok``, 100 mm of 43 ``poor``, 167 mm of 13 ``failed``, of which 9 are
    bad (130 mm or more). The limits are rounded from what each seed chose by the experiment's rule when they were set:
    IoU 0.6 and 0.35, keypoints 6 and 5 % for ``ok``; IoU 0 and 0.2, keypoints 6 and 8.5 % for ``failed``.

    A status is weak evidence of a good body. The Youden index of ``ok`` against bad is 0.32 (0.13 with the limits set
    by hand before), and 23 of the 49 bad fits are ``ok``: 12 of them have a limb flipped in depth or face the wrong
    way, which no limit on mask and 2D keypoints can see. A low IoU beside good keypoints says little: of 24 fits under
    0.5, 9 are bad and 12 good. Not measured: fits to a mask alone, and ``beta_ok``, which no fit exceeded.

    Attributes:
        iou_ok: Silhouette IoU from which a fit is ``ok``.
        iou_failed: Silhouette IoU under which it is ``failed``.
        keypoint_error_ok: Mean keypoint error up to which a fit is ``ok``, in person sizes.
        keypoint_error_failed: Mean keypoint error above which it is ``failed``, in person sizes.
        beta_ok: Largest |β| of an ``ok`` fit, standard deviations.
    """

    iou_ok: float = 0.6
    iou_failed: float = 0.2
    keypoint_error_ok: float = 0.05
    keypoint_error_failed: float = 0.08
    beta_ok: float = 3.0


def judge(quality: Quality, thresholds: Thresholds | None = None) -> tuple[Literal["ok", "poor", "failed"], str]:
    """Status of a fit and the sentence that explains it."""
    limit = thresholds if thresholds is not None else Thresholds()
    failures, doubts = [], []
    if quality.iou is not None:
        if quality.iou < limit.iou_failed:
            failures.append(f"silhouette IoU {quality.iou:.2f} is under {limit.iou_failed}")
        elif quality.iou < limit.iou_ok:
            doubts.append(f"silhouette IoU {quality.iou:.2f} is under {limit.iou_ok}")
    if quality.keypoint_error is not None:
        percent = 100 * quality.keypoint_error
        if quality.keypoint_error > limit.keypoint_error_failed:
            failures.append(f"keypoints are off by {percent:.1f} % of the person's size")
        elif quality.keypoint_error > limit.keypoint_error_ok:
            doubts.append(f"keypoints are off by {percent:.1f} % of the person's size")
    if quality.beta_max > limit.beta_ok:
        doubts.append(f"|β| of {quality.beta_max:.1f} is a shape that hardly anybody has")
    if quality.keypoint_error is None and quality.iou is not None:
        doubts.append("no keypoints were seen: a silhouette alone says little about the pose")
    if quality.iou is None and quality.keypoint_error is None:
        failures.append("nothing was observed that the fit could be judged by")
    if failures:
        return "failed", "; ".join(failures + doubts)
    if doubts:
        return "poor", "; ".join(doubts)
    return "ok", "silhouette and keypoints agree with the image"
