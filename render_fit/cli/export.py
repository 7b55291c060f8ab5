"""``render-fit export``: a saved fit for other programs: animated GLB, BVH, AMASS npz, static meshes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from render_fit.cli import checks
from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output
from render_fit.core.plausibility import check_fps
from render_fit.export.animation_kinds import check_animation_files

COLOURS = ("plain", "parts", "photo")


def export(
    result: Annotated[Path, typer.Argument(help="Folder of a fit, or its params.npz.", show_default=False)],
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Files to write; the endings say what.", show_default=False),
    ],
    fps: Annotated[
        float | None,
        typer.Option(help="Frames a second. Default: those of the fit, or 30.", show_default=False),
    ] = None,
    ground: Annotated[
        bool,
        typer.Option(
            "--ground", help="Put the lowest point on the ground and the first frame above the origin, without camera."
        ),
    ] = False,
    correctives: Annotated[
        bool, typer.Option(help="Pose correctives of SMPL files as morph targets of the GLB.")
    ] = True,
    four_joints: Annotated[
        bool,
        typer.Option(
            "--four-joints", help="Four joints a vertex in the GLB, for three.js and others; the rest is morph targets."
        ),
    ] = False,
    colours: Annotated[
        str, typer.Option(metavar="plain|parts|photo", help="Colours of the meshes: plain, body parts, of the photo.")
    ] = "plain",
    image: Annotated[
        Path | None,
        typer.Option(
            help="For --colours photo: the photo, or the folder of the images. Default: the colours that fit-person "
            "wrote, or else the images of the fit.",
            show_default=False,
        ),
    ] = None,
    frame: Annotated[int, typer.Option(help="Frame of .obj and .ply, counted from 0.")] = 0,
    body: Annotated[
        str | None, typer.Option(help="Body model: open, or a file. Default: the one named in params.npz.")
    ] = None,
) -> None:
    """Write a saved fit for other programs: Blender, Unity, three.js, tools for SMPL.

    [bold]Files[/bold], by their endings

      [bold].glb[/bold]  skinned body and clothes with SMPL's skeleton and the motion; y up, metres

      [bold].bvh[/bold]  skeleton and motion; y up, centimetres

      [bold].npz[/bold]  poses and translations as in AMASS; z up, metres

      [bold].obj .ply[/bold]  mesh of one frame in camera coordinates; metres

    [bold]Examples[/bold]

      render-fit export out/photo person.glb

      render-fit export out/walk walk.glb walk.bvh walk.npz --fps 25 --ground

      render-fit export out/photo person.glb --colours photo --four-joints   [dim]# for a web page[/dim]

    What of the fit a file lacks is printed, in millimetres. Exit code: 2 for a mistake in the arguments.

    How to open the files, and what in them is exact: docs/animation.md
    """
    path = result / "params.npz" if result.is_dir() else result
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the params.npz of a fit")
    check_animation_files(files, path)
    if fps is not None:
        check_fps(fps, "--fps")
    if colours not in COLOURS:
        raise InputError(f"--colours {colours}: expected {' or '.join(COLOURS)}")
    checks.check_body(body)
    checks.check_files(image)
    for file in files:
        prepare_output(file.parent)
    import numpy as np

    from render_fit.export.animation_files import write_animation_files
    from render_fit.export.parameters import read_params
    from render_fit.export.photo_frames import colours_of_photos
    from render_fit.export.saved_body import body_of
    from render_fit.export.shading import part_colours

    saved = read_params(path)
    model = body_of(saved, path, body)
    shades = None
    if colours == "parts":
        shades = np.round(255 * part_colours(model.vertex_parts)).astype(np.uint8)
    elif colours == "photo":
        shades = colours_of_photos(saved, model, path.parent, image)
    written = write_animation_files(
        saved, model, files,
        fps=fps, ground=ground, correctives=correctives, four_joints=four_joints,
        colours=shades, frame=frame,
    )  # fmt: skip
    for one in written:
        print(f"{one.path}: {one.content}")
        for loss in one.losses:
            print(f"  {loss}")
