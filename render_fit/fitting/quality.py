"""Quality of a fit: agreement of mask, parts and keypoints, largest |β|, and the status that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from render_fit.core import metrics
from render_fit.losses.fit_state import FitState

MIN_CONFIDENCE = 0.3
"""Confidence above which a keypoint counts in the reported error."""


@dataclass(frozen=True)
class Quality:
    """Agreement of one fit with its observation; None where nothing was observed to compare with.

    Attributes:
        iou: IoU of rendered and observed silhouette, both thresholded at 0.5, on valid pixels.
        part_iou: Mean over the observed labels of the IoU of rendered and observed parts, on valid pixels.
        keypoint_error: Mean distance of the observed keypoints, in person sizes.
        beta_max: Largest |β|, standard deviations.
        unexplained_share: Share of the observed mask that the mesh, clothing offsets included, does not cover, both
            thresholded at 0.5, on valid pixels. Skirts, bags and hair stay unexplained on purpose.
        body_outside_share: Share of the silhouette of the body *without* clothing offsets that lies outside of the
            observed mask, both thresholded at 0.5, on valid pixels: no garment explains it.
    """

    iou: float | None
    part_iou: float | None
    keypoint_error: float | None
    beta_max: float
    unexplained_share: float | None = None
    body_outside_share: float | None = None


@torch.no_grad()
def quality(state: FitState) -> Quality:
    """Measure one hypothesis (B = 1)."""
    targets = state.targets
    return Quality(
        iou=None if targets.mask is None else _silhouette_iou(state),
        part_iou=None if targets.labels is None else _part_iou(state),
        keypoint_error=_keypoint_error(state),
        beta_max=float(state.parameters.betas.abs().max()),
        unexplained_share=None if targets.mask is None else _unexplained_share(state),
        body_outside_share=None if targets.mask is None else _body_outside_share(state),
    )


def _silhouette_iou(state: FitState) -> float:
    mask, valid = state.targets.seen_mask, state.targets.valid
    # A mask without valid pixels is no evidence for the fit, so two empty masks count as 0 here.
    visible = bool(((mask > 0.5) & valid).any())
    return float(metrics.iou(state.render("silhouette"), mask, valid)) if visible else 0.0


def _unexplained_share(state: FitState) -> float:
    seen = (state.targets.seen_mask > 0.5) & state.targets.valid
    return _share(seen & (state.render("silhouette") <= 0.5), seen)


def _body_outside_share(state: FitState) -> float:
    unclothed = state
    if state.parameters.offsets is not None:
        bare = replace(state.parameters, offsets=None)
        unclothed = FitState(state.body, bare, state.targets, state.renderer, state.settings)
    body = (unclothed.render("silhouette") > 0.5) & state.targets.valid
    return _share(body & (state.targets.seen_mask <= 0.5), body)


def _share(part: Tensor, whole: Tensor) -> float:
    """Share of the pixels; 1 where there is nothing to take a share of, which is no evidence for the fit."""
    return float(part.sum() / whole.sum()) if bool(whole.any()) else 1.0


def _part_iou(state: FitState) -> float:
    targets = state.targets
    assert targets.labels is not None and targets.part_space is not None
    parts = state.render("parts")[0]
    background = (1 - parts.sum(dim=0, keepdim=True)).clamp(min=0)
    emission = targets.part_space.emission.to(parts)
    labels = torch.einsum("phw,pl->lhw", torch.cat([parts, background]), emission).argmax(dim=0)
    scores = metrics.part_ious(labels[None], targets.labels, len(targets.part_space), targets.valid)
    return float(scores.double().nanmean().nan_to_num(0.0))


def _keypoint_error(state: FitState) -> float | None:
    targets = state.targets
    if targets.keypoints_px is None or targets.confidence is None:
        return None
    counted = targets.confidence[0] > MIN_CONFIDENCE
    if not counted.any():
        return None
    error_px = metrics.keypoint_error(state.keypoints_px[:, counted], targets.keypoints_px[:, counted])
    return float(error_px / targets.person_size_px)


@dataclass(frozen=True)
class Thresholds:
    """Limits of the status ``ok`` and ``failed``; a fit between them is ``poor``.

    Measured with ``render-fit experiment status-thresholds`` on unclothed synthetic people in held-out poses. Masks or
    keypoints are perturbed in eleven ways or left correct, and the fit is compared with the true joints: 192 fits,
    seeds 0 and 1. Median PA-MPJPE is 66 mm of 136 ``ok``, 100 mm of 43 ``poor`` and 167 mm of 13 ``failed``, of which 9
    are bad (130 mm or more). The limits are rounded from those that each seed chose by the experiment's rule: for
    ``ok`` IoU 0.6 and 0.35, keypoints 6 and 5 %; for ``failed`` IoU 0 and 0.2, keypoints 6 and 8.5 %.

    A status is weak evidence of a good body. The Youden index of ``ok`` against bad is 0.32 (0.13 with limits set by
    hand), and 23 of the 49 bad fits are ``ok``: 12 of them have a limb flipped in depth or face the wrong way, which no
    limit on mask and 2D keypoints detects. A low IoU with good keypoints is weak evidence of a bad body: of 24 fits
    under 0.5, 9 are bad and 12 good. Not measured: fits to a mask alone, and ``beta_ok``, which no fit exceeded.

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


def fit_status(quality: Quality, thresholds: Thresholds | None = None) -> tuple[Literal["ok", "poor", "failed"], str]:
    """Status of a fit and the reason for it.

    Args:
        quality: Measured quality of the fit.
        thresholds: Limits; the measured ones if None.

    Returns:
        ``ok``, ``poor`` or ``failed``, and a sentence with the figures that decided.
    """
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
        doubts.append(f"|β| of {quality.beta_max:.1f} is a very rare shape")
    if quality.keypoint_error is None and quality.iou is not None:
        doubts.append("no keypoints were observed: a silhouette alone hardly constrains the pose")
    if quality.iou is None and quality.keypoint_error is None:
        failures.append("nothing was observed to compare the fit with")
    if failures:
        return "failed", "; ".join(failures + doubts)
    if doubts:
        return "poor", "; ".join(doubts)
    return "ok", "silhouette and keypoints agree with the image"
