"""Time of a fit on a busy machine: beside a process that keeps one core busy, and beside another fit.

    python -m benchmarks.load [--runs 5] [--fits 4] [--json FILE]

Each turn fits the same body in new processes: one alone, one beside a busy core, two at once. A process fits it once to
load the kernels, waits for the others, and fits it again ``--fits`` times; the median counts. The number of threads is
left to the package.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier

from benchmarks.bodies import REST, placed
from benchmarks.measure import Seconds, quotient, spread, take_turns
from benchmarks.observed import observation_of
from benchmarks.report import Report, arguments
from render_fit.core.threads import available_cores
from render_fit.fitting.fit import fit_image

CONTEXT = multiprocessing.get_context("spawn")

_together: Barrier


def _set_barrier(barrier: Barrier) -> None:
    global _together
    _together = barrier


def seconds_of_a_fit(fits: int) -> float:
    """Median time of a fit in this process; all processes begin together, and end once each has its times."""
    observation = observation_of(placed(REST, 320))
    fit_image(observation, "hybrid")
    _together.wait()
    times = [fit_image(observation, "hybrid").report.seconds["total"] for _ in range(fits)]
    _together.wait()
    return statistics.median(times)


def keep_busy() -> None:
    """Uses one core until the process is terminated."""
    while True:
        pass


def beside(fits: int, processes: int = 1, busy: int = 0) -> Callable[[], Seconds]:
    """A case: the slowest process's time of a fit.

    Args:
        fits: Number of fits of each process.
        processes: Number of processes that fit at once.
        busy: Number of processes that do nothing but keep a core busy.
    """

    def run() -> Seconds:
        others = [CONTEXT.Process(target=keep_busy, daemon=True) for _ in range(busy)]
        for other in others:
            other.start()
        try:
            barrier = CONTEXT.Barrier(processes)
            with ProcessPoolExecutor(processes, CONTEXT, _set_barrier, (barrier,)) as pool:
                return (max(pool.map(seconds_of_a_fit, [fits] * processes)),)
        finally:
            for other in others:
                other.terminate()

    return run


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=5, threads=False)
    parser.add_argument("--fits", type=int, default=4)
    chosen = parser.parse_args(words)
    cases = {
        "alone": beside(chosen.fits),
        "beside a busy core": beside(chosen.fits, busy=1),
        "two at once": beside(chosen.fits, processes=2),
    }
    times = take_turns(cases, chosen.runs, warm_up=0)
    report = Report("load")
    report.facts["cores"] = available_cores()
    for name, seconds in times.items():
        report.figures[name, "a fit"] = spread(seconds[:, 0], "s")
        if name != "alone":
            report.ratio(f"{name} ÷ alone", quotient(seconds[:, 0], times["alone"][:, 0]))
    report.finish(chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
