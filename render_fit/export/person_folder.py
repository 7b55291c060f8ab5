"""Output folder of a person in several images: parameters, meshes at rest, an overlay of each image, the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.files import folder_written_whole, write_json
from render_fit.core.text_files import read_json
from render_fit.core.threads import one_torch_thread
from render_fit.export.fit_folder import REPORT
from render_fit.export.gaps import bridged
from render_fit.export.meshes import write_mesh
from render_fit.export.overlays import Pixels, contact_sheet, fitted, overlay, to_pixels, write_gif, write_image
from render_fit.export.parameters import SavedFit, write_params
from render_fit.export.photo_colours import photo_colours
from render_fit.export.photo_samples import ColourFrame
from render_fit.export.textured_obj import write_textured_obj
from render_fit.export.video import write_video
from render_fit.export.views import person_turns, side_view, turntable
from render_fit.fitting.person import PersonFit
from render_fit.observations.observation import Observation
from render_fit.renderers.base import Renderer

OWNED = (
    REPORT, "params.npz", "body.obj", "clothed.obj", "images.jpg", "people.jpg", "turntable.gif", "turntable.mp4",
    "overlay.mp4", "body.mtl", "body.png", "clothed.mtl", "clothed.png",
)  # fmt: skip
"""Every file that this package writes into the folder of a person, beside ``frames/``."""

SHEET_PX = 256
"""Height of an image on the sheet of all images."""

MOST_SHOWN = 60
"""Images on that sheet."""

TURNTABLE_FPS = 12
"""Frames a second of the turntable."""

MOST_COLOURED = 32
"""Images, evenly among all, that the colours are gathered from; their samples are in memory, 3 MB each."""


@one_torch_thread()
def write_person(
    path: Path,
    names: Sequence[str],
    fit: PersonFit,
    body: Body,
    renderer: Renderer,
    *,
    photo: Callable[[int], Float[Tensor, "3 h w"]],
    observed: Callable[[int], Observation],
    file_sizes: Sequence[tuple[int, int]],
    report: Mapping[str, Any],
    fps: float | None = None,
    choice: Pixels | None = None,
    save: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Writes the output folder of a person. ``report.json`` appears last.

    Args:
        path: Output folder.
        names: Name of each image's folder in ``frames/``.
        fit: The person.
        body: Body model.
        renderer: Renderer for the images.
        photo: Image by index, as it was fitted; read when it is drawn, so that memory does not grow.
        observed: What was observed in an image in which the person was found, by index; read as ``photo`` is.
        file_sizes: (H, W) of each photo's file, pixels; K and sizes are written for these.
        report: Content of the report.
        fps: Frames a second, for a video; overlay and turntable are written as videos.
        choice: Picture of who was chosen among several people.
        save: Mesh formats of the posed mesh in every image.
        progress: Called with (images drawn, all images).

    Raises:
        OutputError: if the folder cannot be written.
    """
    sheet = []
    for index, (name, result) in enumerate(zip(names, fit.results, strict=True)):
        if result is not None:
            image, parts = photo(index), result.face_parts
            vertices = result.output.vertices[0]
            over = overlay(image, vertices, result.faces, result.camera, renderer, face_parts=parts)
            turn = person_turns(result.parameters.rotations[0, 0])["side"]
            side = side_view(vertices, result.faces, renderer, size_px=SHEET_PX, turn=turn, face_parts=parts)
            with folder_written_whole(path / "frames" / name, last="overlay.png") as folder:
                for kind in save:
                    write_mesh(folder / f"mesh.{kind}", vertices.numpy(), result.faces.numpy())
                write_image(folder / "overlay.png", over)
            if len(sheet) < MOST_SHOWN:
                sheet.append((name, [to_pixels(fitted(image, 2 * SHEET_PX)), over, side]))
        if progress is not None:
            progress(index + 1, len(names))
    rest, clothed = _at_rest(fit, body)
    colours = photo_colours(body, _coloured(fit, photo, observed), renderer)
    with folder_written_whole(path, last=REPORT, owned=OWNED) as folder:
        write_params(folder / "params.npz", saved_person(names, fit, body, file_sizes, fps))
        outer = rest if clothed is None else clothed
        if clothed is not None or colours is None:
            write_mesh(folder / "body.obj", rest.numpy(), body.faces.numpy())
        if colours is not None:
            write_textured_obj(folder / f"{'body' if clothed is None else 'clothed'}.obj", outer.numpy(), colours)
        elif clothed is not None:
            write_mesh(folder / "clothed.obj", clothed.numpy(), body.faces.numpy())
        upright = outer * torch.tensor([1.0, -1.0, -1.0])  # y down, facing the camera
        around = turntable(upright, body.faces, renderer, face_parts=body.face_parts)
        if colours is not None:
            coloured = turntable(upright, body.faces, renderer, colours=colours)
            around = [np.concatenate(pair, axis=1) for pair in zip(around, coloured, strict=True)]
        if fps is None:
            write_gif(folder / "turntable.gif", around)
        else:
            write_video(folder / "turntable.mp4", around, TURNTABLE_FPS)
            write_video(folder / "overlay.mp4", (_overlay(path, name) for name in names), fps)
        if choice is not None:
            write_image(folder / "people.jpg", choice)
        write_image(folder / "images.jpg", contact_sheet(sheet, height_px=SHEET_PX, columns=3))
        write_json(folder / REPORT, dict(report))
    return path


def photo_of(path: Path, name: str) -> Path | None:
    """File of an image, by the report in the person's folder; None if it says none, or the file is gone.

    A relative path is one from where the fit was made: from here, or else from the folder that the person's is in.

    Raises:
        InputError: if the report cannot be read.
    """
    if not (path / REPORT).is_file():
        return None
    content = read_json(path / REPORT, "the report of a fit")
    paths = content.get("image_paths") if isinstance(content, dict) else None
    file = paths.get(name) if isinstance(paths, dict) else None
    places = (Path(file), path.absolute().parent / file) if isinstance(file, str) else ()
    return next((place for place in places if place.is_file()), None)


def _coloured(
    fit: PersonFit, photo: Callable[[int], Float[Tensor, "3 h w"]], observed: Callable[[int], Observation]
) -> Iterator[ColourFrame]:
    """Images to gather colours from, with what was observed of the person in them."""
    known = [(index, result) for index, result in enumerate(fit.results) if result is not None]
    for place in np.unique(np.linspace(0, len(known) - 1, MOST_COLOURED).round().astype(int)):
        index, result = known[place]
        seen = observed(index)
        shown = None if seen.mask is None else seen.mask * seen.valid
        yield ColourFrame(result.output.vertices[0], result.camera, photo(index), shown)


def _overlay(path: Path, name: str) -> Pixels:
    """The overlay of a frame, or the frame itself where there is none."""
    folder = path / "frames" / name
    file = folder / "overlay.png"
    with Image.open(file if file.exists() else folder / "input.jpg") as image:
        return np.asarray(image.convert("RGB"))


@torch.no_grad()
def _at_rest(fit: PersonFit, body: Body) -> tuple[Float[Tensor, "v 3"], Float[Tensor, "v 3"] | None]:
    """The body in the zero pose, y up, and with its clothes if it has some."""
    offsets = next(result for result in fit.results if result is not None).parameters.offsets
    rest = replace(body.zero_parameters(), betas=fit.betas[None])
    bare = body(rest).vertices[0]
    return bare, None if offsets is None else body(replace(rest, offsets=offsets)).vertices[0]


def saved_person(
    names: Sequence[str], fit: PersonFit, body: Body, file_sizes: Sequence[tuple[int, int]], fps: float | None = None
) -> SavedFit:
    """Content of ``params.npz``. Images without the person have the camera of another image.

    In a video they have the pose and place of the frames beside them (`bridged`), else zeros.

    Args:
        names: Names of the images.
        fit: The person.
        body: Body model.
        file_sizes: (H, W) of each photo's file, pixels.
        fps: Frames a second, for a video.
    """
    n, n_joints = len(names), len(body.joint_names)
    poses, trans = np.zeros((n, 3 * n_joints), np.float32), np.zeros((n, 3), np.float32)
    joints = np.zeros((n, n_joints, 3), np.float32)
    known = next(result.camera for result in fit.results if result is not None)
    K, offsets, covariance = np.tile(known.K[0].numpy(), (n, 1, 1)), None, np.zeros((n, n_joints, 3, 3), np.float32)
    for index, result in enumerate(fit.results):
        if result is not None:
            parameters: BodyParameters = result.parameters
            poses[index] = parameters.pose.flatten(1)[0].numpy()
            trans[index], joints[index] = parameters.transl[0].numpy(), result.output.joints[0].numpy()
            K[index] = result.camera.resize(*file_sizes[index]).K[0].numpy()
            offsets = None if parameters.offsets is None else parameters.offsets[0].numpy()
            if result.joints_covariance is not None:
                covariance[index] = result.joints_covariance[0].numpy()
    found = np.array([result is not None for result in fit.results])
    if fps is not None and not found.all():
        _fill(poses, trans, joints, found, fit.betas, body)
    return SavedFit(
        poses=poses,
        betas=fit.betas.numpy(),
        trans=trans,
        joints=joints,
        K=K,
        image_size=file_sizes[0],
        body=body.origin,
        offsets=offsets,
        betas_covariance=fit.betas_covariance.numpy(),
        joints_covariance=covariance,
        image_names=np.array(names),
        image_sizes=np.array(file_sizes, dtype=np.int64),
        found=found,
        fps=fps,
    )


@torch.no_grad()
def _fill(
    poses: Float[np.ndarray, "n p"],
    trans: Float[np.ndarray, "n 3"],
    joints: Float[np.ndarray, "n j 3"],
    found: Bool[np.ndarray, "n"],
    betas: Float[Tensor, "s"],
    body: Body,
) -> None:
    """Writes into the rows that were not found what bridges them."""
    rotvec = torch.from_numpy(poses).reshape(len(poses), -1, 3)
    given = BodyParameters.from_rotvec(rotvec, betas[None].expand(len(poses), -1), torch.from_numpy(trans))
    made = bridged(given, found)[torch.from_numpy(np.flatnonzero(~found))]
    poses[~found], trans[~found] = made.pose.flatten(1).numpy(), made.transl.numpy()
    joints[~found] = body.kinematics(made).joints.numpy()
