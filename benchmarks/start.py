"""Start-up of ``render-fit fit`` and ``render-fit predict`` on one photo, in units of ``import torch``.

    python -m benchmarks.start [--runs 5] [--json FILE]

Every run is a new process. Mask and keypoints come from files, so that no observer is measured. The time of the fit
itself, as its report states it, is subtracted: what is left are imports, reading, and writing of meshes and images.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.bodies import REST, placed
from benchmarks.measure import Seconds, quotient, spread, take_turns
from benchmarks.observed import write_photo
from benchmarks.report import Report, arguments
from render_fit.datasets.photo_folder import PhotoJob

HELP, TORCH = "render-fit --help", 'python -c "import torch"'


def command(words: Sequence[str], report: Path | None = None) -> Callable[[], Seconds]:
    """A case: seconds of a new process, and of the fit in it.

    Args:
        words: Arguments of the Python interpreter.
        report: Report of the fit that the process writes, if it fits.

    Raises:
        RuntimeError: from the case, if the process fails.
    """

    def run() -> Seconds:
        begin = time.perf_counter()
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        if report is None:
            fit = 0.0
        elif report.is_file():  # the status of the fit, which is the exit code, does not matter here
            fit = json.loads(report.read_text(encoding="utf-8"))["seconds"]["total"]
        else:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
        return seconds, fit

    return run


def fitting(name: str, job: PhotoJob, folder: Path) -> Callable[[], Seconds]:
    """A case: ``render-fit fit`` or ``render-fit predict`` on a photo with files."""
    out, files = folder / name, job.files
    words = ["-m", "render_fit", name, str(job.image), "--out", str(out)]
    words += ["--mask", str(files.mask), "--keypoints", str(files.keypoints)]
    return command(words, out / job.name / "report.json")


def main(words: Sequence[str] | None = None) -> int:
    chosen = arguments(__doc__, runs=5, threads=False).parse_args(words)
    report = Report("start")
    with tempfile.TemporaryDirectory() as scratch:
        job = write_photo(placed(REST, 320), Path(scratch), "person")
        cases = {name: fitting(name, job, Path(scratch)) for name in ("fit", "predict")}
        cases |= {HELP: command(["-m", "render_fit", "--help"]), TORCH: command(["-c", "import torch"])}
        times = take_turns(cases, chosen.runs)
    for name, seconds in times.items():
        report.figures[name, "process"] = spread(seconds[:, 0], "s")
        if name in ("fit", "predict"):
            report.figures[name, "fit in it"] = spread(seconds[:, 1], "s")
            start = seconds[:, 0] - seconds[:, 1]
            report.ratio(f"{name} without the fit itself ÷ import torch", quotient(start, times[TORCH][:, 0]))
    report.ratio("--help ÷ import torch", quotient(times[HELP][:, 0], times[TORCH][:, 0]))
    report.finish(chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
