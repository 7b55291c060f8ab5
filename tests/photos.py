"""Small synthetic photos with mask and keypoint files, fitted in about a second."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from render_fit.bodies import open_body
from render_fit.core.skeletons import COCO_17
from render_fit.export.overlays import overlay
from render_fit.renderers import make_renderer
from render_fit.renderers.base import RenderSettings
from tests.fits import known_fit

HEIGHT, WIDTH = 192, 128

QUICK_RECIPE = """
name: quick
description: a few iterations on keypoints and silhouette, for tests of the pipeline
clothing: none
initialisation: {yaws_deg: [0], poses: [standing]}
stages:
  - name: keypoints
    free: [orient, position, pose, betas]
    terms: {keypoints: {weight: 1.0}, pose: {weight: 1.0}, shape: {weight: 1.0}}
    solver: {name: lbfgs, iterations: 12}
  - name: silhouette
    free: [position]
    resolution: 64
    terms: {keypoints: {weight: 1.0}, silhouette_l2: {weight: 50.0}}
    solver: {name: lbfgs, iterations: 3}
final:
  resolution: 64
  terms: {keypoints: {weight: 1.0}}
"""


@cache
def _person() -> tuple[np.ndarray, np.ndarray, list[list[float]]]:
    """Image, mask and COCO keypoints."""
    fit = known_fit(offsets=False, height=HEIGHT, width=WIDTH)
    renderer = make_renderer("cpu")
    drawn = renderer(fit.output.vertices, fit.faces, fit.camera, RenderSettings()).silhouette
    assert drawn is not None
    picture = overlay(torch.full((3, HEIGHT, WIDTH), 0.4), fit.output.vertices[0], fit.faces, fit.camera, renderer)
    points = fit.camera.project(open_body().keypoints(fit.parameters, COCO_17))[0]
    return picture, (drawn[0].numpy() > 0.5).astype(np.uint8) * 255, points.tolist()


def write_person(folder: Path, stem: str = "person") -> Path:
    """``<stem>.png``, ``<stem>_mask.png`` and ``<stem>_keypoints.json`` (COCO) in a folder; the photo's path."""
    folder.mkdir(parents=True, exist_ok=True)
    picture, mask, points = _person()
    Image.fromarray(picture).save(folder / f"{stem}.png")
    Image.fromarray(mask).save(folder / f"{stem}_mask.png")
    write_keypoints(folder / f"{stem}_keypoints.json", points)
    return folder / f"{stem}.png"


def write_keypoints(path: Path, points: list[list[float]], visible: int = 2) -> Path:
    """A COCO annotation of one person."""
    path.write_text(json.dumps([{"keypoints": [number for x, y in points for number in (x, y, visible)]}]))
    return path


def write_recipe(folder: Path, text: str = QUICK_RECIPE) -> Path:
    """The quick recipe as a file."""
    path = folder / "quick.yaml"
    path.write_text(text)
    return path
