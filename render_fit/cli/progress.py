"""Running fits with a progress bar and a few lines on how they went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from render_fit.datasets.photo_folder import PhotoJob
from render_fit.fitting.result import BeforeAfter
from render_fit.pipelines.folder import Outcome, finished, fit_many, write_overview
from render_fit.pipelines.options import FitOptions
from render_fit.pipelines.photo import FitComponents, WrittenFit, fit_photo

COLOURS = {"ok": "green", "poor": "yellow", "failed": "red"}


def fit_with_progress(
    jobs: Sequence[PhotoJob],
    options: FitOptions,
    out: Path,
    *,
    single: bool,
    resume: bool | None,
    n_workers: int,
    verbose: bool,
) -> bool:
    """Fit photos and say what happened.

    Args:
        jobs: The photos.
        options: How to fit them.
        out: Output folder.
        single: Whether this is about one photo, whose problems are the command's problems.
        resume: Whether finished results are kept; if None, unless ``single``.
        n_workers: Photos fitted at the same time.
        verbose: Whether to say more.

    Returns:
        Whether anything failed.

    Raises:
        InputError: for what the user can mend.
    """
    console = Console(highlight=False, soft_wrap=True)
    keep = not single if resume is None else resume
    to_do = _still_to_do(jobs, options, out, console) if keep else list(jobs)
    if not to_do:
        write_overview(out)
        console.print(f"nothing left to do: {escape(str(out))} is complete")
        return False
    if single:
        return _fit_single(to_do[0], options, out, console, verbose)
    return _fit_several(to_do, options, out, console, n_workers)


def _fit_single(job: PhotoJob, options: FitOptions, out: Path, console: Console, verbose: bool) -> bool:
    from render_fit.core.files import prepare_output

    tools = FitComponents(options)
    prepare_output(out)
    with progress_bar(console) as progress:
        task = progress.add_task(f"{escape(job.name)}: reading", total=None)

        def step(stage: str, done: int, total: int) -> None:
            progress.update(task, description=f"{escape(job.name)}: {escape(stage)}", completed=done, total=total)

        fits = fit_photo(job, out, tools, progress=step)
    for fit in fits:
        say(fit, console, verbose)
    return any(fit.report.status == "failed" for fit in fits)


def _fit_several(jobs: Sequence[PhotoJob], options: FitOptions, out: Path, console: Console, n_workers: int) -> bool:
    counts = dict.fromkeys(COLOURS, 0)
    failures: list[Outcome] = []
    with progress_bar(console) as progress:
        task = progress.add_task("fitting", total=len(jobs))

        def report(outcome: Outcome) -> None:
            for status in outcome.statuses:
                counts[status] += 1
            if outcome.reason:
                worst = "failed" if outcome.failed else "poor"
                progress.console.print(_line(outcome.job.name, worst, outcome.reason))
            if outcome.failed:
                failures.append(outcome)
            progress.advance(task)

        try:
            fit_many(jobs, options, out, n_workers=n_workers, on_outcome=report)
        except KeyboardInterrupt:
            done = sum(counts.values())
            progress.console.print(f"stopped; {done} finished and kept in {escape(str(out))}; --resume goes on")
            raise
    summary = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    console.print(f"{summary}; see {escape(str(out / 'index.html'))}")
    if failures:
        console.print(f"{len(failures)} of {len(jobs)} photos failed; {escape(str(out / 'summary.csv'))} says why")
    return bool(failures)


def _still_to_do(jobs: Sequence[PhotoJob], options: FitOptions, out: Path, console: Console) -> list[PhotoJob]:
    states = {job: finished(job, out, options) for job in jobs}
    kept = sum(state is not False for state in states.values())
    others = sum(state is None for state in states.values())
    if kept:
        made = f", {others} of them made with other options" if others else ""
        console.print(f"{kept} of {len(jobs)} already done and kept{made} (--overwrite makes them anew)")
    return [job for job, state in states.items() if state is False]


def say(fit: WrittenFit, console: Console, verbose: bool = False) -> None:
    """Print how a fit went: status, figures before and after refinement, notes, where it is."""
    report = fit.report
    console.print(_line(fit.name, report.status, report.reason))
    figures = [
        _figure("silhouette IoU", report.iou, 3),
        _figure("part IoU", report.part_iou, 3),
        _figure("keypoint error", report.keypoint_error_px, 1, " px"),
        f"largest |β| {report.beta_max:.1f}",
        f"{report.seconds.get('total', sum(report.seconds.values())):.1f} s",
    ]
    console.print("  " + ", ".join(figure for figure in figures if figure))
    for note in report.notes:
        console.print(f"  note: {escape(note)}")
    if verbose:
        for title, values in (("loss", report.losses), ("seconds", report.seconds)):
            for name, value in values.items():
                console.print(f"  {title} {escape(name)}: {value:.4g}")
    console.print(f"  {escape(str(fit.folder))}/")


def _line(name: str, status: str, reason: str) -> str:
    return f"[{COLOURS[status]}]{status}[/] [bold]{escape(name)}[/]: {escape(reason)}"


def _figure(name: str, pair: BeforeAfter | None, digits: int, unit: str = "") -> str:
    return "" if pair is None else f"{name} {pair.before:.{digits}f} → {pair.after:.{digits}f}{unit}"


def progress_bar(console: Console) -> Progress:
    """A bar that goes away when it is done, and is not drawn where output is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
