"""Errors of one predicted body against one annotated person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core import metrics
from render_fit.core.cameras import Camera
from render_fit.core.rotation_metrics import quaternion_error, rotation_error
from render_fit.core.rotations import roma
from render_fit.core.skeletons import SMPL_24, Skeleton
from render_fit.core.threshold_metrics import auc_3d, pck_3d
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson, SmplTruth
from render_fit.evaluation.benchmark.joint_regressor import REGRESSED_17
from render_fit.export.parameters import SavedFit

PCK_BOX_SHARE = 0.05
"""Share of the longer side of the box within which PCK finds a keypoint."""

HIPS = ("left_hip", "right_hip")

OF_THE_VIEW = ("mpjpe_mm", "pck_3d", "auc_3d", "pve_mm")
"""Metrics that depend on the frame of the camera."""

BODY_JOINTS = 22
"""SMPL's joints without its two hands, whose rotations no data set observes."""


@dataclass(frozen=True)
class PersonErrors:
    """Errors of one person.

    Attributes:
        values: Name of the metric → value; metrics without truth are left out.
        joints: (K, 3) predicted and true joints relative to the root, metres, for errors between frames; or None.
        distances_m: (K,) distance of each joint from the truth, for the curve of 3D PCK; or None.
    """

    values: dict[str, float]
    joints: tuple[Tensor, Tensor] | None = None
    distances_m: Tensor | None = None


@torch.no_grad()
def person_errors(
    fit: SavedFit,
    body: Body,
    person: AnnotatedPerson,
    joints: Sequence[str] = (),
    truth_body: Body | None = None,
    regressor: Float[Tensor, "17 v"] | None = None,
) -> PersonErrors:
    """Errors of a predicted body.

    Args:
        fit: The prediction: one body.
        body: Its body model.
        person: The truth.
        joints: Names of the 3D joints to compare; all that are known if empty.
        truth_body: Body model of the true parameters, or None.
        regressor: Regressor of joints from meshes; used where its vertices are the body's. None: landmarks.

    Returns:
        Millimetres, degrees and shares; only what the truth allows.
    """
    parameters = fit.parameters()
    values: dict[str, float] = {}
    compared, distances = None, None
    true_body = None if truth_body is None or person.smpl is None else true_parameters(person.smpl, truth_body)
    if regressor is not None and regressor.shape[1] == body.n_vertices:
        found = _regressed_joints(parameters, body, person, joints, truth_body, true_body, regressor)
    else:
        found = _joints(parameters, body, person, joints, truth_body, true_body)
    if found is not None:
        predicted, true = found
        compared = (predicted[0], true[0])
        distances = (predicted - true).norm(dim=-1)[0]
        values |= {
            "mpjpe_mm": 1000 * float(metrics.mpjpe(predicted, true)),
            "pa_mpjpe_mm": 1000 * float(metrics.pa_mpjpe(predicted, true)),
            "pck_3d": float(pck_3d(predicted, true)),
            "auc_3d": float(auc_3d(predicted, true)),
        }
    if person.smpl is not None:
        values |= _rotation_errors(parameters, person.smpl)
    if truth_body is not None and true_body is not None and _same_mesh(body, truth_body):
        values |= _surface_errors(parameters, body, true_body, truth_body)
    values |= _keypoint_errors(parameters, body, fit.camera(), person)
    if person.joints is None and person.smpl is not None and not person.smpl.in_camera:
        values = {name: value for name, value in values.items() if name not in OF_THE_VIEW}
        compared, distances = None, None
    return PersonErrors(values, compared, distances)


def true_parameters(truth: SmplTruth, body: Body) -> BodyParameters:
    """True parameters for a body model: poses of more joints than it has, as hands, are cut off."""
    pose = torch.zeros(1, len(body.joint_names), 3)
    n = min(len(truth.poses), pose.shape[1])
    pose[0, :n] = torch.from_numpy(truth.poses[:n]).float()
    betas = torch.from_numpy(truth.betas[: body.n_betas]).float()[None]
    transl = torch.zeros(1, 3) if truth.transl is None else torch.from_numpy(truth.transl).float()[None]
    return BodyParameters.from_rotvec(pose, betas, transl)


def _joints(
    parameters: BodyParameters,
    body: Body,
    person: AnnotatedPerson,
    names: Sequence[str],
    truth_body: Body | None,
    true: BodyParameters | None,
) -> tuple[Tensor, Tensor] | None:
    """(1, K, 3) predicted and true joints relative to their roots, metres; None without truth."""
    if person.joints is not None and person.joint_set is not None and person.joints_known is not None:
        skeleton, joints_true = person.joint_set, torch.from_numpy(person.joints).float()[None]
        known = torch.from_numpy(person.joints_known) & body.supports(skeleton)
        predicted = body.keypoints(parameters, skeleton)
    elif truth_body is not None and true is not None:
        skeleton = SMPL_24
        predicted, joints_true = body.keypoints(parameters, skeleton), truth_body.keypoints(true, skeleton)
        known = body.supports(skeleton) & truth_body.supports(skeleton)
    else:
        return None
    root = _root(skeleton, known)
    if root is None:
        return None
    wanted = [name in names for name in skeleton.joints] if set(names) <= set(skeleton.joints) and names else None
    chosen = known if wanted is None else known & torch.tensor(wanted)
    if int(chosen.sum()) < 3:  # no similarity aligns fewer
        return None
    aligned = [points - points[:, root].mean(dim=1, keepdim=True) for points in (predicted, joints_true)]
    return aligned[0][:, chosen], aligned[1][:, chosen]


def _regressed_joints(
    parameters: BodyParameters,
    body: Body,
    person: AnnotatedPerson,
    names: Sequence[str],
    truth_body: Body | None,
    true: BodyParameters | None,
    regressor: Tensor,
) -> tuple[Tensor, Tensor] | None:
    """As `_joints`, but predicted joints, and true ones without annotation, are regressed from the meshes."""
    bare = BodyParameters(parameters.rotations, parameters.betas, parameters.transl)
    predicted = regressor @ body(bare).vertices
    if person.joints is not None and person.joint_set is not None and person.joints_known is not None:
        annotated, known = torch.from_numpy(person.joints).float(), person.joints_known
        there = {joint: row for row, joint in enumerate(person.joint_set.joints) if known[row]}
        shared = [joint for joint in REGRESSED_17 if joint in there]
        joints_true = annotated[[there[joint] for joint in shared]][None]
    elif truth_body is not None and true is not None and truth_body.n_vertices == regressor.shape[1]:
        shared, joints_true = list(REGRESSED_17), regressor @ truth_body(true).vertices
    else:
        return None
    root = ["pelvis"] if "pelvis" in shared else list(HIPS)
    if not set(root) <= set(shared):
        return None
    predicted = predicted[:, [REGRESSED_17.index(joint) for joint in shared]]
    centre = [shared.index(joint) for joint in root]
    chosen = [row for row, joint in enumerate(shared) if joint in (names or REGRESSED_17)]
    if len(chosen) < 3:
        return None
    aligned = [points - points[:, centre].mean(dim=1, keepdim=True) for points in (predicted, joints_true)]
    return aligned[0][:, chosen], aligned[1][:, chosen]


def _root(skeleton: Skeleton, known: Tensor) -> list[int] | None:
    """Joints whose mean is the root: the pelvis, else both hips; None if they are not known."""
    for names in (("pelvis",), HIPS):
        if all(name in skeleton.joints and bool(known[skeleton.index(name)]) for name in names):
            return [skeleton.index(name) for name in names]
    return None


def _rotation_errors(parameters: BodyParameters, truth: SmplTruth) -> dict[str, float]:
    """Errors of local rotations of SMPL's joints but hands, the global one among them if it is the camera's."""
    first, n = 0 if truth.in_camera else 1, min(BODY_JOINTS, len(truth.poses), parameters.rotations.shape[1])
    true = roma.rotvec_to_rotmat(torch.from_numpy(truth.poses[first:n]).float())[None]
    rotations = parameters.rotations[:, first:n]
    return {
        "rotation_deg": float(torch.rad2deg(rotation_error(rotations, true))),
        "quaternion": float(quaternion_error(rotations, true)),
    }


def _same_mesh(body: Body, other: Body) -> bool:
    return body.faces.shape == other.faces.shape and bool((body.faces == other.faces).all())


def _surface_errors(parameters: BodyParameters, body: Body, true: BodyParameters, truth_body: Body) -> dict[str, float]:
    """Errors of the unclothed surfaces, relative to the pelvis."""
    bare = BodyParameters(parameters.rotations, parameters.betas, parameters.transl)
    output, output_true = body(bare), truth_body(true)
    vertices = output.vertices - output.joints[:, :1]
    vertices_true = output_true.vertices - output_true.joints[:, :1]
    rest, rest_true = body.rest_vertices(parameters.betas), truth_body.rest_vertices(true.betas)
    return {
        "pve_mm": 1000 * float(metrics.pve(vertices, vertices_true)),
        "pa_pve_mm": 1000 * float(metrics.pve(vertices, vertices_true, align="procrustes")),
        "pve_t_sc_mm": 1000 * float(metrics.pve_t_sc(rest, rest_true)),
    }


def _keypoint_errors(
    parameters: BodyParameters, body: Body, camera: Camera, person: AnnotatedPerson
) -> dict[str, float]:
    """Errors in the image, of the annotated keypoints that the body has."""
    skeleton, known = person.keypoint_set, person.keypoints_known
    if person.keypoints_px is None or skeleton is None or known is None:
        return {}
    visible = (torch.from_numpy(known) & body.supports(skeleton))[None]
    if not visible.any():
        return {}
    true = torch.from_numpy(np.nan_to_num(person.keypoints_px)).float()[None]
    points = camera.project(body.keypoints(parameters, skeleton))
    values = {"keypoint_px": float(metrics.keypoint_error(points, true, visible))}
    if person.box_xywh is not None:
        box = metrics.box_reference(torch.from_numpy(person.box_xywh).float()[None])
        values["pck_box"] = float(metrics.pck(points, true, visible, box, PCK_BOX_SHARE))
    head = [skeleton.joints.index(name) for name in ("head_top", "neck") if name in skeleton.joints]
    if len(head) == 2 and bool(visible[0, head].all()):
        values["pckh"] = float(metrics.pckh(points, true, visible, *head))
    return values
