"""A run over photos: find them, pair them with files, fit what is left to do, write a summary.

Its events, in the order in which they happen: planned, progress of a photo, photo finished.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from render_fit.core.errors import InputError, of_the_system
from render_fit.core.files import prepare_output, remove_leftovers
from render_fit.core.memory import is_out_of_memory
from render_fit.core.parallel import share_with_processes
from render_fit.core.shards import Shard, parse_shard
from render_fit.core.threads import threads_each
from render_fit.datasets.photo_folder import PhotoFiles, PhotoJob, plan_jobs, unused_observations
from render_fit.datasets.photo_search import find_photos
from render_fit.export.fit_folder import write_failure
from render_fit.export.gallery import read_entries
from render_fit.fitting.result import FitReport
from render_fit.fitting.stages import StageProgress
from render_fit.pipelines.inputs import changed_inputs, fingerprints
from render_fit.pipelines.options import FitOptions, check_box
from render_fit.pipelines.overview import belongs, is_complete, list_photos, results_of, write_overview
from render_fit.pipelines.photo import FitComponents, WrittenFit, fit_photos

log = logging.getLogger(__name__)

BATCH = 8
"""Photos that a process fits side by side; more gain little, and lose more when the run is stopped."""


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
        shard: The slice of the photos that this run fits; None: all.
        elsewhere: Number of photos that belong to other shards.
    """

    jobs: tuple[PhotoJob, ...]
    kept: int
    kept_with_other_options: int
    single: bool
    other_options: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    shard: Shard | None = None
    elsewhere: int = 0


@dataclass(frozen=True)
class PhotoProgress:
    """Progress within one photo, or several that are fitted side by side. Worker processes send none.

    Attributes:
        job: The photo, or the first of those.
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
    batch: int | None = None,
    shard: str | None = None,
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
        n_workers: Number of processes, this one included.
        batch: Number of photos that a process fits side by side, which takes less time than one after the other. Their
            results are written together. If None, up to `BATCH`, as many for each process.
        shard: ``I/N`` fits the I-th of N slices of the photos, and writes no summary, so that several machines can
            share an output folder; `pipelines.overview.write_overview` writes it afterwards. ``slurm``: that of this
            task of a Slurm job array.
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
    part = None if shard is None else parse_shard(shard)
    single = part is None and len(images) == 1 and not any(path.is_dir() for path in paths)
    check_box(options.box, len(images))
    jobs = plan_jobs(images, files=files, observations=observations, several_people=options.person == "all")
    if observations is not None:
        left_out += unused_observations(jobs, observations)
    if files.part_labels is not None and not any(job.files.parts for job in jobs):
        left_out += (f"--part-labels {files.part_labels}: not used, there is no part map",)
    n_photos = len(jobs)
    if part is not None:
        list_photos(prepare_output(out), jobs, part)
        names = part.of([job.name for job in jobs])
        jobs = [job for job in jobs if job.name in names]
    keep = not single if resume is None else resume
    done, changed = _finished(jobs, out, options) if keep else ({}, {})
    to_do = tuple(job for job in jobs if job.name not in done)
    other = [names for names in done.values() if names]
    names = tuple(dict.fromkeys(name for names in other for name in names))
    emit(RunPlanned(to_do, len(done), len(other), single, names, changed, left_out, part, n_photos - len(jobs)))
    if not to_do:
        if part is None:
            write_overview(out)
        return []
    components = FitComponents(options)
    _ = components.renderer  # an invalid recipe or a missing renderer is reported once, before any work
    components.check_observer(job.files for job in to_do)
    prepare_output(out)
    outcomes: list[PhotoOutcome] = []
    shared: dict[str, Any] = {}
    try:
        n_workers = min(n_workers, len(to_do))
        batches = _batches(to_do, n_workers, batch)
        if n_workers > 1:
            running = _outcomes_of_workers(batches, options, out, components, n_workers)
        else:
            running = (
                _fit(jobs, out, components, lambda *step, job=jobs[0]: emit(PhotoProgress(job, *step)), raises=single)
                for jobs in batches
            )
        with closing(running):  # workers have ended before the summary is written, wherever Ctrl-C arrives
            for finished in running:
                for outcome in finished:
                    outcomes.append(_sharing(outcome, shared))
                    emit(outcomes[-1])
    finally:
        if not single and part is None:
            write_overview(out)
    return outcomes


def _batches(jobs: Sequence[PhotoJob], n_workers: int, most: int | None) -> list[tuple[PhotoJob, ...]]:
    """Photos that are fitted side by side: equally many for each process, and at most ``most`` at once."""
    if most is None:
        n_rounds = -(-len(jobs) // (n_workers * BATCH))
        most = -(-len(jobs) // (n_workers * n_rounds))
    return [tuple(jobs[begin : begin + most]) for begin in range(0, len(jobs), most)]


def _sharing(outcome: PhotoOutcome, shared: dict[str, Any]) -> PhotoOutcome:
    """An outcome whose reports have the recipe and versions of earlier ones where they are equal: saves memory."""

    def same(name: str, value: Any) -> Any:
        return shared[name] if shared.setdefault(name, value) == value else value

    def lighter(report: FitReport) -> FitReport:
        return report.model_copy(update={name: same(name, getattr(report, name)) for name in ("recipe", "versions")})

    fits = (replace(fit, report=lighter(fit.report)) for fit in outcome.fits)
    return replace(outcome, fits=tuple(fits))


def _finished(
    jobs: Sequence[PhotoJob], out: Path, options: FitOptions
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Photos whose people all have a report that is not ``failed``.

    Returns:
        Those made from the same files as now, each with the options that differ; and the others, with what changed.
    """
    images = {job.name: job.image.name for job in jobs}
    entries = read_entries(out, lambda folder: belongs(folder, images))
    results = results_of(images, [entry for entry in entries if entry.report.get("status") in ("ok", "poor")])
    finished, changed = {}, {}
    for job in jobs:
        if is_complete(results[job.name]):
            own = [entry.report for entry in results[job.name]]
            now = fingerprints(job, options)
            others = tuple(dict.fromkeys(name for report in own for name in changed_inputs(report, now)))
            if others:
                changed[job.name] = others
                continue
            differing = (name for report in own for name in options.differing(report.get("options") or {}))
            finished[job.name] = tuple(dict.fromkeys(differing))
    return finished, changed


def _outcomes_of_workers(
    batches: Sequence[tuple[PhotoJob, ...]], options: FitOptions, out: Path, components: FitComponents, n_workers: int
) -> Generator[list[PhotoOutcome], None, None]:
    try:
        yield from share_with_processes(
            _fit_in_worker,
            lambda jobs: _fit(jobs, out, components),
            batches,
            processes=n_workers,
            threads=threads_each(n_workers),
            shared=(options, out),
        )
    except BaseException as error:  # the workers have been terminated: what they were writing is removed
        remove_leftovers(out, ended=True)
        if isinstance(error, InputError):
            raise InputError(f"{error}; finished results are kept: continue with --resume") from None
        raise


def _fit(
    jobs: Sequence[PhotoJob],
    out: Path,
    components: FitComponents,
    progress: StageProgress | None = None,
    raises: bool = False,
) -> list[PhotoOutcome]:
    """Fits photos side by side; where one fails, raises the error or writes the folder of a failed photo."""
    outcomes = []
    for job, found in zip(jobs, fit_photos(jobs, out, components, progress), strict=True):
        if not isinstance(found, Exception):
            outcomes.append(PhotoOutcome(job, tuple(found)))
        elif raises:
            raise found
        else:
            outcomes.append(_failure(job, found, out, components))
    return outcomes


def _failure(job: PhotoJob, error: Exception, out: Path, components: FitComponents) -> PhotoOutcome:
    """Writes the folder of a photo that could not be fitted."""
    reason = str(error)
    if is_out_of_memory(error):
        reason = f"{job.image}: not enough memory"
    elif isinstance(error, OSError) and (mistake := of_the_system(error)) is not None:
        reason = str(mistake)
    elif not isinstance(error, InputError):
        log.error("%s", job.image, exc_info=error)
        reason = f"{job.image}: {type(error).__name__}: {error}"
    about = {"image": str(job.image), "image_size": None, "person": 0, "people": 1}
    made_from = {"options": components.options.plain(), "inputs": fingerprints(job, components.options)}
    write_failure(out / job.name, reason, {**about, **made_from})
    return PhotoOutcome(job, error=reason)


_load_components = lru_cache(maxsize=1)(FitComponents)
"""Components of a run, loaded once per worker process."""


def _fit_in_worker(jobs: tuple[PhotoJob, ...], options: FitOptions, out: Path) -> list[PhotoOutcome]:
    return _fit(jobs, out, _load_components(options))
