"""``render-fit fit`` and ``render-fit predict``: photos in, output folders out."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from render_fit.cli import checks
from render_fit.cli.options import METHOD_OPTIONS, Out, PhotoOptions, takes_photos
from render_fit.core.collection import without_collection
from render_fit.core.parallel import started_early
from render_fit.core.shards import array_task, parse_shard
from render_fit.core.threads import prepare, threads_each
from render_fit.datasets.photo_folder import PhotoJob, plan_jobs
from render_fit.datasets.photo_search import find_photos
from render_fit.exchange.files import check_start
from render_fit.pipelines.options import check_box


@takes_photos()
def fit(photos: PhotoOptions, out: Out = Path("out")) -> None:
    """Fit a body to the person in a photo, or in each of many.

    A mask or keypoints that are not given are observed: a photo alone is enough.

    [bold]Examples[/bold]

      render-fit fit photo.jpg --out out

      render-fit fit photo.jpg --mask mask.png --keypoints openpose.json --height-m 1.78

      render-fit fit photo.jpg --parts labels.png --part-labels atr --clothing free --save obj,ply,glb,gif

      render-fit fit photo.jpg --start sam3d/photo.npz   [dim]# from another system's result[/dim]

      render-fit fit photos/ --out out --jobs 2   [dim]# run it again to continue after a stop[/dim]

      render-fit fit photos/ --out out --shard 3/8   [dim]# one of eight machines; then render-fit summary out[/dim]

    Each person gets OUT/<photo>/ with params.npz (SMPL's poses, betas, trans; camera; covariances of shape and joints),
    meshes in camera coordinates, overlay.png, side.png and report.json. Several photos also get summary.csv and
    index.html.

    Exit code: 0 if every photo was fitted, 1 if some failed, 2 for a mistake in the arguments, 130 after Ctrl-C.
    """
    _run(photos, out)


@takes_photos(without=METHOD_OPTIONS)
def predict(
    photos: PhotoOptions,
    out: Out = Path("predicted"),
    regressor: Annotated[str, typer.Option(help="Regressor: a name or a .safetensors file.")] = "lifter",
) -> None:
    """Predict a body with a regressor, without refinement: faster than a fit, and less accurate.

    Of the regressor's hypotheses (candidate bodies), the one whose rendering agrees best with the observation is
    written.

    [bold]Examples[/bold]

      render-fit predict photo.jpg --out predicted

      render-fit predict photos/ --regressor finetuned/regressor.safetensors --jobs 2

    Files and exit codes are those of [bold]render-fit fit[/bold]. In report.json, "before" is the most probable
    hypothesis.
    """
    _run(replace(photos, fit_options=replace(photos.fit_options, recipe="predict", regressor=regressor)), out)


def _check(photos: PhotoOptions, out: Path) -> list[PhotoJob]:
    """Finds mistakes in names and paths before torch is imported; returns the photos."""
    options, images = photos.fit_options, find_photos(photos.images, photos.observations).images
    if photos.shard is not None:
        parse_shard(photos.shard)
    elif len(images) > 1 and (task := array_task()):
        print(
            f"render-fit: this is {task} and fits all {len(images):,} photos; to fit a slice of them: --shard slurm",
            file=sys.stderr,
        )
    check_box(options.box, len(images))
    several = options.person == "all"
    jobs = plan_jobs(images, files=photos.files, observations=photos.observations, several_people=several)
    checks.check_recipe(options.recipe)
    checks.check_regressor(options.regressor)
    checks.check_renderer(options.renderer)
    checks.check_body(options.body)
    checks.check_observer(options.observer)
    checks.check_part_labels(photos.files.part_labels)
    if len(jobs) == 1:
        files = jobs[0].files
        checks.check_files(files.mask, files.keypoints, files.parts, files.occluders)
    checks.check_files(options.camera)
    check_start(options.start, [job.image for job in jobs])
    checks.check_output(out)
    return jobs


def _processes(photos: PhotoOptions, jobs: list[PhotoJob], out: Path) -> int:
    """Number of processes that will surely have photos to fit: the others would be started in vain."""
    names = [job.name for job in jobs]
    if photos.shard is not None:
        names = parse_shard(photos.shard).of(names)
    without_result = [name for name in names if not any((out / one).exists() for one in (name, f"{name}_0"))]
    return min(photos.jobs, len(without_result))


def _run(photos: PhotoOptions, out: Path) -> None:
    """Fits the photos and prints the run's events; exit code 1 if a photo failed."""
    if photos.verbose:
        logging.getLogger().setLevel(logging.INFO)
    jobs = _check(photos, out)
    prepare(photos.threads)
    threads = threads_each(photos.jobs)
    with started_early(_processes(photos, jobs, out), threads, "render_fit.pipelines.folder"):
        with without_collection():
            from render_fit.cli.progress import FolderProgress
            from render_fit.pipelines.folder import fit_folder

        with FolderProgress(out, photos.verbose) as progress:
            outcomes = fit_folder(
                photos.images,
                photos.fit_options,
                out,
                files=photos.files,
                observations=photos.observations,
                resume=photos.resume,
                n_workers=photos.jobs,
                batch=photos.batch,
                shard=photos.shard,
                on_event=progress,
            )
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(1)
