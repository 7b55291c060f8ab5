"""The demo: a synthetic person with ground truth and a real photo, both fitted from the image alone."""

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
from render_fit.export.overlays import fitted, overlay, panel, to_pixels, write_image
from render_fit.export.parameters import SavedFit, read_params
from render_fit.export.views import person_turns, side_view
from render_fit.fitting.stages import StageProgress
from render_fit.pipelines.options import FitOptions
from render_fit.pipelines.overview import write_overview
from render_fit.pipelines.photo import FitComponents, WrittenFit, fit_photo
from render_fit.renderers.base import RenderSettings
from render_fit.synthesis.poses.named import everyday_pose
from render_fit.synthesis.scene import SyntheticScene, clothed_scene

POSE = "waving"
IMAGES = "images"
"""Folder of the images to fit, within the demo's output folder."""


@dataclass(frozen=True)
class DemoErrors:
    """Errors of the synthetic person's fit.

    Attributes:
        iou: IoU of the fitted silhouette and the true mask, garments included.
        mpjpe_mm: MPJPE, pelvis aligned, mm. It includes depth and size, which one image leaves ambiguous.
        pa_mpjpe_mm: PA-MPJPE (aligned by rotation, scale and translation), mm.
        pve_mm: Per-vertex error of the body under the garments, aligned by scale and translation, mm.
    """

    iou: float
    mpjpe_mm: float
    pa_mpjpe_mm: float
    pve_mm: float


def write_synthetic_photo(folder: Path, seed: int = 0) -> tuple[Path, SyntheticScene]:
    """Renders a clothed, lit person in front of a background.

    Args:
        folder: Folder for ``synthetic.png``.
        seed: Seed of the person, the light and the background.

    Returns:
        Path of the image, and the scene with its ground truth.
    """
    scene = clothed_scene(open_body(), everyday_pose(POSE), seed)
    assert scene.image is not None
    return write_image(prepare_output(folder) / "synthetic.png", to_pixels(scene.image.permute(1, 2, 0).numpy())), scene


def write_real_photo(folder: Path) -> Path | None:
    """Writes NASA's portrait of Eileen Collins (public domain) from scikit-image; None if that is not installed."""
    if find_spec("skimage") is None:
        return None
    from skimage import data

    return write_image(prepare_output(folder) / "astronaut.png", np.asarray(data.astronaut()))


def fit_synthetic(
    out: Path, components: FitComponents, seed: int = 0, progress: StageProgress | None = None
) -> tuple[WrittenFit, DemoErrors]:
    """Renders a person, fits it from the image alone, and measures the errors.

    Returns:
        The fit, whose folder also gets ``comparison.png``, and its errors.
    """
    path, scene = write_synthetic_photo(out / IMAGES, seed)
    fit = fit_photo(PhotoJob(path, "synthetic"), out, components, progress)[0]
    saved = read_params(fit.folder / "params.npz")
    errors = measure_errors(saved, scene, components)
    _write_comparison(fit.folder / "comparison.png", saved, scene, components)
    return fit, errors


@torch.no_grad()
def measure_errors(saved: SavedFit, scene: SyntheticScene, components: FitComponents) -> DemoErrors:
    """Errors of a saved fit with respect to the scene's ground truth."""
    body = components.body
    output: BodyOutput = body(saved.parameters())
    unclothed: BodyOutput = body(replace(saved.parameters(), offsets=None))
    seen = components.renderer(output.vertices, body.faces, saved.camera(), RenderSettings(), outputs=("face_index",))
    assert seen.face_index is not None
    true_joints, true_vertices = scene.joints_camera[None], scene.vertices_camera[None]
    return DemoErrors(
        iou=float(iou(seen.face_index >= 0, scene.mask[None] > 0.5)),
        mpjpe_mm=1000 * float(mpjpe(output.joints - output.joints[:, :1], true_joints - true_joints[:, :1])),
        pa_mpjpe_mm=1000 * float(pa_mpjpe(output.joints, true_joints)),
        pve_mm=1000 * float(pve(unclothed.vertices, true_vertices, align="scale")),
    )


def run_demo(
    out: Path, seed: int = 0, with_photo: bool = True, progress: StageProgress | None = None
) -> tuple[WrittenFit, DemoErrors, WrittenFit | None]:
    """Fits the synthetic person and the real photo, and writes ``summary.csv`` and ``index.html``.

    Args:
        out: Output folder.
        seed: Seed of the synthetic person and of the fits.
        with_photo: Whether the real photo is fitted too.
        progress: Called with (stage, iterations done, all iterations).

    Returns:
        Fit of the synthetic person, its errors, and the fit of the real photo (None if left out or not installed).

    Raises:
        InputError: if the output folder cannot be written, or no person is found.
        MissingDependencyError: if no observer is installed.
    """
    prepare_output(out)
    components = FitComponents(FitOptions(save=("obj", "ply", "glb"), seed=seed))
    synthetic, errors = fit_synthetic(out, components, seed, progress)
    photo = write_real_photo(out / IMAGES) if with_photo else None
    real = None if photo is None else fit_photo(PhotoJob(photo, "astronaut"), out, components, progress)[0]
    write_overview(out)
    return synthetic, errors, real


@torch.no_grad()
def _write_comparison(path: Path, saved: SavedFit, scene: SyntheticScene, components: FitComponents) -> None:
    assert scene.image is not None
    body, renderer = components.body, components.renderer
    faces, parts = body.faces, body.face_parts
    clothed, bare = (body(fit).vertices[0] for fit in (saved.parameters(), replace(saved.parameters(), offsets=None)))
    true, side_turn = scene.vertices_camera, person_turns(scene.parameters.rotations[0, 0])["side"]
    pictures = [
        to_pixels(fitted(scene.image, 1024)),
        overlay(scene.image, clothed, faces, saved.camera(), renderer, face_parts=parts),
        overlay(scene.image, true, faces, scene.camera, renderer, face_parts=parts),
        side_view(bare, faces, renderer, turn=side_turn, face_parts=parts),
        side_view(true, faces, renderer, turn=side_turn, face_parts=parts),
    ]
    captions = ["image", "fit, clothed", "true body", "fit, body, side", "true body, side"]
    write_image(path, panel(pictures, height_px=512, captions=captions))
