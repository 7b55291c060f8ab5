"""A run over photos: find them, pair them with files, fit what is left to do, write a summary.

Its events, in the order in which they happen: planned, progress of a photo, photo finished.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch

from render_fit.core.errors import InputError, MissingDependencyError, OutputError, of_the_system
from render_fit.core.files import prepare_output, remove_leftovers
from render_fit.core.memory import is_out_of_memory
from render_fit.core.parallel import map_in_processes
from render_fit.datasets.photo_folder import PhotoFiles, PhotoJob, plan_jobs, unused_observations
from render_fit.datasets.photo_search import find_photos
from render_fit.export.fit_folder import write_failure
from render_fit.export.gallery import Entry, read_entries, write_gallery, write_summary
from render_fit.fitting.stages import StageProgress
from render_fit.pipelines.inputs import changed_inputs, fingerprints
from render_fit.pipelines.options import FitOptions, check_box
from render_fit.pipelines.photo import FitComponents, WrittenFit, fit_photo

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunPlanned:
    """The run's photos are known; comes once, before the first fit.

    Attributes:
        jobs: Photos left to fit.
        kept: Number of photos whose finished results are kept.
        kept_with_other_options: Number of those that were fitted with other options than this run's.
        single: Whether the run was given one photo rather than a folder or a list of photos.
        other_options: Names of the options in which those kept differ.
        changed: Photos that are fitted again because a file that their result was made from changed: name → what
            changed.
        left_out: What was not taken for a photo or not used, and why; sentences.
    """

    jobs: tuple[PhotoJob, ...]
    kept: int
    kept_with_other_options: int
    single: bool
    other_options: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class PhotoProgress:
    """Progress within one photo. Worker processes send none.

    Attributes:
        job: The photo.
        stage: Name of the stage of the fit.
        done: Number of iterations of the stage so far.
        total: Largest number of iterations of the stage.
    """

    job: PhotoJob
    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class PhotoOutcome:
    """Result of one photo.

    Attributes:
        job: The photo.
        fits: Fit of each person in the photo; empty if the photo could not be fitted.
        error: Reason why the photo could not be fitted, else empty.
    """

    job: PhotoJob
    fits: tuple[WrittenFit, ...] = ()
    error: str = ""

    @property
    def statuses(self) -> tuple[str, ...]:
        """Status of each person's fit; one ``failed`` if the photo could not be fitted."""
        return ("failed",) if self.error else tuple(fit.report.status for fit in self.fits)

    @property
    def reason(self) -> str:
        """The error, or the reason of the first fit whose status is not ``ok``, else empty."""
        return self.error or next((fit.report.reason for fit in self.fits if fit.report.status != "ok"), "")

    @property
    def failed(self) -> bool:
        """Whether any fit of this photo failed."""
        return "failed" in self.statuses


FolderEvent = RunPlanned | PhotoProgress | PhotoOutcome
OnEvent = Callable[[FolderEvent], None]


def fit_folder(
    paths: str | Path | Sequence[str | Path],
    options: FitOptions = FitOptions(),
    out: str | Path = "out",
    *,
    files: PhotoFiles = PhotoFiles(),
    observations: str | Path | None = None,
    resume: bool | None = None,
    n_workers: int = 1,
    on_event: OnEvent | None = None,
) -> list[PhotoOutcome]:
    """Fits the people in photos and writes a folder for each, as ``render-fit fit`` does.

    ::

        outcomes = fit_folder("photos", FitOptions(height_m=1.78), "out", n_workers=2)
        print([(outcome.job.name, outcome.statuses) for outcome in outcomes])

    With several photos, a photo that cannot be fitted gets a folder whose report contains the reason, and the others
    are fitted; ``out`` also gets ``summary.csv`` and ``index.html``. With a single photo the error is raised. An
    interruption (Ctrl-C) leaves finished folders and a summary of them, and no half-written folder.

    Args:
        paths: A photo, a folder of photos, or several of either.
        options: Options of the fits.
        out: Output folder.
        files: Mask, keypoints and part map of the photo, if it is a single one; what is missing is observed.
        observations: Folder with such files of many photos: ``<stem>_mask.png``, ``<stem>_keypoints.json``,
            ``<stem>_parts.png``, ``<stem>_occluders.png``.
        resume: Whether finished results are kept. If None, those of several photos are; a single photo is fitted again.
            A result is never kept if a file that it was made from changed since.
        n_workers: Number of processes; with 1 all fits run in this process.
        on_event: Called with each event, in this process: one `RunPlanned`, then `PhotoProgress` (with one process
            only) and a `PhotoOutcome` after each photo.

    Returns:
        Outcomes of the photos that were fitted now, in the order in which they were finished.

    Raises:
        InputError: if a path or a value cannot be used, or a single photo cannot be fitted.
        MissingDependencyError: if a package is needed that is not installed.
        KeyboardInterrupt: after the summary of the finished results has been written.
    """
    paths = [Path(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
    observations = None if observations is None else Path(observations)
    out, emit = Path(out), on_event or (lambda event: None)
    remove_leftovers(out)
    photos = find_photos(paths, observations)
    images, left_out = photos.images, photos.left_out
    single = len(images) == 1 and not any(path.is_dir() for path in paths)
    check_box(options.box, len(images))
    jobs = plan_jobs(images, files=files, observations=observations, several_people=options.person == "all")
    if observations is not None:
        left_out += unused_observations(jobs, observations)
    if files.part_labels is not None and not any(job.files.parts for job in jobs):
        left_out += (f"--part-labels {files.part_labels}: not used, there is no part map",)
    keep = not single if resume is None else resume
    done, changed = _finished(jobs, out, options) if keep else ({}, {})
    to_do = tuple(job for job in jobs if job.name not in done)
    other = [names for names in done.values() if names]
    names = tuple(dict.fromkeys(sum(other, ())))
    emit(RunPlanned(to_do, len(done), len(other), single, names, changed, left_out))
    if not to_do:
        write_overview(out)
        return []
    components = FitComponents(options)
    _ = components.renderer  # an invalid recipe or a missing renderer is reported once, before any work
    prepare_output(out)
    outcomes: list[PhotoOutcome] = []
    try:
        if (n_workers := min(n_workers, len(to_do))) > 1:
            running = _outcomes_of_workers(to_do, options, out, n_workers)
        else:
            running = (
                _fit(job, out, components, lambda *step, job=job: emit(PhotoProgress(job, *step)), raises=single)
                for job in to_do
            )
        with closing(running):  # workers have ended before the summary is written, wherever Ctrl-C arrives
            for outcome in running:
                outcomes.append(outcome)
                emit(outcome)
    finally:
        if not single:
            write_overview(out)
    return outcomes


def write_overview(out: Path) -> None:
    """Writes ``summary.csv`` and ``index.html`` of all finished fits in an output folder."""
    entries = read_entries(out)
    write_summary(out / "summary.csv", entries)
    write_gallery(out / "index.html", entries, title=out.resolve().name)


def _finished(
    jobs: Sequence[PhotoJob], out: Path, options: FitOptions
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Photos whose people all have a report that is not ``failed``.

    Returns:
        Those made from the same files as now, each with the options that differ; and the others, with what changed.
    """
    reports: dict[str, list[Entry]] = defaultdict(list)
    for entry in read_entries(out):
        if entry.report.get("status") in ("ok", "poor"):
            reports[Path(entry.report.get("image") or "").name].append(entry)
    finished, changed = {}, {}
    for job in jobs:
        folders = re.compile(rf"{re.escape(job.name)}(_\d.*)?")
        own = [entry.report for entry in reports[job.image.name] if folders.fullmatch(entry.name)]
        if own and len(own) >= (own[0].get("people") or 1):
            now = fingerprints(job, options)
            others = tuple(dict.fromkeys(name for report in own for name in changed_inputs(report, now)))
            if others:
                changed[job.name] = others
                continue
            differing = (name for report in own for name in options.differing(report.get("options") or {}))
            finished[job.name] = tuple(dict.fromkeys(differing))
    return finished, changed


def _outcomes_of_workers(
    jobs: Sequence[PhotoJob], options: FitOptions, out: Path, n_workers: int
) -> Generator[PhotoOutcome, None, None]:
    threads = max(1, torch.get_num_threads() // n_workers)
    try:
        yield from map_in_processes(
            _fit_in_worker, jobs, processes=n_workers, threads=threads, shared=(options, out), ordered=False
        )
    except BaseException as error:  # the workers have been terminated: what they were writing is removed
        remove_leftovers(out, ended=True)
        if isinstance(error, InputError):
            raise InputError(f"{error}; finished results are kept: continue with --resume") from None
        raise


def _fit(
    job: PhotoJob, out: Path, components: FitComponents, progress: StageProgress | None = None, raises: bool = False
) -> PhotoOutcome:
    """Fits a photo; if that fails, raises the error or writes the folder of a failed photo."""
    try:
        return PhotoOutcome(job, tuple(fit_photo(job, out, components, progress)))
    except Exception as error:  # one photo's bug must not cost the other photos their results
        if raises or isinstance(error, (MissingDependencyError, OutputError)):
            raise
        reason = str(error)
        if is_out_of_memory(error):
            reason = f"{job.image}: not enough memory"
        elif isinstance(error, OSError) and (mistake := of_the_system(error)) is not None:
            reason = str(mistake)
        elif not isinstance(error, InputError):
            log.exception("%s", job.image)
            reason = f"{job.image}: {type(error).__name__}: {error}"
    about = {"image": str(job.image), "image_size": None, "person": 0, "people": 1}
    made_from = {"options": components.options.plain(), "inputs": fingerprints(job, components.options)}
    write_failure(out / job.name, reason, {**about, **made_from})
    return PhotoOutcome(job, error=reason)


_load_components = lru_cache(maxsize=1)(FitComponents)
"""Components of a run, loaded once per worker process."""


def _fit_in_worker(job: PhotoJob, options: FitOptions, out: Path) -> PhotoOutcome:
    return _fit(job, out, _load_components(options))
