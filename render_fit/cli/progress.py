"""The events of a run over photos as a progress bar and lines of text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from render_fit.core.progress_bar import ProgressBar
from render_fit.datasets.photo_search import shortened
from render_fit.fitting.result import BeforeAfter
from render_fit.pipelines.folder import FolderEvent, PhotoOutcome, RunPlanned
from render_fit.pipelines.person import WrittenPerson
from render_fit.pipelines.photo import WrittenFit
from render_fit.renderers.kernels.compiling import watched_compilation

COLOURS = {"ok": "green", "poor": "yellow", "failed": "red"}


class FolderProgress(ProgressBar):
    """Prints the events of `pipelines.folder.fit_folder`, and at its end a summary.

    Args:
        out: Output folder of the run.
        verbose: Whether losses and times of a single photo are printed.
    """

    def __init__(self, out: Path, verbose: bool = False) -> None:
        super().__init__()
        self._out, self._verbose = escape(str(out)), verbose
        self._plan: RunPlanned | None = None
        self._counts: Counter[str] = Counter()
        self._finished = self._failed = self._kernels = 0
        self._watching = watched_compilation(self._show_kernel)

    def __enter__(self) -> FolderProgress:
        self._watching.__enter__()
        return super().__enter__()

    def __call__(self, event: FolderEvent) -> None:
        """Prints one event."""
        if isinstance(event, RunPlanned):
            self._plan = event
            self._show_plan(event)
        elif isinstance(event, PhotoOutcome):
            self._show_outcome(event)
        elif self._is_single:
            self.show(f"{event.job.name}: {event.stage}", event.done, event.total)

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        super().__exit__(error)
        self._watching.__exit__(None, None, None)
        if self._plan is None or self._plan.single:
            return
        if error is not None and issubclass(error, KeyboardInterrupt):
            done = sum(self._counts.values())
            self.console.print(f"stopped; {done} finished and kept in {self._out}; --resume continues")
        elif error is None and self._plan.jobs:
            counts = ", ".join(f"{self._counts[status]} {status}" for status in COLOURS if self._counts[status])
            where = f"see {self._out}/index.html"
            if self._plan.shard is not None:
                where = f"shard {self._plan.shard} is done; render-fit summary {self._out} joins the shards"
            self.console.print(f"{counts}; {where}")
            if self._failed:
                n_photos = len(self._plan.jobs)
                reasons = "" if self._plan.shard is not None else f"; see {self._out}/summary.csv"
                self.console.print(f"{self._failed} of {n_photos} photos failed{reasons}")

    @property
    def _is_single(self) -> bool:
        return self._plan is not None and self._plan.single

    def _show_kernel(self, name: str) -> None:
        self._kernels += 1
        self.show(f"compiling the renderer, once on this machine: {name}", self._kernels)

    def _show_plan(self, plan: RunPlanned) -> None:
        for sentence in plan.left_out:
            self.console.print(escape(sentence))
        for inputs in dict.fromkeys(plan.changed.values()):
            names = escape(shortened(name for name, others in plan.changed.items() if others == inputs))
            self.console.print(f"[bold]{names}[/]: {', '.join(inputs)} changed since the fit; fitted again")
        n_photos = plan.kept + len(plan.jobs)
        if plan.shard is not None:
            self.console.print(f"shard {plan.shard}: {n_photos or 'none'} of {n_photos + plan.elsewhere} photos")
        if plan.kept:
            others = plan.kept_with_other_options
            names = ", ".join("--" + name.replace("_", "-") for name in plan.other_options)
            note = f", {others} of them made with other options ({names})" if others else ""
            self.console.print(f"{plan.kept} of {n_photos} already done and kept{note} (--overwrite fits them again)")
        if not plan.jobs:
            complete = f"{self._out} is complete" if plan.shard is None else f"shard {plan.shard} is complete"
            self.console.print(f"nothing left to do: {complete}")
        elif not plan.single:
            self.show("fitting", 0, len(plan.jobs))

    def _show_outcome(self, outcome: PhotoOutcome) -> None:
        if self._is_single:
            for fit in outcome.fits:
                print_fit(fit, self.console, self._verbose)
            return
        self._counts.update(outcome.statuses)
        self._finished += 1
        self._failed += outcome.failed
        if outcome.reason:
            status = "failed" if outcome.failed else "poor"
            self.console.print(_line(outcome.job.name, status, outcome.reason))
        for note in dict.fromkeys(note for fit in outcome.fits for note in fit.about_files):
            self.console.print(f"  note on [bold]{escape(outcome.job.name)}[/]: {escape(note)}")
        self.show("fitting", self._finished, len(self._plan.jobs) if self._plan else None)


def print_fit(fit: WrittenFit, console: Console, verbose: bool = False) -> None:
    """Prints a fit's status, its quality before and after refinement, its notes and its folder."""
    report = fit.report
    console.print(_line(fit.name, report.status, report.reason))
    figures = [
        _figure("silhouette IoU", report.iou, 3),
        _figure("part IoU", report.part_iou, 3),
        _figure("keypoint error", report.keypoint_error_px, 1, " px"),
        _figure("unexplained share of the mask", report.unexplained_share, 3),
        f"largest |β| {report.beta_max:.1f}",
        f"{report.seconds.get('total', sum(report.seconds.values())):.1f} s",
    ]
    console.print("  " + ", ".join(figure for figure in figures if figure))
    for note in dict.fromkeys((*report.notes, *fit.about_files)):
        console.print(f"  note: {escape(note)}")
    if verbose:
        for title, values in (("loss", report.losses), ("seconds", report.seconds)):
            for name, value in values.items():
                console.print(f"  {title} {escape(name)}: {value:.4g}")
    console.print(f"  {escape(str(fit.folder))}/")


def print_person(person: WrittenPerson, console: Console) -> None:
    """Prints the verdict on a person in several images, what is odd about some of them, and the folder."""
    report = person.report
    for sentence in person.left_out:
        console.print(escape(sentence))
    for frame in report.frames:
        if frame.status != "ok":
            console.print("  " + _line(frame.name, frame.status, frame.reason))
    console.print(_line(person.folder.name, report.status, report.reason))
    overlaps = [frame.iou for frame in report.frames if frame.iou is not None]
    figures = [f"largest |β| {report.beta_max:.1f}" if report.beta_max is not None else ""]
    if overlaps:
        figures.insert(0, f"mean silhouette IoU {sum(overlaps) / len(overlaps):.3f}")
    figures.append(f"{report.seconds['total']:.1f} s")
    console.print("  " + ", ".join(figure for figure in figures if figure))
    for note in report.notes:
        console.print(f"  note: {escape(note)}")
    kept = ": already done and kept (--overwrite fits it again)" if person.kept else ""
    console.print(f"  {escape(str(person.folder))}/{kept}")


def _line(name: str, status: str, reason: str) -> str:
    return f"[{COLOURS[status]}]{status}[/] [bold]{escape(name)}[/]: {escape(reason)}"


def _figure(name: str, pair: BeforeAfter | None, digits: int, unit: str = "") -> str:
    return "" if pair is None else f"{name} {pair.before:.{digits}f} → {pair.after:.{digits}f}{unit}"
