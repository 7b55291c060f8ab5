"""Photos per minute of a run over a folder, with one process and with two; what many photos cost in memory and time.

    python -m benchmarks.folder [--photos 24] [--many 200] [--done 10000] [--runs 1] [--json FILE]

Synthetic photos of the benchmark's bodies with masks and keypoints as files, the default recipe without the observer.
The time includes starting the processes, loading the kernels, and writing meshes, overlays and the gallery. With more
photos, the start-up matters less. Two processes have half of the cores each.

``--many`` photos run through one process with ``--many-recipe``: its resident memory and the time of each photo, the
first hundred against the last. ``--done`` photos have a result already: the time of finding that nothing is left to do,
and of writing summary and gallery, against that of a tenth of them. Both
need Linux (/proc/self).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.bodies import VIEWS, placed
from benchmarks.measure import Seconds, quotient, spread, take_turns
from benchmarks.memory import resident_bytes
from benchmarks.observed import write_photo
from benchmarks.report import Report, arguments
from render_fit.datasets.photo_folder import PhotoJob
from render_fit.pipelines.folder import FolderEvent, PhotoOutcome, RunPlanned, fit_folder
from render_fit.pipelines.options import FitOptions
from render_fit.pipelines.overview import write_overview

SPAN = 100
"""Photos at the beginning and at the end of a long run that are compared."""


def fitting(jobs: Sequence[PhotoJob], options: FitOptions, scratch: Path, n_workers: int) -> Callable[[], Seconds]:
    """A case: a run over all photos, into a new folder each time.

    Raises:
        RuntimeError: from the case, if a photo fails.
    """

    def run() -> Seconds:
        out = Path(tempfile.mkdtemp(dir=scratch))
        begin = time.perf_counter()
        images = [job.image for job in jobs]
        outcomes = fit_folder(images, options, out, observations=images[0].parent, n_workers=n_workers)
        seconds = time.perf_counter() - begin
        failed = [outcome for outcome in outcomes if outcome.failed]
        if failed:
            raise RuntimeError(f"{failed[0].job.image.name}: {failed[0].reason}")
        return (seconds,)

    return run


def copies(jobs: Sequence[PhotoJob], folder: Path, n: int) -> None:
    """Write photos in turn, with their files, under ``n`` names: hard links."""
    folder.mkdir()
    for k in range(n):
        job = jobs[k % len(jobs)]
        for path in (job.image, job.files.mask, job.files.keypoints):
            assert path is not None
            os.link(path, folder / f"{k:05d}{path.name.removeprefix(job.name)}")


def long_run(folder: Path, out: Path, options: FitOptions) -> np.ndarray:
    """Resident bytes, wall and processor seconds of this process after each photo of a run, (photos, 3).

    Raises:
        RuntimeError: if a photo fails.
    """
    rows = []

    def watch(event: FolderEvent) -> None:
        if isinstance(event, PhotoOutcome):
            if event.failed:
                raise RuntimeError(f"{event.job.image.name}: {event.reason}")
            rows.append((resident_bytes("VmRSS"), time.perf_counter(), time.process_time()))

    fit_folder(folder, options, out, observations=folder, on_event=watch)
    return np.array(rows)


def finished(job: PhotoJob, scratch: Path, options: FitOptions, n: int) -> tuple[Path, Path]:
    """A folder of ``n`` photos and an output folder with a result of each, whose pictures are hard links."""
    folder, out, one = scratch / f"done_{n}", scratch / f"done_{n}_out", scratch / f"done_{n}_one"
    copies([job], folder, n)
    fit_folder([job.image], options, one, observations=job.image.parent)
    report = json.loads((one / job.name / "report.json").read_text())
    for k in range(n):
        (out / f"{k:05d}").mkdir(parents=True)
        for path in (one / job.name).iterdir():
            if path.name != "report.json":
                os.link(path, out / f"{k:05d}" / path.name)
        about = {**report, "image": str(folder / f"{k:05d}.png")}
        (out / f"{k:05d}" / "report.json").write_text(json.dumps(about, indent=2))
    return folder, out


def nothing_left(folder: Path, out: Path, options: FitOptions) -> tuple[float, float, float]:
    """Processor seconds of a run that has nothing left to do and of the summary alone, and the peak memory, bytes.

    Raises:
        RuntimeError: if there is something left to do.
    """
    left: list[PhotoJob] = []

    def watch(event: FolderEvent) -> None:
        if isinstance(event, RunPlanned):
            left.extend(event.jobs)

    begin = time.process_time()
    fit_folder(folder, options, out, observations=folder, on_event=watch)
    end = time.process_time()
    if left:
        raise RuntimeError(f"{len(left)} photos were fitted")
    write_overview(out)
    return end - begin, time.process_time() - end, resident_bytes("VmHWM")


def many_photos(report: Report, folder: Path, options: FitOptions) -> None:
    """Adds memory and speed of a long run to the report."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        rows = pool.apply(long_run, (folder, folder.with_name("many_out"), options))
    resident, wall, processor = rows.T
    spans = {f"first {SPAN}": slice(0, SPAN + 1), f"last {SPAN}": slice(len(rows) - SPAN - 1, len(rows))}
    for name, span in spans.items():
        seconds = (wall[span][-1] - wall[span][0]) / SPAN
        row = f"{name} of {len(rows)}, {options.recipe}"
        report.figures[row, "photos a minute"] = spread([60 / seconds], "/min")
        report.figures[row, "seconds a photo"] = spread([seconds], "s")
    first, last = ((processor[span][-1] - processor[span][0]) / SPAN for span in spans.values())
    report.facts["processor time of a photo, first and last hundred"] = f"{first:.3f} s, {last:.3f} s"
    memory = ", ".join(f"{resident[k] / 2**20:.0f}" for k in (0, SPAN - 1, len(rows) // 2, len(rows) - 1))
    report.facts[f"memory after the 1st, 100th, {len(rows) // 2}th and {len(rows)}th photo"] = f"{memory} MiB"
    slope = np.polyfit(np.arange(SPAN, len(rows)), resident[SPAN:], 1)[0] / 1024
    report.facts["slope of memory after the 100th photo"] = f"{slope:.1f} KiB a photo"
    report.ratio("processor time of a photo, last hundred ÷ first hundred", quotient([last], [first]))
    report.ratio("memory, last ÷ hundredth photo", quotient([resident[-1]], [resident[SPAN - 1]]))


def done_photos(report: Report, job: PhotoJob, scratch: Path, n: int) -> None:
    """Adds the time that finished photos take to the report."""
    options, found = FitOptions(recipe="predict", save=()), {}
    for count in (n // 10, n):
        folder, out = finished(job, scratch, options, count)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found[count] = run, summary, peak = pool.apply(nothing_left, (folder, out, options))
        page = (out / "index.html").stat().st_size / 2**20
        report.facts[f"{count} photos that are done"] = (
            f"{run:.2f} s of processor time, of it {summary:.2f} s for summary and gallery; "
            f"{peak / 2**20:.0f} MiB at most; index.html {page:.1f} MiB"
        )
        shutil.rmtree(folder)
        shutil.rmtree(out)
    report.ratio(f"{n} photos that are done ÷ {n // 10}", quotient([found[n][0]], [found[n // 10][0]]))


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=1, threads=False)
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--recipe", default="hybrid")
    parser.add_argument(
        "--many", type=int, default=2 * SPAN, help=f"photos of the long run, at least {2 * SPAN}; 0: none"
    )
    parser.add_argument("--many-recipe", default="predict")
    parser.add_argument("--done", type=int, default=10_000, help="photos that are done already; 0: none")
    chosen = parser.parse_args(words)
    cores = os.cpu_count() or 1
    torch.set_num_threads(min(2, cores))
    report = Report("folder")
    report.facts |= {"photos": chosen.photos, "recipe": chosen.recipe}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # The rest pose, then every other posed body: some of each kind.
        views = [VIEWS[(2 * k) % len(VIEWS)] for k in range(chosen.photos)]
        jobs = [write_photo(placed(view, 320), folder, f"{k:02d}") for k, view in enumerate(views)]
        options = FitOptions(recipe=chosen.recipe)
        if not Path("/proc/self/status").exists():
            report.missing["memory, last ÷ hundredth photo"] = "needs Linux's /proc/self/status"
        elif chosen.many:
            copies(jobs, folder / "many", max(chosen.many, 2 * SPAN))
            many_photos(report, folder / "many", replace(options, recipe=chosen.many_recipe))
        if chosen.done and Path("/proc/self/status").exists():
            done_photos(report, jobs[0], folder, chosen.done)
        fitting(jobs[:1], options, folder, 1)()  # compiles kernels, if they are not in the cache
        workers = (1, 2) if cores > 1 else (1,)
        times = take_turns({str(n): fitting(jobs, options, folder, n) for n in workers}, chosen.runs, warm_up=0)
    for n in workers:
        report.figures[f"--jobs {n}", "photos a minute"] = spread(60 * chosen.photos / times[str(n)][:, 0], "/min")
        report.figures[f"--jobs {n}", "seconds a photo"] = spread(times[str(n)][:, 0] / chosen.photos, "s")
    name = "--jobs 1 ÷ --jobs 2, time of the same photos"
    if len(workers) == 2:
        report.ratio(name, quotient(times["1"], times["2"]), better="higher")
    else:
        report.missing[name] = "this machine has one core"
    report.finish(chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
