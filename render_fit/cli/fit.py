"""``render-fit fit``: photos in, output folders out."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from render_fit.cli.messages import show_messages
from render_fit.errors import InputError


class Clothing(str, enum.Enum):
    """How far clothing may stand off the body."""

    none = "none"
    smooth = "smooth"
    free = "free"


def fit(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Photos, or folders of photos.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder; each person gets a folder in it.")] = Path(
        "out"
    ),
    mask: Annotated[
        Path | None, typer.Option(help="Person mask (PNG), of the photo's size.", rich_help_panel="What is known")
    ] = None,
    keypoints: Annotated[
        Path | None, typer.Option(help="OpenPose or COCO keypoints (JSON).", rich_help_panel="What is known")
    ] = None,
    parts: Annotated[
        Path | None, typer.Option(help="Map of part or clothing labels (PNG).", rich_help_panel="What is known")
    ] = None,
    part_labels: Annotated[
        str | None,
        typer.Option(
            help="What the labels mean: smpl24, nbf12, atr, lip, pascal, densepose24.", rich_help_panel="What is known"
        ),
    ] = None,
    make_parts: Annotated[
        bool,
        typer.Option(
            "--make-parts",
            help="Without a part map, make one from mask and keypoints.",
            rich_help_panel="What is known",
        ),
    ] = False,
    occluders: Annotated[
        Path | None,
        typer.Option(
            help="Mask (PNG) of what hides the person: other people, things.", rich_help_panel="What is known"
        ),
    ] = None,
    observations: Annotated[
        Path | None,
        typer.Option(
            help="For many photos: folder with <stem>_mask.png, <stem>_keypoints.json, <stem>_parts.png.",
            rich_help_panel="What is known",
        ),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(metavar="X,Y,W,H", help="Where the person is, pixels.", rich_help_panel="What is known"),
    ] = None,
    person: Annotated[
        str, typer.Option(help="Of several people: largest, all, or a number from 0.", rich_help_panel="What is known")
    ] = "largest",
    camera: Annotated[
        Path | None,
        typer.Option(help='JSON with K, the 3×3 intrinsics in pixels: {"K": …}.', rich_help_panel="What is known"),
    ] = None,
    focal_mm: Annotated[
        float | None,
        typer.Option(help="Focal length as on 35 mm film; EXIF's if not given.", rich_help_panel="What is known"),
    ] = None,
    height_m: Annotated[
        float | None, typer.Option(help="The person's height; sets the scale.", rich_help_panel="What is known")
    ] = None,
    recipe: Annotated[
        str, typer.Option(help="Recipe: a name (see recipe list) or a YAML file.", rich_help_panel="How to fit")
    ] = "hybrid",
    renderer: Annotated[
        str | None, typer.Option(help="cpu, pytorch3d or auto; else the recipe's.", rich_help_panel="How to fit")
    ] = None,
    body: Annotated[
        str | None,
        typer.Option(help="open, or an SMPL-family file; else the recipe's.", rich_help_panel="How to fit"),
    ] = None,
    clothing: Annotated[
        Clothing | None,
        typer.Option(help="How far clothing may stand off the body; else the recipe's.", rich_help_panel="How to fit"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.", rich_help_panel="How to fit")] = 0,
    save: Annotated[
        str, typer.Option(help="Of obj, ply, glb, gif; separated by commas.", rich_help_panel="How to run")
    ] = "obj,glb",
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--overwrite",
            help="Keep finished results, or make them anew. Several photos resume, a single one is made anew.",
            show_default=False,
            rich_help_panel="How to run",
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Photos fitted at the same time.", rich_help_panel="How to run")
    ] = 1,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Say more; show where errors come from.", rich_help_panel="How to run"),
    ] = False,
) -> None:
    """Fit a body to the person in a photo, or in each of many.

    What is not given is observed: with no more than a photo, the installed observer finds mask and keypoints.

    [bold]Examples[/bold]

      render-fit fit photo.jpg --out out

      render-fit fit photo.jpg --mask mask.png --keypoints openpose.json --height-m 1.78

      render-fit fit photo.jpg --parts labels.png --part-labels atr --clothing free --save obj,ply,glb,gif

      render-fit fit photos/ --out out --jobs 2   [dim]# again, to go on where it stopped[/dim]

    Each person gets OUT/<photo>/ with params.npz (SMPL's poses, betas, trans; camera), meshes in camera coordinates,
    overlay.png, side.png and report.json; many photos get summary.csv and index.html as well.

    Exit code: 0 if every photo was fitted, 1 if some failed, 2 for a mistake in what was given, 130 after Ctrl-C.
    """
    show_messages(verbose)
    from render_fit.cli.progress import fit_with_progress
    from render_fit.runs.inputs import Given, find_images, plan
    from render_fit.runs.options import FitOptions, parse_box

    options = FitOptions(
        recipe=recipe,
        renderer=renderer,
        body=body,
        clothing=clothing.value if clothing is not None else None,
        person=person,
        box=None if box is None else parse_box(box),
        camera=camera,
        focal_mm=focal_mm,
        height_m=height_m,
        make_parts=make_parts,
        save=tuple(kind.strip() for kind in save.split(",") if kind.strip()),
        seed=seed,
    )
    found = find_images(images)
    if box is not None and len(found) > 1:
        raise InputError("--box belongs to one photo; fit the photos one by one, or give keypoints with --observations")
    given = Given(mask, keypoints, parts, part_labels, occluders)
    planned = plan(found, given=given, observations=observations, several_people=person == "all")
    single = len(found) == 1 and not any(path.is_dir() for path in images)
    if fit_with_progress(planned, options, out, single=single, resume=resume, n_workers=jobs, verbose=verbose):
        raise typer.Exit(1)
