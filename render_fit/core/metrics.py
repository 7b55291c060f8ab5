"""Errors of masks, 3D joints, surfaces and 2D keypoints against ground truth, one value per image.

Every function takes a batch and returns (B,), so that the caller decides how to average.
Distances are in the unit of the inputs: metres for 3D points, pixels (or a fraction) for 2D ones.
All functions are plain torch. All are differentiable almost everywhere, but those that
threshold: `iou`, `part_iou` and `pck`.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from render_fit.core.rotations import roma

PCKH_HEAD_SHARE = 0.5
"""Share of the head segment within which PCKh finds a keypoint (Andriluka et al., CVPR 2014, sec. 4)."""


def soft_iou(
    mask: Float[Tensor, "b h w"] | Bool[Tensor, "b h w"],
    mask_true: Float[Tensor, "b h w"] | Bool[Tensor, "b h w"],
    valid: Bool[Tensor, "b h w"] | None = None,
) -> Float[Tensor, "b"]:
    """Intersection over union of two masks, Σ min / Σ max: antialiased pixels count by their coverage.

    Args:
        mask: (B, H, W) in [0, 1].
        mask_true: (B, H, W) in [0, 1].
        valid: (B, H, W) pixels that count; all if None.

    Returns:
        (B,) in [0, 1]. Two empty masks agree: 1.
    """
    predicted, true = mask.float(), mask_true.float()
    if valid is not None:
        predicted, true = predicted * valid, true * valid
    union = torch.maximum(predicted, true).sum(dim=(1, 2))
    intersection = torch.minimum(predicted, true).sum(dim=(1, 2))
    return torch.where(union > 0, intersection / union.clamp(min=1e-12), torch.ones_like(union))


def iou(
    mask: Float[Tensor, "b h w"] | Bool[Tensor, "b h w"],
    mask_true: Float[Tensor, "b h w"] | Bool[Tensor, "b h w"],
    valid: Bool[Tensor, "b h w"] | None = None,
) -> Float[Tensor, "b"]:
    """Intersection over union (Jaccard index) of two masks thresholded at 0.5; arguments as for `soft_iou`.

    A pixel of exactly 0.5 is outside. Two empty masks agree: 1. *Differentiability*: none; see `soft_iou`.
    """
    return soft_iou(mask > 0.5, mask_true > 0.5, valid)


def part_ious(
    labels: Int[Tensor, "b h w"],
    labels_true: Int[Tensor, "b h w"],
    n_labels: int,
    valid: Bool[Tensor, "b h w"] | None = None,
) -> Float[Tensor, "b l"]:
    """Intersection over union of each label but 0, the background.

    Args:
        labels: (B, H, W) label indices.
        labels_true: (B, H, W) label indices.
        n_labels: Number of labels in the space, background included.
        valid: (B, H, W) pixels that count; all if None.

    Returns:
        (B, n_labels - 1) in [0, 1]; NaN where the true label map does not contain the label.
    """
    scores = []
    for label in range(1, n_labels):
        true = labels_true == label
        present = (true if valid is None else true & valid).flatten(1).any(dim=1)
        scores.append(torch.where(present, iou(labels == label, true, valid), torch.nan))
    return torch.stack(scores, dim=1)


def part_iou(
    labels: Int[Tensor, "b h w"],
    labels_true: Int[Tensor, "b h w"],
    n_labels: int,
    valid: Bool[Tensor, "b h w"] | None = None,
) -> Float[Tensor, "b"]:
    """Mean of `part_ious` over the labels that the true label map contains; NaN where it is all background."""
    return part_ious(labels, labels_true, n_labels, valid).nanmean(dim=1)


def part_f1(
    labels: Int[Tensor, "b h w"],
    labels_true: Int[Tensor, "b h w"],
    n_labels: int,
    valid: Bool[Tensor, "b h w"] | None = None,
) -> Float[Tensor, "b"]:
    """Mean F1 score (Dice coefficient) of the labels that the true label map contains, the background 0 excluded.

    Arguments as for `part_ious`. Published tables (UP-3D, SPIN) sum pixels over all images instead and count the
    background as a label, so their values are higher.

    Returns:
        (B,) in [0, 1]; NaN where the true label map is all background.

    Source: Lassner et al., CVPR 2017, sec. 5.
    """
    ious = part_ious(labels, labels_true, n_labels, valid)
    return (2 * ious / (1 + ious)).nanmean(dim=1)


def weighted_mean(
    values: Float[Tensor, "b n"], weights: Float[Tensor, "b n"] | Bool[Tensor, "b n"] | None = None
) -> Float[Tensor, "b"]:
    """Mean over the second dimension; NaN where all weights are zero. Values of zero weight may be NaN."""
    if weights is None:
        return values.mean(dim=1)
    weights = weights.to(values)
    return (torch.where(weights > 0, values, 0.0) * weights).sum(dim=1) / weights.sum(dim=1)


def mpjpe(
    joints: Float[Tensor, "b k 3"],
    joints_true: Float[Tensor, "b k 3"],
    weights: Float[Tensor, "b k"] | Bool[Tensor, "b k"] | None = None,
    root: int | None = None,
) -> Float[Tensor, "b"]:
    """Mean per-joint position error.

    Args:
        joints: (B, K, 3) metres.
        joints_true: (B, K, 3) metres, the same joints and frame.
        weights: (B, K) weight of each joint; equal if None.
        root: Joint that is moved onto the truth's first; no alignment if None.

    Returns:
        (B,) metres.

    Source: Ionescu et al., Human3.6M, TPAMI 2014, eq. 8.
    """
    if root is not None:
        joints = joints - joints[:, root : root + 1]
        joints_true = joints_true - joints_true[:, root : root + 1]
    return weighted_mean((joints - joints_true).norm(dim=-1), weights)


def n_mpjpe(joints: Float[Tensor, "b k 3"], joints_true: Float[Tensor, "b k 3"], root: int = 0) -> Float[Tensor, "b"]:
    """MPJPE after the root is aligned and the prediction scaled by its least-squares factor (about the root).

    Returns:
        (B,) metres.

    Source: Rhodin et al., CVPR 2018, sec. 4 ("NMPJPE").
    """
    joints = joints - joints[:, root : root + 1]
    joints_true = joints_true - joints_true[:, root : root + 1]
    scale = (joints * joints_true).sum(dim=(1, 2)) / joints.square().sum(dim=(1, 2)).clamp(min=1e-12)
    return mpjpe(scale[:, None, None] * joints, joints_true)


def procrustes_align(
    points: Float[Tensor, "b n 3"],
    points_true: Float[Tensor, "b n 3"],
    weights: Float[Tensor, "b n"] | Bool[Tensor, "b n"] | None = None,
) -> Float[Tensor, "b n 3"]:
    """Points moved by the rotation, translation and positive scale that bring them nearest to the truth.

    The rotation is proper: a mirrored body stays mirrored.

    Args:
        points: (B, N, 3) metres.
        points_true: (B, N, 3) metres.
        weights: (B, N) weights of the least squares; equal if None.

    Source: Umeyama, TPAMI 1991, through ``roma.rigid_points_registration``.
    """
    weights = None if weights is None else weights.to(points)
    similarity = roma.rigid_points_registration(points, points_true, weights=weights, compute_scaling=True)
    R, t, s = cast(tuple[Tensor, Tensor, Tensor], similarity)
    return s[:, None, None] * points @ R.mT + t[:, None]


def pa_mpjpe(
    joints: Float[Tensor, "b k 3"],
    joints_true: Float[Tensor, "b k 3"],
    weights: Float[Tensor, "b k"] | Bool[Tensor, "b k"] | None = None,
) -> Float[Tensor, "b"]:
    """MPJPE after Procrustes alignment ("reconstruction error"), metres.

    Source: Kanazawa et al., CVPR 2018, sec. 4.1.
    """
    return mpjpe(procrustes_align(joints, joints_true, weights), joints_true, weights)


def scale_translation_align(
    points: Float[Tensor, "b n 3"], points_true: Float[Tensor, "b n 3"]
) -> Float[Tensor, "b n 3"]:
    """Points moved and scaled so that their mean and RMS distance from it are the truth's; never rotated.

    Source: the scale correction of STRAPS (Sengupta et al., BMVC 2020, sec. 4), as its published code has it.
    """
    centre, centre_true = points.mean(dim=1, keepdim=True), points_true.mean(dim=1, keepdim=True)
    spread = (points - centre).square().sum(dim=(1, 2), keepdim=True)
    spread_true = (points_true - centre_true).square().sum(dim=(1, 2), keepdim=True)
    return (points - centre) * (spread_true / spread.clamp(min=1e-12)).sqrt() + centre_true


def pve(
    vertices: Float[Tensor, "b v 3"],
    vertices_true: Float[Tensor, "b v 3"],
    align: Literal["none", "translation", "scale", "procrustes"] = "none",
) -> Float[Tensor, "b"]:
    """Mean per-vertex error of two meshes of one topology.

    Args:
        vertices: (B, V, 3) metres.
        vertices_true: (B, V, 3) metres.
        align: What is taken out first: nothing, the mean position, mean position and size (STRAPS's
            correction: one image says nothing about size), or the whole similarity.

    Returns:
        (B,) metres.

    Raises:
        ValueError: for an unknown ``align``.
    """
    if align == "translation":
        vertices = vertices - vertices.mean(dim=1, keepdim=True) + vertices_true.mean(dim=1, keepdim=True)
    elif align == "scale":
        vertices = scale_translation_align(vertices, vertices_true)
    elif align == "procrustes":
        vertices = procrustes_align(vertices, vertices_true)
    elif align != "none":
        raise ValueError(f"align: expected none, translation, scale or procrustes, got {align!r}")
    return (vertices - vertices_true).norm(dim=-1).mean(dim=1)


def pve_t_sc(vertices_rest: Float[Tensor, "b v 3"], vertices_rest_true: Float[Tensor, "b v 3"]) -> Float[Tensor, "b"]:
    """Scale-corrected per-vertex error in the zero pose: shape alone, without pose and without size.

    Args:
        vertices_rest: (B, V, 3) the fitted shape in the zero pose, metres.
        vertices_rest_true: (B, V, 3) the true shape in the zero pose, metres.

    Returns:
        (B,) metres.

    Source: PVE-T-SC of STRAPS, Sengupta et al., BMVC 2020, sec. 4.
    """
    return pve(vertices_rest, vertices_rest_true, align="scale")


def keypoint_error(
    keypoints_px: Float[Tensor, "b k 2"],
    keypoints_true_px: Float[Tensor, "b k 2"],
    visible: Bool[Tensor, "b k"] | Float[Tensor, "b k"] | None = None,
    reference_px: Float[Tensor, "b"] | None = None,
) -> Float[Tensor, "b"]:
    """Mean 2D distance of the visible keypoints, in pixels or as a share of a reference length.

    Args:
        keypoints_px: (B, K, 2) pixels.
        keypoints_true_px: (B, K, 2) pixels.
        visible: (B, K) which keypoints count (or their weights); all if None.
        reference_px: (B,) length that distances are divided by, pixels: ``box_reference`` for "of the box". None for
            an error in pixels.

    Returns:
        (B,) pixels, or a share (0.02 is 2 %); NaN where nothing is visible.
    """
    distance = (keypoints_px - keypoints_true_px).norm(dim=-1)
    return weighted_mean(distance if reference_px is None else distance / reference_px[:, None], visible)


def box_reference(boxes_xywh: Float[Tensor, "b 4"]) -> Float[Tensor, "b"]:
    """The longer side of each box, pixels: what PCK measures by (Yang & Ramanan, TPAMI 2013, sec. 7.1)."""
    return boxes_xywh[:, 2:].amax(dim=1)


def pck(
    keypoints_px: Float[Tensor, "b k 2"],
    keypoints_true_px: Float[Tensor, "b k 2"],
    visible: Bool[Tensor, "b k"],
    reference_px: Float[Tensor, "b"],
    threshold: float,
) -> Float[Tensor, "b"]:
    """Share of the visible keypoints that lie within ``threshold`` × ``reference_px`` of the truth.

    Args:
        keypoints_px: (B, K, 2) pixels.
        keypoints_true_px: (B, K, 2) pixels.
        visible: (B, K) which keypoints count.
        reference_px: (B,) pixels: longer side of the box, head segment or torso.
        threshold: Share of the reference.

    Returns:
        (B,) in [0, 1]; NaN where nothing is visible.

    Source: Yang & Ramanan, TPAMI 2013, sec. 7.1.
    """
    distance = (keypoints_px - keypoints_true_px).norm(dim=-1)
    return weighted_mean((distance <= threshold * reference_px[:, None]).float(), visible)


def pckh(
    keypoints_px: Float[Tensor, "b k 2"],
    keypoints_true_px: Float[Tensor, "b k 2"],
    visible: Bool[Tensor, "b k"],
    head_top: int,
    neck: int,
    threshold: float = PCKH_HEAD_SHARE,
) -> Float[Tensor, "b"]:
    """PCK by the length of the true head segment, from ``neck`` to ``head_top`` (indices into K).

    Where the dataset gives a head *box* (MPII), its 0.6 × diagonal stands for this length: use ``pck`` then.
    """
    segment = (keypoints_true_px[:, head_top] - keypoints_true_px[:, neck]).norm(dim=-1)
    return pck(keypoints_px, keypoints_true_px, visible, segment, threshold)
