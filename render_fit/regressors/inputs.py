"""Inputs of a regressor: mask, part map, keypoints and photo of each person, in the camera of the person crop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from render_fit.core.batch import Batch
from render_fit.core.cameras import PERSON_MARGIN, Camera
from render_fit.core.errors import InputError
from render_fit.core.parts import N_PARTS, part_evidence
from render_fit.core.skeletons import CANONICAL_KEYPOINTS, canonical_columns
from render_fit.observations.agreement import labels_contradict
from render_fit.observations.observation import Observation, centred_depths
from render_fit.regressors.person_crop import PersonCrop, person_crop


@dataclass(frozen=True)
class RegressorInputs(Batch):
    """Inputs of N people. Entries that were not observed are zero, a value that no observation has.

    Attributes:
        silhouette: (N, S, S) 1 on the person, −1 outside, 0 where unknown.
        parts: (N, 24, S, S) likelihood of each part of SMPL; zero where there is no label. Maps of kinds of clothes
            are left out: regressors are trained on labels of parts. So are maps that contradict the keypoints.
        keypoints: (N, K, 2) `CANONICAL_KEYPOINTS` relative to the centre of the crop, in units of half its side; 0
            where not observed.
        confidence: (N, K) confidence of the keypoints in [0, 1]; 0 where not observed.
        depths: (N, K) depths of an observer's rough 3D keypoints relative to their mean, metres; 0 where unknown.
        depth_confidence: (N, K) confidence of the depths in [0, 1]; 0 where unknown.
        focal: (N,) focal length over the side of the crop.
        photo: (N, 3, S, S) sRGB from −1 to 1, 0 outside of the photo; None unless the regressor uses it.
        features: (N, F) features of the images by a frozen backbone, computed before (`Regressor.with_features`); None
            unless they were. The images are then empty (S = 0).
    """

    silhouette: Float[Tensor, "n s s"]
    parts: Float[Tensor, "n 24 s s"]
    keypoints: Float[Tensor, "n k 2"]
    confidence: Float[Tensor, "n k"]
    depths: Float[Tensor, "n k"]
    depth_confidence: Float[Tensor, "n k"]
    focal: Float[Tensor, "n"]
    photo: Float[Tensor, "n 3 s s"] | None = None
    features: Float[Tensor, "n f"] | None = None

    def __len__(self) -> int:
        return len(self.focal)


def inputs_from_observation(
    observation: Observation, camera: Camera, size: int, *, photo: bool = False
) -> tuple[RegressorInputs, PersonCrop]:
    """Computes the inputs of one person.

    Args:
        observation: Observation z(I) in the photo.
        camera: Camera of the photo.
        size: Side of the crop, pixels.
        photo: Include the pixels of the photo.

    Returns:
        Inputs (N = 1), and the person crop that they were warped into.

    Raises:
        InputError: if the pixels are requested and the observation has no image.
    """
    view = person_crop(camera, observation.box, size)
    crop = observation.crop(2 * size, (1.15 * PERSON_MARGIN - 1) / 2)
    assert crop.crop_box is not None
    fine = PersonCrop(view.camera.resize(2 * size, 2 * size), view.rotation)
    taken_by = camera.crop(torch.tensor([crop.crop_box]), 2 * size, 2 * size)
    silhouette, parts = torch.zeros(1, size, size), torch.zeros(1, N_PARTS, size, size)
    if crop.mask is not None:
        signed = (2 * crop.mask - 1) * crop.valid
        silhouette = avg_pool2d(fine.warp_image(signed[None, None], taken_by), 2)[:, 0]
    shows_parts = crop.part_space is not None and not crop.part_space.names_clothes
    if crop.labels is not None and crop.part_space is not None and shows_parts and not labels_contradict(crop):
        evidence = part_evidence(crop.part_space)[crop.labels].movedim(-1, 0) * crop.valid
        parts = avg_pool2d(fine.warp_image(evidence[None], taken_by), 2)
    keypoints, confidence = torch.zeros(1, len(CANONICAL_KEYPOINTS), 2), torch.zeros(1, len(CANONICAL_KEYPOINTS))
    if observation.keypoints_px is not None and observation.confidence is not None and observation.skeleton is not None:
        theirs, ours = canonical_columns(observation.skeleton)
        crop_px = view.project_points(observation.keypoints_px[None, theirs].nan_to_num(0.0), camera)
        known = observation.keypoints_px[theirs].isfinite().all(-1) & observation.confidence[theirs].isfinite()
        given = torch.where(known, observation.confidence[theirs].nan_to_num(0.0).clamp(0, 1), 0.0)
        confidence[0, ours] = given
        keypoints[0, ours] = torch.where(given[:, None] > 0, 2 * crop_px[0] / size - 1, 0.0).clamp(-3, 3)
    depths, depth_confidence = _depths(observation, view)
    pixels = avg_pool2d(fine.warp_image(_signed_pixels(crop, camera), taken_by), 2) if photo else None
    return RegressorInputs(silhouette, parts, keypoints, confidence, depths, depth_confidence, view.focal, pixels), view


def _depths(observation: Observation, view: PersonCrop) -> tuple[Float[Tensor, "1 k"], Float[Tensor, "1 k"]]:
    """Converts 3D keypoints to `RegressorInputs.depths` and `RegressorInputs.depth_confidence`."""
    depths, confidence = torch.zeros(1, len(CANONICAL_KEYPOINTS)), torch.zeros(1, len(CANONICAL_KEYPOINTS))
    if observation.keypoints_3d is None or observation.confidence_3d is None or observation.skeleton is None:
        return depths, confidence
    theirs, ours = canonical_columns(observation.skeleton)
    points, sure = observation.keypoints_3d[theirs], observation.confidence_3d[theirs]
    known = points.isfinite().all(-1) & sure.isfinite()
    confidence[0, ours] = torch.where(known, sure.nan_to_num(0.0).clamp(0, 1), 0.0)
    depths[0, ours] = points.nan_to_num(0.0) @ view.rotation[0, 2]
    return centred_depths(depths, confidence > 0), confidence


def _signed_pixels(crop: Observation, camera: Camera) -> Float[Tensor, "1 3 h w"]:
    """Pixels of a crop from −1 to 1, and 0 outside of the photo."""
    if crop.image is None or crop.crop_box is None:
        raise InputError("the regressor uses the pixels of the photo, and this observation has none")
    (height, width), (left, top, crop_width, crop_height) = crop.image_size, crop.crop_box
    x = left + (torch.arange(width) + 0.5) * (crop_width / width)
    y = top + (torch.arange(height) + 0.5) * (crop_height / height)
    inside = ((y > 0) & (y < camera.height))[:, None] & ((x > 0) & (x < camera.width))
    return ((2 * crop.image - 1) * inside)[None]
