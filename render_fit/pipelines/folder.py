"""Many photos: what is done stays done, one bad photo stops nobody, and a summary at the end whatever happens."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from render_fit.core.errors import InputError, MissingDependencyError
from render_fit.core.files import prepare_output
from render_fit.core.parallel import limit_threads_of_new_processes
from render_fit.datasets.photo_folder import PhotoJob
from render_fit.export.fit_folder import REPORT, write_failure
from render_fit.export.gallery import read_entries, write_gallery, write_summary
from render_fit.pipelines.options import FitOptions
from render_fit.pipelines.photo import FitComponents, fit_photo

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one photo.

    Attributes:
        job: The photo.
        statuses: Of each person fitted; one ``failed`` if the photo could not be fitted.
        reason: Of the first that is not ``ok``, else empty.
    """

    job: PhotoJob
    statuses: tuple[str, ...]
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether anything about this photo failed."""
        return "failed" in self.statuses


def finished(job: PhotoJob, out: Path, options: FitOptions) -> bool | None:
    """Whether a photo has been fitted before.

    Returns:
        True if all its people have a report that did not fail, made with these options; None if made with others;
        False if there is something left to do.
    """
    reports = [report for report in _reports(job, out) if report.get("status") in ("ok", "poor")]
    if not reports or len(reports) < reports[0].get("people", 1):
        return False
    return True if all(report.get("options") == options.plain() for report in reports) else None


def fit_many(
    jobs: Sequence[PhotoJob],
    options: FitOptions,
    out: Path,
    *,
    n_workers: int = 1,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Fit photo after photo, or several at once, and keep ``summary.csv`` and ``index.html`` of the output folder.

    A photo that cannot be fitted gets a folder with a report that says why. An interruption (Ctrl-C) leaves
    finished folders and a summary of them, and no half-written folder.

    Args:
        jobs: The photos.
        options: How to fit them.
        out: Output folder.
        n_workers: Processes; with 1 everything happens in this one.
        on_outcome: Called after each photo, in the order in which they finish.

    Returns:
        The outcomes, in that order.

    Raises:
        InputError: if the output folder cannot be written or the recipe is not valid.
        MissingDependencyError: if a package is needed that is not installed.
        KeyboardInterrupt: after finished results have been summed up.
    """
    prepare_output(out)
    outcomes = []
    try:
        # closed before the summary is written: wherever Ctrl-C strikes, workers have ended by then
        with closing(_outcomes(jobs, options, out, min(n_workers, len(jobs)))) as running:
            for outcome in running:
                outcomes.append(outcome)
                if on_outcome is not None:
                    on_outcome(outcome)
    finally:
        write_overview(out)
    return outcomes


def write_overview(out: Path) -> None:
    """``summary.csv`` and ``index.html`` of everything finished in an output folder."""
    entries = read_entries(out)
    write_summary(out / "summary.csv", entries)
    write_gallery(out / "index.html", entries, title=out.resolve().name)


def _outcomes(
    jobs: Sequence[PhotoJob], options: FitOptions, out: Path, n_workers: int
) -> Generator[Outcome, None, None]:
    tools = FitComponents(options)
    _ = tools.renderer  # an invalid recipe, or a renderer that is not here, is said once and before any work
    if n_workers <= 1:
        for job in jobs:
            yield _fit_one(job, out, tools)
        return
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // n_workers)
    pool = ProcessPoolExecutor(n_workers, context, _start_worker, (options, out, threads))
    try:
        with limit_threads_of_new_processes(threads):
            futures = [pool.submit(_fit_in_worker, job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool:
        _end_workers(jobs, out)
        raise InputError(
            "a worker process died, perhaps for want of memory: finished results are kept; go on with --resume and "
            "fewer --jobs"
        ) from None
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        _end_workers(jobs, out)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _fit_one(job: PhotoJob, out: Path, tools: FitComponents) -> Outcome:
    try:
        reports = [fit.report for fit in fit_photo(job, out, tools)]
    except (MissingDependencyError, KeyboardInterrupt):
        raise
    except InputError as error:
        return _failure(job, out, tools.options, str(error))
    except Exception as error:  # one photo's bug must not cost the other photos their results
        log.exception("%s", job.image)
        return _failure(job, out, tools.options, f"{job.image}: {type(error).__name__}: {error}")
    doubts = [report.reason for report in reports if report.status != "ok"]
    return Outcome(job, tuple(report.status for report in reports), doubts[0] if doubts else "")


def _failure(job: PhotoJob, out: Path, options: FitOptions, reason: str) -> Outcome:
    about = {"image": str(job.image), "image_size": None, "person": 0, "people": 1, "options": options.plain()}
    write_failure(out / job.name, reason, about)
    return Outcome(job, ("failed",), reason)


def _reports(job: PhotoJob, out: Path) -> list[dict]:
    """Reports of this photo's people that can be read."""
    paths = [out / job.name / REPORT, *out.glob(f"{_escaped(job.name)}_[0-9]*/{REPORT}")]
    reports = []
    for path in paths:
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if Path(report.get("image", "")).name == job.image.name:
            reports.append(report)
    return reports


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


_worker: tuple[Path, FitComponents] | None = None


def _start_worker(options: FitOptions, out: Path, threads: int) -> None:
    """Set up a worker process. Ctrl-C reaches the whole group: only the parent acts on it, and ends the workers."""
    global _worker
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    _worker = (out, FitComponents(options))


def _fit_in_worker(job: PhotoJob) -> Outcome:
    assert _worker is not None
    out, tools = _worker
    return _fit_one(job, out, tools)


def _end_workers(jobs: Sequence[PhotoJob], out: Path) -> None:
    """Kill this run's workers where they are, and clear away the folders that they were writing."""
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join(timeout=10)
    for job in jobs:
        for folder in out.glob(f".{_escaped(job.name[:40])}*.partial"):
            shutil.rmtree(folder, ignore_errors=True)
