"""``render-fit fit`` and ``render-fit predict``: photos in, output folders out."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer

from render_fit.cli import photo_options

_HOW = "How to fit"


class Clothing(str, enum.Enum):
    """How far clothing may stand off the body."""

    none = "none"
    smooth = "smooth"
    free = "free"


def fit(
    images: photo_options.Images,
    out: photo_options.Out = Path("out"),
    mask: photo_options.Mask = None,
    keypoints: photo_options.Keypoints = None,
    parts: photo_options.Parts = None,
    part_labels: photo_options.PartLabels = None,
    parts_from_keypoints: photo_options.MakeParts = False,
    occluders: photo_options.Occluders = None,
    observations: photo_options.Observations = None,
    box: photo_options.Box = None,
    person: photo_options.Person = "largest",
    camera: photo_options.CameraFile = None,
    focal_mm: photo_options.FocalMm = None,
    height_m: photo_options.HeightM = None,
    recipe: Annotated[
        str, typer.Option(help="Recipe: a name (see recipe list) or a YAML file.", rich_help_panel=_HOW)
    ] = "hybrid",
    regressor: Annotated[
        str | None,
        typer.Option(
            help="Whose hypotheses the fit begins with: a name, a .safetensors file, or none; else the recipe's.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    renderer: Annotated[
        str | None, typer.Option(help="cpu, pytorch3d or auto; else the recipe's.", rich_help_panel=_HOW)
    ] = None,
    body: Annotated[
        str | None, typer.Option(help="open, or an SMPL-family file; else the recipe's.", rich_help_panel=_HOW)
    ] = None,
    clothing: Annotated[
        Clothing | None,
        typer.Option(help="How far clothing may stand off the body; else the recipe's.", rich_help_panel=_HOW),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.", rich_help_panel=_HOW)] = 0,
    save: photo_options.Save = "obj,glb",
    resume: photo_options.Resume = None,
    jobs: photo_options.Jobs = 1,
    verbose: photo_options.Verbose = False,
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
    options: dict[str, Any] = {**locals(), "clothing": None if clothing is None else clothing.value}
    photo_options.run_photos(**options)


def predict(
    images: photo_options.Images,
    out: photo_options.Out = Path("predicted"),
    regressor: Annotated[str, typer.Option(help="A regressor: a name or a .safetensors file.")] = "lifter",
    mask: photo_options.Mask = None,
    keypoints: photo_options.Keypoints = None,
    parts: photo_options.Parts = None,
    part_labels: photo_options.PartLabels = None,
    parts_from_keypoints: photo_options.MakeParts = False,
    occluders: photo_options.Occluders = None,
    observations: photo_options.Observations = None,
    box: photo_options.Box = None,
    person: photo_options.Person = "largest",
    camera: photo_options.CameraFile = None,
    focal_mm: photo_options.FocalMm = None,
    height_m: photo_options.HeightM = None,
    save: photo_options.Save = "obj,glb",
    resume: photo_options.Resume = None,
    jobs: photo_options.Jobs = 1,
    verbose: photo_options.Verbose = False,
) -> None:
    """Say what a regressor makes of the person in a photo, without refining it: quick, and less exact than a fit.

    Of the regressor's hypotheses the one is taken whose picture agrees best with what was observed.

    [bold]Examples[/bold]

      render-fit predict photo.jpg --out predicted

      render-fit predict photos/ --regressor finetuned/regressor.safetensors --jobs 2

    Files and exit codes are those of [bold]render-fit fit[/bold]; in report.json "before" is the likeliest hypothesis.
    """
    photo_options.run_photos(**locals(), recipe="predict")
