"""Options of the commands that look at photos: what is known of them, and how results are written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

_KNOWN = "What is known"
_RUN = "How to run"

Images = Annotated[
    list[Path], typer.Argument(metavar="IMAGE...", help="Photos, or folders of photos.", show_default=False)
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Output folder; each person gets a folder in it.")]
Mask = Annotated[Path | None, typer.Option(help="Person mask (PNG), of the photo's size.", rich_help_panel=_KNOWN)]
Keypoints = Annotated[Path | None, typer.Option(help="OpenPose or COCO keypoints (JSON).", rich_help_panel=_KNOWN)]
Parts = Annotated[Path | None, typer.Option(help="Map of part or clothing labels (PNG).", rich_help_panel=_KNOWN)]
PartLabels = Annotated[
    str | None,
    typer.Option(help="What the labels mean: smpl24, nbf12, atr, lip, pascal, densepose24.", rich_help_panel=_KNOWN),
]
MakeParts = Annotated[
    bool,
    typer.Option(
        "--parts-from-keypoints", help="Without a part map, make one from mask and keypoints.", rich_help_panel=_KNOWN
    ),
]
Occluders = Annotated[
    Path | None,
    typer.Option(help="Mask (PNG) of what hides the person: other people, things.", rich_help_panel=_KNOWN),
]
Observations = Annotated[
    Path | None,
    typer.Option(
        help="For many photos: folder with <stem>_mask.png, <stem>_keypoints.json, <stem>_parts.png.",
        rich_help_panel=_KNOWN,
    ),
]
Box = Annotated[
    str | None, typer.Option(metavar="X,Y,W,H", help="Where the person is, pixels.", rich_help_panel=_KNOWN)
]
Person = Annotated[
    str, typer.Option(help="Of several people: largest, all, or a number from 0.", rich_help_panel=_KNOWN)
]
CameraFile = Annotated[
    Path | None,
    typer.Option(help='JSON with K, the 3×3 intrinsics in pixels: {"K": …}.', rich_help_panel=_KNOWN),
]
FocalMm = Annotated[
    float | None,
    typer.Option(help="Focal length as on 35 mm film; EXIF's if not given.", rich_help_panel=_KNOWN),
]
HeightM = Annotated[float | None, typer.Option(help="The person's height; sets the scale.", rich_help_panel=_KNOWN)]
Save = Annotated[str, typer.Option(help="Of obj, ply, glb, gif; separated by commas.", rich_help_panel=_RUN)]
Resume = Annotated[
    bool | None,
    typer.Option(
        "--resume/--overwrite",
        help="Keep finished results, or make them anew. Several photos resume, a single one is made anew.",
        show_default=False,
        rich_help_panel=_RUN,
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Photos at the same time.", rich_help_panel=_RUN)]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more; show where errors come from.", rich_help_panel=_RUN)
]


def run_photos(
    images: list[Path],
    out: Path,
    *,
    mask: Path | None,
    keypoints: Path | None,
    parts: Path | None,
    part_labels: str | None,
    occluders: Path | None,
    observations: Path | None,
    box: str | None,
    save: str,
    resume: bool | None,
    jobs: int,
    verbose: bool,
    **how: Any,
) -> None:
    """Fits photos as a command's options say.

    Args:
        images: Photos and folders.
        out: Output folder.
        mask: As the option of that name says, like those that follow.
        keypoints: See there.
        parts: See there.
        part_labels: See there.
        occluders: See there.
        observations: See there.
        box: See there.
        save: See there.
        resume: See there.
        jobs: See there.
        verbose: See there.
        how: The other fields of `pipelines.options.FitOptions`.

    Raises:
        Exit: with code 1 if a photo failed.
    """
    from render_fit.cli.logging import show_messages

    show_messages(verbose)
    from render_fit.cli.progress import fit_with_progress
    from render_fit.core.errors import InputError
    from render_fit.datasets.photo_folder import PhotoFiles, find_images, plan_jobs
    from render_fit.pipelines.options import FitOptions, parse_box

    options = FitOptions(
        box=None if box is None else parse_box(box),
        save=tuple(kind.strip() for kind in save.split(",") if kind.strip()),
        **how,
    )
    found = find_images(images)
    if box is not None and len(found) > 1:
        raise InputError("--box belongs to one photo; fit the photos one by one, or give keypoints with --observations")
    given = PhotoFiles(mask, keypoints, parts, part_labels, occluders)
    planned = plan_jobs(found, given=given, observations=observations, several_people=options.person == "all")
    single = len(found) == 1 and not any(path.is_dir() for path in images)
    if fit_with_progress(planned, options, out, single=single, resume=resume, n_workers=jobs, verbose=verbose):
        raise typer.Exit(1)
