"""Memory of rendering one image, without the body's: the peak of a new process, forward and backward.

    python -m benchmarks.memory [--size 512] [--threads 2] [--json FILE]

Each kind of output has its own process, which loads the body and the compiled kernels (an image of 16²), and then
renders the rest pose and 20 posed bodies one by one. Measured is the rise of the resident set above its size before the
rendering: the system's high-water mark, reset before each image. In these processes the C library returns arrays to the
system as soon as they are freed (``GIVEN_BACK``); otherwise an image would reuse the memory of the previous one and
cost nothing. Linux only (/proc/self).
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.bodies import REST, VIEWS, placed
from benchmarks.drawing import Picture, forward_and_backward, picture
from benchmarks.measure import spread
from benchmarks.report import Report, arguments
from render_fit.renderers import CpuRenderer, RenderSettings

PICTURES = (
    Picture(RenderSettings(), ("depth",)),
    picture("contour", 1.0),
    picture("softras", 1.0),
    picture("contour", 1.0, parts=True),
    picture("contour", 1.0, parts=True, borders="softmax"),
)

WARM_UP_PX = 16

GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""glibc's thresholds, bytes: larger arrays are mapped, and unmapped when freed."""

MIB = 2**20


def resident_bytes(field: str) -> int:
    """``VmRSS`` (current) or ``VmHWM`` (high-water mark) of this process, bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status: expected a line {field}")


def peak_above(step: Callable[[], object]) -> int:
    """Rise of the resident set above its current size while a step runs, bytes."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark to the current size
    before = resident_bytes("VmRSS")
    step()
    return max(0, resident_bytes("VmHWM") - before)


def peaks(index: int, size: int, threads: int, n_bodies: int) -> list[int]:
    """Peak memory of each view without the body's, bytes, in this process."""
    torch.set_num_threads(threads)
    renderer, what = CpuRenderer(), PICTURES[index]
    forward_and_backward(renderer, [placed(REST, WARM_UP_PX)], what)()
    found = []
    for view in VIEWS[:n_bodies]:
        run = forward_and_backward(renderer, [placed(view, size)], what)
        found.append(peak_above(run))
    return found


def output_bytes(what: Picture, size: int) -> int:
    """Size of the finished images in float32, bytes."""
    channels = {"silhouette": 1, "parts": 24, "depth": 1}
    return 4 * size * size * sum(channels[name] for name in what.outputs)


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=1)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--bodies", type=int, default=len(VIEWS), help="bodies to use, rest pose first (default all)")
    chosen = parser.parse_args(words)
    report = Report("memory")
    report.facts |= {"size, px": chosen.size, "threads": chosen.threads}
    os.environ.update(GIVEN_BACK)  # read by the processes that are started from here on
    can_measure = Path("/proc/self/clear_refs").exists()
    for index, what in enumerate(PICTURES):
        name = f"{what.name}: peak ÷ finished images"
        if not can_measure:
            report.missing[f"{name}, rest"] = report.missing[f"{name}, posed"] = "needs Linux's /proc/self/clear_refs"
            continue
        # A new process for every kind of output, so that none reuses another's memory.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = np.array(pool.apply(peaks, (index, chosen.size, chosen.threads, chosen.bodies)))
        for where, values in {"rest": found[:1], "posed": found[1:]}.items():
            if len(values):
                report.figures[what.name, where] = spread(values / MIB, "MiB")
                report.ratio(f"{name}, {where}", spread(values / output_bytes(what, chosen.size), "×"))
        report.figures[what.name, "finished images"] = spread([output_bytes(what, chosen.size) / MIB], "MiB")
    report.finish(chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
