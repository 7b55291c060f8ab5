"""``render-fit render``: images and meshes of a saved fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from render_fit.cli import checks
from render_fit.core.errors import InputError


def render(
    params: Annotated[Path, typer.Argument(help="params.npz of a fit, or the fit's folder.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Output folder. Default: the folder of the fit, or of its frame."),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="Photo for overlay.png. Default: input.jpg of the fit.", show_default=False)
    ] = None,
    body: Annotated[
        str | None, typer.Option(help="Body model: open, or a file. Default: the one named in params.npz.")
    ] = None,
    turntable: Annotated[bool, typer.Option(help="Also write turntable.gif.")] = False,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Also write uncertainty.png: 90 % ellipses of the joints.")
    ] = False,
    frame: Annotated[
        str | None,
        typer.Option(help="Image of a fit of several: its name. Default: the first in which the person is."),
    ] = None,
    part_colours: Annotated[bool, typer.Option(help="Colour the body by its 24 body parts.")] = False,
    save: Annotated[str, typer.Option(metavar="KIND,...", help="Meshes to write: obj, ply, glb.")] = "",
    renderer: Annotated[
        str, typer.Option(help="Renderer: cpu, reference, pytorch3d, auto, or a registered name.")
    ] = "auto",
) -> None:
    """Render a saved fit: over its photo, from the front and the side, on a turntable.

    [bold]Examples[/bold]

      render-fit render out/photo --turntable

      render-fit render out/photo --uncertainty   [dim]# where each joint is, with a probability of 90 %[/dim]

      render-fit render anna --frame side --uncertainty   [dim]# of fit-person; into anna/frames/side[/dim]

      render-fit render out/photo/params.npz --image photo.jpg --out images --save ply
    """
    path = params / "params.npz" if params.is_dir() else params
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the params.npz of a fit")
    checks.check_files(image)
    checks.check_body(body)
    checks.check_renderer(renderer)
    import numpy as np
    import torch

    from render_fit.core.files import prepare_output
    from render_fit.export.joint_ellipses import uncertainty_picture
    from render_fit.export.meshes import mesh_kinds, write_mesh
    from render_fit.export.overlays import overlay, write_gif, write_image
    from render_fit.export.parameters import read_params
    from render_fit.export.person_folder import photo_of
    from render_fit.export.saved_body import body_of
    from render_fit.export.shading import part_colours as colours_of
    from render_fit.export.views import person_turns, person_views
    from render_fit.export.views import turntable as turned
    from render_fit.observations.image_sizes import same_shape
    from render_fit.observations.images import read_photo
    from render_fit.renderers import make_renderer

    kinds = mesh_kinds(save)  # every mistake is told before anything is drawn
    saved = read_params(path)
    own, photo = path.parent, image
    if saved.image_names is not None:
        index = saved.index_of(frame, path)
        name, saved = str(saved.image_names[index]), saved.frame(index)
        own, photo = own / "frames" / name, photo or photo_of(path.parent, name)
    elif frame is not None:
        raise InputError(f"--frame {frame}: {path} is the fit of one photo")
    photo = photo or own / "input.jpg"
    pixels = read_photo(photo).image if photo.is_file() or image is not None else None
    if pixels is not None and not same_shape((pixels.shape[1], pixels.shape[2]), saved.image_size):
        raise InputError(
            f"{photo}: the image is {pixels.shape[2]}×{pixels.shape[1]} px, but the fit is of a photo of "
            f"{saved.image_size[1]}×{saved.image_size[0]} px; give that photo"
        )
    if uncertainty and saved.joints_covariance is None:
        raise InputError(f"{path}: no joints_covariance to draw; predictions, and older fits, have none; fit again")
    draw = make_renderer(renderer)
    folder = prepare_output(out if out is not None else own)
    model = body_of(saved, path, body)
    parameters = saved.parameters()
    vertices = model(parameters).vertices[0]
    meshes = {"body": vertices}
    if parameters.offsets is not None:
        meshes = {"body": model(replace(parameters, offsets=None)).vertices[0], "clothed": vertices}
    parts = model.face_parts
    colours = colours_of(model.vertex_parts) if part_colours else None
    written = []
    if pixels is not None:
        drawn = overlay(pixels, vertices, model.faces, saved.camera(), draw, colours=colours, face_parts=parts)
        written.append(write_image(folder / "overlay.png", drawn))
    turns = person_turns(parameters.rotations[0, 0])
    views = person_views(meshes, model.faces, draw, turns, colours=colours, face_parts=parts)
    written.append(write_image(folder / "side.png", views))
    if uncertainty and saved.joints_covariance is not None:
        joints, covariance = torch.from_numpy(saved.joints[0]), torch.from_numpy(saved.joints_covariance[0])
        drawn = uncertainty_picture(
            pixels, vertices, model.faces, saved.camera(), joints, covariance, model.joint_names, draw, face_parts=parts
        )
        written.append(write_image(folder / "uncertainty.png", drawn))
    if turntable:
        frames = turned(vertices, model.faces, draw, colours=colours, face_parts=parts)
        written.append(write_gif(folder / "turntable.gif", frames))
    shades = None if colours is None else np.round(255 * colours).astype(np.uint8)
    for kind in kinds:
        written.append(
            write_mesh(folder / f"mesh.{kind}", vertices.numpy(), model.faces.numpy(), vertex_colours=shades)
        )
    for file in written:
        print(file)
