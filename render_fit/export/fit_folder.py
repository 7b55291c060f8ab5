"""Output folder of one fit: parameters, meshes, images and the report, which is written last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from render_fit.core.files import folder_written_whole, write_json
from render_fit.core.threads import one_torch_thread
from render_fit.export.meshes import MESH_FORMATS, write_mesh
from render_fit.export.overlays import Pixels, fitted, overlay, to_pixels, write_gif, write_image
from render_fit.export.parameters import saved_fit, write_params
from render_fit.export.stages import STAGES, write_stages
from render_fit.export.views import person_turns, person_views
from render_fit.fitting.result import BeforeAfter, FitReport, FitResult
from render_fit.renderers.base import Renderer

REPORT = "report.json"
"""Report file. It is written last: a folder that contains it is complete."""

OWNED = (
    REPORT, "params.npz", STAGES, "input.jpg", "overlay.png", "side.png", "progress.gif",
    *(f"mesh.{kind}" for kind in MESH_FORMATS),
)  # fmt: skip
"""Every file that this package writes into the folder of a fit."""


@one_torch_thread()
def write_fit(
    path: Path | str,
    result: FitResult,
    renderer: Renderer,
    *,
    save: Sequence[str] = ("obj", "glb"),
    file_size: tuple[int, int] | None = None,
    frames: Sequence[Pixels] = (),
    about: Mapping[str, Any] | None = None,
) -> Path:
    """Writes the output folder of a fit. The folder appears once it is complete.

    Args:
        path: Output folder; an earlier fit in it is replaced.
        result: Fit of one photo.
        renderer: Renderer for the images.
        save: Mesh formats, ``gif`` for ``progress.gif``, and ``stages`` for ``stages.npz``.
        file_size: (H, W) of the photo's file in pixels, if the photo was reduced while reading: K, image size and
            pixel errors are written for the file's pixels.
        frames: Images of the fit in progress.
        about: Further entries for the report, such as the path of the photo.

    Returns:
        Path of the folder.

    Raises:
        InputError: if the folder cannot be written.
    """
    vertices = result.output.vertices[0].detach().cpu()
    faces, face_parts = result.faces.cpu(), result.face_parts.cpu()
    camera = result.camera if file_size is None else result.camera.resize(*file_size)
    with folder_written_whole(path, last=REPORT, owned=OWNED) as folder:
        saved = saved_fit(
            result.parameters, result.output.joints, camera, result.body_name,
            result.betas_covariance, result.joints_covariance,
        )  # fmt: skip
        write_params(folder / "params.npz", saved)
        for file_type in save:
            if file_type in MESH_FORMATS:
                write_mesh(folder / f"mesh.{file_type}", vertices.numpy(), faces.numpy())
        if "stages" in save and result.stages:
            write_stages(folder / STAGES, result.stages)
        image = result.observation.image
        if image is None:
            image = torch.ones(3, *result.observation.image_size)
        write_image(folder / "input.jpg", to_pixels(fitted(image, 1024)))
        over = overlay(image, vertices, faces, result.camera, renderer, face_parts=face_parts)
        write_image(folder / "overlay.png", over)
        turns = person_turns(result.parameters.rotations[0, 0])
        views = person_views(_meshes(result), faces, renderer, turns, face_parts=face_parts)
        write_image(folder / "side.png", views)
        if "gif" in save and frames:
            write_gif(folder / "progress.gif", frames, seconds_per_frame=0.6)
        report = _in_file_pixels(result.report, camera.width / result.camera.width)
        write_json(folder / REPORT, {**report.model_dump(mode="json"), **(about or {})})
    return Path(path)


def write_failure(path: Path | str, reason: str, about: Mapping[str, Any] | None = None) -> Path:
    """Writes the folder of a photo that could not be fitted: only a report with the reason."""
    nothing = dict.fromkeys(
        ("iou", "part_iou", "keypoint_error_px", "unexplained_share", "body_outside_share", "beta_max", "recipe")
    )
    report = {"status": "failed", "reason": reason, **nothing, "losses": {}, "seconds": {}, "notes": [], "sources": {}}
    with folder_written_whole(path, last=REPORT, owned=OWNED) as folder:
        write_json(folder / REPORT, {**report, **(about or {})})
    return Path(path)


def _meshes(result: FitResult) -> dict[str, Tensor]:
    """The body, and the clothed mesh if the fit has clothing offsets."""
    vertices = result.output.vertices[0]
    if result.unclothed_vertices is None:
        return {"body": vertices}
    return {"body": result.unclothed_vertices[0], "clothed": vertices}


def _in_file_pixels(report: FitReport, scale: float) -> FitReport:
    error = report.keypoint_error_px
    if error is None or scale == 1:
        return report
    return report.model_copy(
        update={"keypoint_error_px": BeforeAfter(before=error.before * scale, after=error.after * scale)}
    )
