"""Errors of one fit against human annotations or the ground truth of a synthetic scene."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core import metrics
from render_fit.core.cameras import Camera
from render_fit.core.skeletons import SMPL_24, Skeleton
from render_fit.evaluation import failure_modes
from render_fit.export.overlays import Pixels, around_box, overlay, to_pixels
from render_fit.export.views import front_yaw, side_view
from render_fit.renderers.base import Renderer
from render_fit.synthesis.independent_rasterizer import rasterize_mask

SIDE_PX = 320
"""Size of the side views on contact sheets."""

TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


def covered_pixels(body: Body, parameters: BodyParameters, camera: Camera) -> Bool[Tensor, "h w"]:
    """(H, W) pixels of the photo that a fit covers from half their area on, by the independent rasteriser."""
    vertices = body(parameters).vertices[0].detach().double().numpy()
    coverage = rasterize_mask(
        vertices, body.faces.numpy(), camera.K[0].double().numpy(), camera.height, camera.width, 2
    )
    return torch.from_numpy(coverage >= 0.5)


def silhouette_iou(body: Body, parameters: BodyParameters, camera: Camera, mask: Float[Tensor, "h w"]) -> float:
    """IoU of a fit's silhouette with a mask at the resolution of the photo, rendered by the independent rasteriser.

    A pixel counts as covered from half its area on.
    """
    return float(metrics.iou(covered_pixels(body, parameters, camera)[None], (mask >= 0.5)[None]))


@dataclass(frozen=True)
class FailureModes:
    """Failure modes of a fit; None where no annotation decides.

    Attributes:
        upside_down: Whether the torso points the other way than the torso of the keypoints.
        back_to_front: Whether the torso faces the camera although the keypoints face away, or the reverse.
        spiky: Whether a vertex is further from its neighbours than at rest, by `failure_modes.SPIKE_M`.
        inside_out: Whether the mesh encloses a negative volume.
    """

    upside_down: bool | None
    back_to_front: bool | None
    spiky: bool
    inside_out: bool

    @property
    def count(self) -> int:
        """Number of failure modes present."""
        return sum(bool(value) for value in (self.upside_down, self.back_to_front, self.spiky, self.inside_out))


def find_failure_modes(
    body: Body,
    parameters: BodyParameters,
    skeleton: Skeleton | None,
    keypoints_px: Float[Tensor, "k 2"] | None,
    confidence: Float[Tensor, "k"] | None,
) -> FailureModes:
    """Detect failure modes from the mesh and, where annotated, the keypoints of the torso."""
    output = body(parameters)
    rest = body.rest_vertices(parameters.betas)
    spiky = failure_modes.spike_height(output.vertices, rest, body.faces) > failure_modes.SPIKE_M
    inside_out = failure_modes.signed_volume(output.vertices - parameters.transl[:, None], body.faces) <= 0
    upside_down, back_to_front = None, None
    if skeleton is not None and keypoints_px is not None and confidence is not None:
        picked = [skeleton.index(name) for name in TORSO]
        if bool((confidence[picked] > 0).all()):
            torso = output.joints[:, [SMPL_24.index(name) for name in TORSO]]
            torso_px = keypoints_px[picked][None]
            upside_down = bool(failure_modes.upside_down(torso, torso_px))
            back_to_front = bool(failure_modes.facing_contradicts_keypoints(torso, torso_px))
    return FailureModes(upside_down, back_to_front, bool(spiky), bool(inside_out))


@dataclass(frozen=True)
class Error3D:
    """Errors of the limb joints of a fit.

    Attributes:
        pa_mpjpe_mm: Mean error of the 12 limb joints after Procrustes alignment, mm.
        mpjpe_mm: Mean error of the same joints after aligning the middle of the hips only, mm.
        limb_flips: Number of limb bones, of 8, whose depth order is wrong.
        facing_flipped: Whether the torso faces more than 90° away from the true direction.
    """

    pa_mpjpe_mm: float
    mpjpe_mm: float
    limb_flips: int
    facing_flipped: bool


def error_3d(body: Body, parameters: BodyParameters, skeleton: Skeleton, joints_true: Float[Tensor, "k 3"]) -> Error3D:
    """Errors of a fit's joints against true ones of the same skeleton, both (K, 3) in camera coordinates, metres."""
    chosen = [skeleton.index(name) for name in failure_modes.LIMB_JOINTS]
    joints = body.keypoints(parameters, skeleton).detach()[:, chosen]
    true = joints_true[None, chosen]
    at = {name: position for position, name in enumerate(failure_modes.LIMB_JOINTS)}
    limbs = tuple((at[near], at[far]) for near, far in failure_modes.LIMBS)
    torso = [at[name] for name in TORSO]
    hips = [at["left_hip"], at["right_hip"]]
    centred = joints - joints[:, hips].mean(dim=1, keepdim=True)
    centred_true = true - true[:, hips].mean(dim=1, keepdim=True)
    return Error3D(
        pa_mpjpe_mm=round(1000 * float(metrics.pa_mpjpe(joints, true)), 2),
        mpjpe_mm=round(1000 * float(metrics.mpjpe(centred, centred_true)), 2),
        limb_flips=int(failure_modes.limb_depth_flips(joints, true, limbs).sum()),
        facing_flipped=bool(failure_modes.facing_flipped(joints[:, torso], true[:, torso])),
    )


def render_views(
    image: Float[Tensor, "3 h w"],
    body: Body,
    parameters: BodyParameters,
    camera: Camera,
    box_xywh: Float[Tensor, "4"],
    renderer: Renderer,
    front: float | None = None,
) -> tuple[Pixels, ...]:
    """Images of one fit for a contact sheet.

    Args:
        image: (3, H, W) RGB 0–1.
        body: Body model.
        parameters: One body, in camera coordinates.
        camera: Camera of the image.
        box_xywh: Box of the person, pixels of the image: left, top, width, height.
        renderer: Renderer, any backend.
        front: Yaw of the person's front (`front_yaw`), radians; this person's own if None.

    Returns:
        Input and overlay, cropped to the person; the body from the person's side; and, where there are clothing
        offsets, the clothed mesh from there.
    """
    vertices = body(parameters).vertices[0].detach()
    meshes = [vertices]
    if parameters.offsets is not None:
        meshes.insert(0, body(replace(parameters, offsets=None)).vertices[0].detach())
    faces, parts, box = body.faces, body.face_parts, box_xywh.tolist()
    side_yaw = (front_yaw(parameters.rotations[0, 0]) if front is None else front) + math.pi / 2
    over = overlay(image, vertices, faces, camera, renderer, max_side_px=max(image.shape[1:]), face_parts=parts)
    return (
        around_box(to_pixels(image.permute(1, 2, 0).numpy()), box),
        around_box(over, box),
        *(side_view(mesh, faces, renderer, size_px=SIDE_PX, yaw_rad=side_yaw, face_parts=parts) for mesh in meshes),
    )
