"""Silhouettes and part maps of predictions against annotated ones, at the resolution of the annotation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Int
from PIL import Image, ImageDraw
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core import metrics
from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError
from render_fit.core.skeletons import SMPL_24
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson
from render_fit.evaluation.benchmark.errors import true_parameters
from render_fit.evaluation.fit_errors import covered_pixels
from render_fit.export.parameters import SavedFit
from render_fit.synthesis.independent_rasterizer import rasterize_parts


def true_mask(person: AnnotatedPerson) -> Bool[Tensor, "h w"] | None:
    """(H, W) pixels of the person; None if the data set has no mask of her, or it is not on this disk.

    Raises:
        InputError: if the file of the mask is no image.
    """
    source = person.mask
    if source is None:
        return None
    if source.path is not None and source.path.is_file():
        try:
            with Image.open(source.path) as image:
                values = np.array(image.convert("L"))
        except (OSError, ValueError) as error:
            raise InputError(f"{source.path}: not a readable mask ({error})") from None
        return torch.from_numpy(values > (127 if values.max() == 255 else 0))
    if source.polygons is None or person.image_size is None:
        return None
    height, width = person.image_size
    canvas = Image.new("1", (width, height))
    for polygon in source.polygons:
        if len(polygon) > 2:
            # Pillow counts pixel centres from 0, annotations from 0.5
            ImageDraw.Draw(canvas).polygon([tuple(point) for point in (polygon - 0.5).tolist()], fill=1)
    return torch.from_numpy(np.array(canvas))


SIX_PARTS = ("torso", "head", "left arm", "right arm", "left leg", "right leg")
"""Parts of the F1 score, as in the evaluations of UP-3D's part maps; label 0 is the background."""

_OF_JOINT = {
    **dict.fromkeys(("neck", "head"), 1),
    **{f"{side}_{joint}": 2 + right for right, side in enumerate(("left", "right"))
       for joint in ("shoulder", "elbow", "wrist", "hand")},
    **{f"{side}_{joint}": 4 + right for right, side in enumerate(("left", "right"))
       for joint in ("hip", "knee", "ankle", "foot")},
}  # fmt: skip


@torch.no_grad()
def silhouette_errors(
    fit: SavedFit, body: Body, person: AnnotatedPerson, truth_body: Body | None = None
) -> dict[str, float]:
    """Errors in the image: IoU with the annotated mask, and F1 of parts with those of the true body.

    Args:
        fit: The prediction: one body. Its silhouette includes its clothes.
        body: Its body model.
        person: The truth.
        truth_body: Body model of the true parameters, or None.

    Returns:
        What the truth allows, shares.
    """
    values: dict[str, float] = {}
    mask = true_mask(person)
    if mask is not None and bool(mask.any()):
        camera = _sized(fit.camera(), *mask.shape)
        values["iou"] = float(metrics.iou(covered_pixels(body, fit.parameters(), camera)[None], mask[None]))
    truth, size = person.smpl, person.image_size
    if truth_body is None or truth is None or truth.transl is None or person.K is None or size is None:
        return values
    true_camera = Camera(torch.from_numpy(person.K).float()[None], *size)
    true = _six_parts(truth_body, true_parameters(truth, truth_body), true_camera)
    found = _six_parts(body, replace(fit.parameters(), offsets=None), _sized(fit.camera(), *size))
    values["part_f1"] = float(metrics.part_f1(found[None], true[None], 1 + len(SIX_PARTS)))
    return values


def _sized(camera: Camera, height: int, width: int) -> Camera:
    return camera if (camera.height, camera.width) == (height, width) else camera.resize(height, width)


def _six_parts(body: Body, parameters: BodyParameters, camera: Camera) -> Int[Tensor, "h w"]:
    """(H, W) labels of a body in the image: 0 outside, then 1 + index of `SIX_PARTS`."""
    groups = np.array([_OF_JOINT.get(name, 0) for name in SMPL_24.joints])
    vertices = body(parameters).vertices[0].double().numpy()
    parts = groups[body.face_parts.numpy()]
    K = camera.K[0].double().numpy()
    return torch.from_numpy(rasterize_parts(vertices, body.faces.numpy(), parts, K, camera.height, camera.width))
