"""Errors of one predicted body against one annotated person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

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

LEAST_JOINTS = 3
"""Joints that a Procrustes alignment needs."""

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
    truth = None if truth_body is None or true_body is None else (truth_body, true_body)
    found = _aligned_joints(parameters, body, person, joints, truth, regressor)
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


def _aligned_joints(
    parameters: BodyParameters,
    body: Body,
    person: AnnotatedPerson,
    names: Sequence[str],
    truth: tuple[Body, BodyParameters] | None,
    regressor: Tensor | None,
) -> tuple[Tensor, Tensor] | None:
    """(1, K, 3) predicted and true joints relative to their roots, metres; None without truth.

    True joints are the annotated ones, else those of the true body, which are defined like the predicted ones: by the
    regressor if it is for the mesh, else as landmarks.
    """
    annotated = None
    if person.joints is not None and person.joint_set is not None and person.joints_known is not None:
        points = torch.from_numpy(person.joints).float()[None]
        annotated = _named(person.joint_set.joints, points, person.joints_known.tolist())
    joints_of: Callable[[Body, BodyParameters], dict[str, Tensor]]
    if regressor is not None and regressor.shape[1] == body.n_vertices:
        every, joints_of = REGRESSED_17, partial(_regressed, regressor)
    else:
        skeleton = SMPL_24 if annotated is None or person.joint_set is None else person.joint_set
        every, joints_of = skeleton.joints, partial(_landmarks, skeleton)
    predicted, true = joints_of(body, parameters), annotated
    if true is None and truth is not None:
        true = joints_of(*truth)
    shared = [name for name in predicted if name in (true or {})]
    root = next((one for one in (("pelvis",), HIPS) if set(one) <= set(shared)), None)
    chosen = [name for name in shared if name in names] if names and set(names) <= set(every) else shared
    if true is None or root is None or len(chosen) < LEAST_JOINTS:
        return None
    found = [
        torch.stack([points[name] for name in chosen], 1)
        - torch.stack([points[name] for name in root], 1).mean(dim=1, keepdim=True)
        for points in (predicted, true)
    ]
    return found[0], found[1]


def _named(names: Sequence[str], points: Tensor, known: Sequence[bool]) -> dict[str, Tensor]:
    """(1, 3) points that are known, by name."""
    return {name: points[:, row] for row, name in enumerate(names) if known[row]}


def _landmarks(skeleton: Skeleton, body: Body, parameters: BodyParameters) -> dict[str, Tensor]:
    return _named(skeleton.joints, body.keypoints(parameters, skeleton), body.supports(skeleton).tolist())


def _regressed(regressor: Tensor, body: Body, parameters: BodyParameters) -> dict[str, Tensor]:
    if regressor.shape[1] != body.n_vertices:
        return {}
    vertices = body(replace(parameters, offsets=None)).vertices
    return _named(REGRESSED_17, regressor @ vertices, [True] * len(REGRESSED_17))


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
    output, output_true = body(replace(parameters, offsets=None)), truth_body(true)
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
