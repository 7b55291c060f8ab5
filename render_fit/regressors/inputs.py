"""What a regressor looks at: masks, part maps and keypoints of people, each through the view that looks at them."""

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
from render_fit.observations.keypoints import centred_depths
from render_fit.observations.observation import Observation
from render_fit.regressors.person_crop import PersonCrop, person_crop


@dataclass(frozen=True)
class RegressorInputs(Batch):
    """N people as a regressor may see them; what was not observed is zero, which no observation is.

    Attributes:
        silhouette: (N, S, S) 1 where the person is, −1 where they are not, 0 where that is not known.
        parts: (N, 24, S, S) how likely each of SMPL's parts is, zero where no label map says.
        keypoints: (N, K, 2) `CANONICAL_KEYPOINTS` in units of half the view's side from its middle; 0 where not seen.
        confidence: (N, K) in [0, 1]; 0 where not seen.
        depths: (N, K) how much further away than the middle of them all an observer's rough 3D keypoints are, metres; 0
            where not told.
        depth_confidence: (N, K) in [0, 1]; 0 where not told.
        focal: (N,) focal length over the view's side.
        photo: (N, 3, S, S) the pixels: sRGB from −1 to 1, 0 outside of the photo. Only carried for regressors that look
            at it.
    """

    silhouette: Float[Tensor, "n s s"]
    parts: Float[Tensor, "n 24 s s"]
    keypoints: Float[Tensor, "n k 2"]
    confidence: Float[Tensor, "n k"]
    depths: Float[Tensor, "n k"]
    depth_confidence: Float[Tensor, "n k"]
    focal: Float[Tensor, "n"]
    photo: Float[Tensor, "n 3 s s"] | None = None

    def __len__(self) -> int:
        return len(self.focal)


def inputs_from_observation(
    observation: Observation, camera: Camera, size: int, *, photo: bool = False
) -> tuple[RegressorInputs, PersonCrop]:
    """One person's inputs.

    Args:
        observation: z(I) in the photo.
        camera: The photo's.
        size: Side of the view, pixels.
        photo: Take the photo's pixels along.

    Returns:
        Inputs (N = 1), and the view that they were taken by.

    Raises:
        InputError: if pixels are asked for and the observation has none.
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
    if crop.labels is not None and crop.part_space is not None:
        evidence = part_evidence(crop.part_space)[crop.labels].movedim(-1, 0) * crop.valid
        parts = avg_pool2d(fine.warp_image(evidence[None], taken_by), 2)
    keypoints, confidence = torch.zeros(1, len(CANONICAL_KEYPOINTS), 2), torch.zeros(1, len(CANONICAL_KEYPOINTS))
    if observation.keypoints_px is not None and observation.confidence is not None and observation.skeleton is not None:
        theirs, ours = canonical_columns(observation.skeleton)
        seen_px = view.project_points(observation.keypoints_px[None, theirs].nan_to_num(0.0), camera)
        known = observation.keypoints_px[theirs].isfinite().all(-1) & observation.confidence[theirs].isfinite()
        given = torch.where(known, observation.confidence[theirs].nan_to_num(0.0).clamp(0, 1), 0.0)
        confidence[0, ours] = given
        keypoints[0, ours] = torch.where(given[:, None] > 0, 2 * seen_px[0] / size - 1, 0.0).clamp(-3, 3)
    depths, depth_confidence = _depths(observation, view)
    pixels = avg_pool2d(fine.warp_image(_signed_pixels(crop, camera), taken_by), 2) if photo else None
    return RegressorInputs(silhouette, parts, keypoints, confidence, depths, depth_confidence, view.focal, pixels), view


def _depths(observation: Observation, view: PersonCrop) -> tuple[Float[Tensor, "1 k"], Float[Tensor, "1 k"]]:
    """An observation's 3D keypoints as `RegressorInputs.depths` and `RegressorInputs.depth_confidence`."""
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
    """A crop's pixels from −1 to 1, and 0 where it reaches beyond the photo."""
    if crop.image is None or crop.crop_box is None:
        raise InputError("the regressor looks at the photo's pixels, and this observation has none")
    (height, width), (left, top, crop_width, crop_height) = crop.image_size, crop.crop_box
    x = left + (torch.arange(width) + 0.5) * (crop_width / width)
    y = top + (torch.arange(height) + 0.5) * (crop_height / height)
    inside = ((y > 0) & (y < camera.height))[:, None] & ((x > 0) & (x < camera.width))
    return ((2 * crop.image - 1) * inside)[None]
