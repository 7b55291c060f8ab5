"""Photos per minute of a run over a folder, with one process and with two.

    python -m benchmarks.folder [--photos 24] [--runs 1] [--json FILE]

Synthetic photos of the benchmark's bodies with masks and keypoints as files, the default recipe without the observer.
The time includes starting the processes, loading the kernels, and writing meshes, overlays and the gallery. With more
photos, the start-up matters less. Two processes have half of the cores each.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.bodies import VIEWS, placed
from benchmarks.measure import Seconds, quotient, spread, take_turns
from benchmarks.observed import write_photo
from benchmarks.report import Report, arguments
from render_fit.datasets.photo_folder import PhotoJob
from render_fit.pipelines.folder import fit_folder
from render_fit.pipelines.options import FitOptions


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


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=1, threads=False)
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--recipe", default="hybrid")
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
