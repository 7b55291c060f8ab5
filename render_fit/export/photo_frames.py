"""The photos of a saved fit, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from render_fit.bodies import Body
from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError, NoPersonError
from render_fit.export.parameters import SavedFit
from render_fit.export.photo_colours import ColourFrame, photo_colours
from render_fit.observations.image_sizes import same_shape
from render_fit.observations.images import read_photo
from render_fit.observations.observe import OBSERVERS
from render_fit.renderers import make_renderer

MOST_SIDE_PX = 1024
"""Photos are reduced to this side: the vertices of a person who fills it are then two or three pixels apart."""


def colours_of_photos(saved: SavedFit, body: Body, images: Path) -> UInt8[np.ndarray, "v 3"]:
    """Colours of a fit's vertices from its photos.

    Args:
        saved: Content of ``params.npz``.
        body: The body that it was fitted with.
        images: The photo; for several frames the folder that has the files of ``image_names``.

    Returns:
        (V, 3) sRGB 0–255.

    Raises:
        InputError: if there is no photo, one is of another shape than the fit's, or none shows the person.
    """
    files = photo_files(saved, images)
    colours = photo_colours(body, _frames(saved, body, files), make_renderer("auto"))
    if colours is None:
        raise InputError(f"{images}: shows no part of the person; give the photo of the fit")
    return colours


def photo_files(saved: SavedFit, images: Path) -> list[tuple[int, Path]]:
    """Frames whose photos there are, and the photos.

    Raises:
        InputError: if there are none.
    """
    if not images.exists():
        raise InputError(f"{images}: no such file; give the fit's photo, or the folder of its frames, with --image")
    n_frames = len(saved.poses)
    if images.is_file():
        if n_frames > 1:
            raise InputError(f"{images}: is one photo, and the fit has {n_frames} frames; give their folder")
        return [(0, images)]
    names = getattr(saved, "image_names", None)
    if names is None:
        raise InputError(f"{images}: the fit does not say which images it is of; give a photo's fit and its photo")
    found = [(frame, images / Path(str(name)).name) for frame, name in enumerate(names)]
    seen = getattr(saved, "found", None)
    found = [(frame, file) for frame, file in found if file.is_file() and (seen is None or seen[frame])]
    if not found:
        raise InputError(f"{images}: has none of the fit's images ({Path(str(names[0])).name}, ...)")
    return found


def _frames(saved: SavedFit, body: Body, files: list[tuple[int, Path]]) -> Iterator[ColourFrame]:
    """Posed body and photo of each frame, one after the other, with the observer's mask of the person."""
    parameters, cameras = saved.parameters(), saved.camera()
    height, width = saved.image_size
    for frame, file in files:
        image = read_photo(file, MOST_SIDE_PX).image
        if not same_shape((image.shape[1], image.shape[2]), saved.image_size):
            raise InputError(
                f"{file}: the image is {image.shape[2]}×{image.shape[1]} px, but the fit is of images of "
                f"{width}×{height} px; give those"
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
