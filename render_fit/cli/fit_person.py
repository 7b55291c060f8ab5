"""``render-fit fit-person``: several images of one person in, one folder out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from render_fit.cli import checks
from render_fit.cli.options import PHOTO, PhotoOptions, takes_photos
from render_fit.core.collection import without_collection
from render_fit.core.errors import InputError
from render_fit.core.threads import prepare
from render_fit.datasets.photo_search import find_photos

VIDEO = "Video"


@takes_photos(without=("jobs", "batch", "shard", "box", "start", "start_frame"))
def fit_person(
    photos: PhotoOptions,
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("person"),
    same_lens: Annotated[
        bool | None,
        typer.Option(
            "--same-lens/--any-lens",
            help="All images were taken with one focal length. Where it is not known, it is estimated from them. "
            "Default: of a video, yes; of photos, no.",
            show_default=False,
            rich_help_panel=PHOTO,
        ),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Of a video, one of so many frames.", rich_help_panel=VIDEO)] = 1,
    start: Annotated[
        str | None, typer.Option(help="Beginning in a video: seconds or mm:ss.", rich_help_panel=VIDEO)
    ] = None,
    end: Annotated[str | None, typer.Option(help="End in a video: seconds or mm:ss.", rich_help_panel=VIDEO)] = None,
    static_camera: Annotated[
        bool,
        typer.Option(
            "--static-camera",
            help="The camera of the video stands still: feet that stand do not slide.",
            rich_help_panel=VIDEO,
        ),
    ] = False,
) -> None:
    """Fit one body, and one set of clothes, to several images or a video of a person.

    Shape and clothes are shared; pose, position and camera are those of each image. The more images, the better
    the shape.

    [bold]Examples[/bold]

      render-fit fit-person front.jpg side.jpg back.jpg --out anna

      render-fit fit-person photos/ --out anna --same-lens --height-m 1.78 --clothing free

      render-fit fit-person frames/ --observations keypoints_and_masks/ --out anna

      render-fit fit-person walk.mp4 --every 2 --end 0:10 --static-camera --out walk

    OUT gets params.npz (poses, trans, K of each image; betas and offsets of the person), body.obj and clothed.obj at
    rest with the colours of the images, turntable.gif, images.jpg, frames/<image>/overlay.png and report.json; of a
    video also overlay.mp4. Images in which the person is not found, or that show somebody else, are left out; the
    report says so. people.jpg shows who was chosen among several people; --person 1, 2, … chooses another one.

    Exit code: 0 if the person was found, 2 for a mistake in the arguments, 130 after Ctrl-C.
    """
    options = photos.fit_options
    from render_fit.datasets.video import is_video

    if not any(path.is_file() and is_video(path) for path in photos.images):
        _ = find_photos(photos.images, photos.observations)
    if options.person == "all":
        raise InputError("--person all: fit-person fits one person; fit the others one by one, with --person 1, 2, …")
    checks.check_recipe(options.recipe)
    checks.check_regressor(options.regressor)
    checks.check_renderer(options.renderer)
    checks.check_body(options.body)
    checks.check_observer(options.observer)
    checks.check_part_labels(photos.files.part_labels)
    checks.check_files(options.camera)
    checks.check_output(out)
    prepare(photos.threads)
    with without_collection():
        from render_fit.cli.progress import print_person
        from render_fit.core.progress_bar import ProgressBar
        from render_fit.pipelines.person import fit_person_in
        from render_fit.pipelines.person_images import VideoRange

    with ProgressBar(lines=True) as progress:
        written = fit_person_in(
            photos.images,
            options,
            out,
            files=photos.files,
            observations=photos.observations,
            taken=VideoRange(every, start, end),
            still_camera=static_camera,
            same_lens=same_lens,
            resume=photos.resume,
            on_progress=progress.show,
        )
    print_person(written, progress.console)
