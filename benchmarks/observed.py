"""Exact observations of the benchmark's bodies: mask, part map, keypoints, camera. No network runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.bodies import Placed
from render_fit.bodies import open_body
from render_fit.core.parts import PART_SPACES
from render_fit.core.skeletons import COCO_17
from render_fit.datasets.photo_folder import PhotoFiles, PhotoJob
from render_fit.observations.observation import Observation, box_of_mask
from render_fit.renderers import CpuRenderer, RenderSettings


@torch.no_grad()
def observation_of(one: Placed) -> Observation:
    """Mask, SMPL-24 part map and the COCO keypoints (those inside the image) of one body.

    Raises:
        ValueError: if the body is outside the image.
    """
    mesh, size = one.mesh, one.camera.height
    drawn = CpuRenderer()(one.vertices, mesh.faces, one.camera, RenderSettings(), outputs=("face_index",))
    assert drawn.face_index is not None
    covered = drawn.face_index[0] >= 0
    labels = torch.where(covered, mesh.face_parts[drawn.face_index[0].clamp(min=0)] + 1, 0)  # 0 is the background
    points = open_body().keypoints(one.parameters, COCO_17)
    pixels = one.camera.project(points)[0]
    seen = ((pixels > 0) & (pixels < size)).all(1) & (points[0, :, 2] > 0.1)
    box = box_of_mask(covered.float())
    if box is None:
        raise ValueError(f"{one.view.name}: covers no pixel of the image")
    return Observation(
        image_size=(size, size),
        valid=torch.ones(size, size, dtype=torch.bool),
        box=box,
        mask=covered.float(),
        keypoints_px=torch.where(seen[:, None], pixels, 0.0),
        confidence=seen.float(),
        skeleton=COCO_17,
        labels=labels,
        part_space=PART_SPACES["smpl24"],
        camera=one.camera,
        source={"mask": "drawn", "keypoints": "drawn", "labels": "drawn", "camera": "drawn"},
    )


def write_photo(one: Placed, folder: Path, stem: str) -> PhotoJob:
    """Write a photo, its mask and its keypoints as files, and return the job of fitting them."""
    seen = observation_of(one)
    assert seen.mask is not None and seen.keypoints_px is not None and seen.confidence is not None
    mask = (255 * seen.mask).numpy().astype(np.uint8)
    Image.fromarray(mask).save(folder / f"{stem}_mask.png")
    Image.fromarray(np.repeat(64 + mask[..., None] // 2, 3, 2)).save(folder / f"{stem}.png")
    flat = [
        number
        for (x, y), given in zip(seen.keypoints_px.tolist(), seen.confidence.tolist(), strict=True)
        for number in (x, y, 2 * int(given))
    ]
    (folder / f"{stem}_keypoints.json").write_text(json.dumps([{"keypoints": flat}]))
    given = PhotoFiles(mask=folder / f"{stem}_mask.png", keypoints=folder / f"{stem}_keypoints.json")
    return PhotoJob(folder / f"{stem}.png", stem, given)
