"""The photos of a saved fit, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies import Body
from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError, NoPersonError
from render_fit.core.text_files import read_json
from render_fit.export.motion import frames_found
from render_fit.export.parameters import SavedFit
from render_fit.export.photo_colours import photo_colours
from render_fit.export.photo_samples import ColourFrame
from render_fit.export.surface_colours import SurfaceColours
from render_fit.export.textured_obj import written_colours
from render_fit.observations.image_sizes import same_shape
from render_fit.observations.images import read_photo
from render_fit.observations.observers import OBSERVERS
from render_fit.renderers import make_renderer

MOST_SIDE_PX = 2048
"""Photos are reduced to this side while they are read."""


def colours_of_photos(saved: SavedFit, body: Body, fit: Path, images: Path | None = None) -> SurfaceColours:
    """Colours of a fit's surface from its photos, or those that the fit of a person has written with its mesh.

    Args:
        saved: Content of ``params.npz``.
        body: The body that it was fitted with.
        fit: The fit's folder.
        images: The photo, or the folder of the images; None: what the fit has written, or else the photos as it says,
            see `photo_files`.

    Returns:
        A texture.

    Raises:
        InputError: if there is no photo, one is of another shape than the fit's, or none shows the person.
    """
    mesh = fit / ("body.obj" if saved.offsets is None else "clothed.obj")
    written = written_colours(mesh, body) if images is None else None
    if written is not None:
        return written
    files = photo_files(saved, fit, images)
    colours = photo_colours(body, _frames(saved, body, files), make_renderer("auto"))
    if colours is None:
        raise InputError(
            f"{next(iter(files.values()))}: shows nothing of the person; give the fit's photo with --image"
        )
    return colours


def photo_files(saved: SavedFit, fit: Path, images: Path | None = None) -> dict[int, Path]:
    """The photos of the frames that show the person, by frame.

    Args:
        saved: Content of ``params.npz``.
        fit: The fit's folder: it has the photo as ``input.jpg``, or the paths of several in ``report.json``.
        images: The photo, or the folder of the images.

    Raises:
        InputError: if there are none.
    """
    n_frames, names = len(saved.poses), getattr(saved, "image_names", None)
    if names is None:
        photo = fit / "input.jpg" if images is None else images
        if n_frames > 1:
            raise InputError(f"{fit}: the fit has {n_frames} frames, and does not say of which images")
        if not photo.is_file():
            raise InputError(f"{photo}: no such file; give the fit's photo with --image")
        return {0: photo}
    stems = [Path(str(name)).stem for name in names]
    if images is None:
        known = {Path(name).stem: Path(path) for name, path in _image_paths(fit).items()}
    elif images.is_dir():
        known = {file.stem: file for file in sorted(images.iterdir())}
    elif n_frames == 1:
        known = {stems[0]: images}
    else:
        raise InputError(f"{images}: is one photo, and the fit has {n_frames} frames; give their folder")
    found = {frame: known[stem] for frame, stem in enumerate(stems) if stem in known and frames_found(saved)[frame]}
    found = {frame: file for frame, file in found.items() if file.is_file()}
    if not found:
        raise InputError(
            f"{images or fit}: has none of the fit's images ({names[0]}, ...); give their folder with --image"
        )
    return found


def _image_paths(fit: Path) -> dict[str, str]:
    """Paths of the images of a person by name, from the report of the fit; none without one."""
    report = read_json(fit / "report.json") if (fit / "report.json").is_file() else {}
    paths = report.get("image_paths") if isinstance(report, dict) else None
    return {str(name): str(path) for name, path in paths.items()} if isinstance(paths, dict) else {}


def _frames(saved: SavedFit, body: Body, files: Mapping[int, Path]) -> Iterator[ColourFrame]:
    """Posed body and photo of each frame, one after the other, with the observer's mask of the person."""
    parameters, cameras = saved.parameters(), saved.camera()
    sizes = getattr(saved, "image_sizes", None)
    for frame, file in files.items():
        height, width = (int(side) for side in (saved.image_size if sizes is None else sizes[frame]))
        image = read_photo(file, MOST_SIDE_PX).image
        if not same_shape((image.shape[1], image.shape[2]), (height, width)):
            raise InputError(
                f"{file}: the image is {image.shape[2]}×{image.shape[1]} px, but the fit is of an image of "
                f"{width}×{height} px; give that"
            )
        camera = Camera(cameras.K[frame : frame + 1], height, width).resize(image.shape[1], image.shape[2])
        with torch.no_grad():
            vertices = body(parameters[frame]).vertices[0]
        yield ColourFrame(vertices, camera, image, _mask(image, camera.project(vertices[None])[0]))


def _mask(image: Float[Tensor, "3 h w"], points_px: Float[Tensor, "v 2"]) -> Float[Tensor, "h w"] | None:
    """The observer's mask of the person whose body covers some points; None if it sees nobody there."""
    limits = points_px.new_tensor([image.shape[2], image.shape[1]])
    first, last = (one.clamp(min=0).minimum(limits) for one in (points_px.amin(0), points_px.amax(0)))
    left, top, box_width, box_height = (*first.tolist(), *(last - first).tolist())
    if min(box_width, box_height) < 1:
        return None
    try:
        return OBSERVERS[next(iter(OBSERVERS))]().observe(image, (left, top, box_width, box_height)).mask
    except NoPersonError:
        return None
