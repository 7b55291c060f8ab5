"""The demo: a drawn person whose body is known, and a real photo, both fitted from the image alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from render_fit.bodies import BodyOutput, open_body
from render_fit.core.files import prepare_output
from render_fit.core.metrics import iou, mpjpe, pa_mpjpe, pve
from render_fit.datasets.photo_folder import PhotoJob
from render_fit.export.overlays import fitted, overlay, panel, side_view, to_pixels, write_image
from render_fit.export.parameters import SavedFit, read_params
from render_fit.pipelines.folder import write_overview
from render_fit.pipelines.options import FitOptions
from render_fit.pipelines.photo import FitComponents, Progress, WrittenFit, fit_photo
from render_fit.renderers.base import RenderSettings
from render_fit.synthesis.clothed_scene import clothed_scene
from render_fit.synthesis.poses.named import everyday_pose
from render_fit.synthesis.scene import SyntheticScene

POSE = "waving"
IMAGES = "images"
"""Folder under the demo's output in which the images to fit are put."""


@dataclass(frozen=True)
class DemoErrors:
    """How far the synthetic person's fit is from what was drawn.

    Attributes:
        iou: Of the fitted silhouette and the drawn person's mask, garments included.
        mpjpe_mm: Joints, pelvis aligned, in millimetres: with the depth and size that the image does not tell.
        pa_mpjpe_mm: Joints after rotation, scale and translation.
        pve_mm: Surface of the body under the garments, after scale and translation.
    """

    iou: float
    mpjpe_mm: float
    pa_mpjpe_mm: float
    pve_mm: float


def synthetic_person(folder: Path, seed: int = 0) -> tuple[Path, SyntheticScene]:
    """Draw a clothed, lit person before a background, with known truth.

    Args:
        folder: Where ``synthetic.png`` goes.
        seed: Another one, another person.

    Returns:
        The image's path, and what is true about it.
    """
    scene = clothed_scene(open_body(), everyday_pose(POSE), seed)
    assert scene.image is not None
    path = prepare_output(folder) / "synthetic.png"
    return write_image(path, to_pixels(scene.image.permute(1, 2, 0).numpy())), scene


def real_photo(folder: Path) -> Path | None:
    """NASA's portrait of Eileen Collins, in the public domain, from scikit-image's wheel; None if that is missing."""
    if find_spec("skimage") is None:
        return None
    from skimage import data

    return write_image(prepare_output(folder) / "astronaut.png", np.asarray(data.astronaut()))


def fit_synthetic(
    out: Path, tools: FitComponents, seed: int = 0, progress: Progress | None = None
) -> tuple[WrittenFit, DemoErrors]:
    """Draw a person, fit it from the image alone, and compare with the truth.

    Returns:
        The fit, whose folder also gets ``comparison.png``, and its distance from the truth.
    """
    path, scene = synthetic_person(out / IMAGES, seed)
    fit = fit_photo(PhotoJob(path, "synthetic"), out, tools, progress)[0]
    saved = read_params(fit.folder / "params.npz")
    truth = distance_from_truth(saved, scene, tools)
    _write_comparison(fit.folder / "comparison.png", saved, scene, tools)
    return fit, truth


def fit_real(out: Path, tools: FitComponents, progress: Progress | None = None) -> WrittenFit | None:
    """Fit the real photo from the image alone; None if it is not installed."""
    path = real_photo(out / IMAGES)
    return None if path is None else fit_photo(PhotoJob(path, "astronaut"), out, tools, progress)[0]


@torch.no_grad()
def distance_from_truth(saved: SavedFit, scene: SyntheticScene, tools: FitComponents) -> DemoErrors:
    """Compare what a fit saved with what was drawn."""
    body = tools.body
    output: BodyOutput = body(saved.parameters())
    unclothed: BodyOutput = body(replace(saved.parameters(), offsets=None))
    drawn = tools.renderer(output.vertices, body.faces, saved.camera(), RenderSettings(), outputs=("face_index",))
    assert drawn.face_index is not None
    true_joints, true_vertices = scene.joints_camera[None], scene.vertices_camera[None]
    return DemoErrors(
        iou=float(iou(drawn.face_index >= 0, scene.mask[None] > 0.5)),
        mpjpe_mm=1000 * float(mpjpe(output.joints - output.joints[:, :1], true_joints - true_joints[:, :1])),
        pa_mpjpe_mm=1000 * float(pa_mpjpe(output.joints, true_joints)),
        pve_mm=1000 * float(pve(unclothed.vertices, true_vertices, align="scale")),
    )


def demonstrate(
    out: Path, seed: int = 0, with_photo: bool = True, progress: Progress | None = None
) -> tuple[WrittenFit, DemoErrors, WrittenFit | None]:
    """The whole demo; see the functions above. Also writes ``summary.csv`` and ``index.html``.

    Raises:
        InputError: if the output folder cannot be written, or nobody is found.
        MissingDependencyError: if no observer is installed.
    """
    prepare_output(out)
    tools = FitComponents(FitOptions(save=("obj", "ply", "glb"), seed=seed))
    synthetic, truth = fit_synthetic(out, tools, seed, progress)
    real = fit_real(out, tools, progress) if with_photo else None
    write_overview(out)
    return synthetic, truth, real


@torch.no_grad()
def _write_comparison(path: Path, saved: SavedFit, scene: SyntheticScene, tools: FitComponents) -> None:
    assert scene.image is not None
    body, renderer = tools.body, tools.renderer
    vertices = body(saved.parameters()).vertices[0]
    pictures = [
        to_pixels(fitted(scene.image, 1024)),
        overlay(scene.image, vertices, body.faces, saved.camera(), renderer),
        overlay(scene.image, scene.vertices_camera, body.faces, scene.camera, renderer),
        side_view(vertices, body.faces, renderer),
        side_view(scene.vertices_camera, body.faces, renderer),
    ]
    captions = ["image", "fit", "truth (under the clothes)", "fit, from the side", "truth, from the side"]
    write_image(path, panel(pictures, height_px=512, captions=captions))
