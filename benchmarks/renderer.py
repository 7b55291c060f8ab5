"""Time of the renderer R for one image of the open body: silhouettes, part maps, hard outputs, forward and backward.

    python -m benchmarks.renderer [--size 224] [--threads 2] [--runs 7] [--json FILE]

Measured on the rest pose and on 20 posed bodies (benchmarks/bodies.py), with the hard z-buffer pass as practical lower
bound of any renderer of all faces. Values and gradients of every setting are first compared with the reference
renderer; if they are wrong, nothing is timed and the program fails.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks.bodies import REST, VIEWS, Placed, placed
from benchmarks.drawing import HARD_PASS, Picture, Timings, forward_and_backward, picture, time_pictures
from benchmarks.gradients import WrongGradient, check_gradients
from benchmarks.measure import Seconds, quotient, take_turns
from benchmarks.report import Report, arguments
from render_fit.renderers import Renderer, RenderSettings, make_renderer

PICTURES = (
    picture("contour", 1.0),
    picture("contour", 2.0),
    picture("contour", 8.0),
    picture("softras", 1.0),
    picture("softras", 2.0),
    picture("contour", 1.0, parts=True),
    picture("contour", 2.0, parts=True),
    picture("softras", 1.0, parts=True),
    picture("contour", 1.0, parts=True, borders="softmax"),
    Picture(RenderSettings(), ("depth",)),
    Picture(RenderSettings(), ("normals",)),
)

IN_THE_FIT = picture("contour", 1.0, parts=True)
"""Settings and outputs of the default recipe's last stages."""

COMPARED = (picture("contour", 1.0), picture("softras", 1.0), IN_THE_FIT)
"""Settings whose ratio to the hard pass is compared by the gate."""

BATCH = 8


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=7)
    parser.add_argument("--renderer", default="cpu")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--bodies", type=int, default=len(VIEWS), help="bodies to use, rest pose first (default all)")
    chosen = parser.parse_args(words)
    torch.set_num_threads(chosen.threads)
    renderer = make_renderer(chosen.renderer)
    report = Report("renderer")
    try:
        report.facts["gradients checked"] = check_gradients(renderer, PICTURES)
    except WrongGradient as error:
        print(error)
        return 1
    bodies = [placed(view, chosen.size) for view in VIEWS[: chosen.bodies]]
    report.facts["size, px"] = chosen.size
    report.facts["faces"] = len(bodies[0].mesh.faces)
    report.facts["threads"] = chosen.threads
    single_pictures(report, time_pictures(renderer, bodies, PICTURES, chosen.runs))
    if chosen.bodies > 2 * BATCH:
        batches(report, renderer, bodies, chosen.runs)
    threads(report, renderer, bodies, chosen.runs)
    report.finish(chosen.json)
    return 0


def single_pictures(report: Report, timings: Timings) -> None:
    """Times of single bodies."""
    for case, times in timings.seconds.items():
        for posed in (False, True):
            where = "posed" if posed else "rest"
            if times.shape[-1] == 1:
                report.figures[case, f"forward, {where}"] = timings.milliseconds(case, posed)
                continue
            for k, direction in enumerate(("forward", "backward")):
                report.figures[case, f"{direction}, {where}"] = timings.milliseconds(case, posed, k)
        name, slowest = timings.slowest(case)
        report.figures[case, "slowest posed"] = slowest
        report.facts[f"slowest posed, {case}"] = name
    for what in COMPARED:
        for posed in (False, True):
            report.ratio(
                f"{what.name} ÷ hard pass, {'posed' if posed else 'rest'}",
                quotient(timings.per_run(what.name, posed), timings.per_run(HARD_PASS, posed)),
            )


def batches(report: Report, renderer: Renderer, bodies: Sequence[Placed], runs: int) -> None:
    """Times of eight bodies in one call, and one after the other."""
    posed = [one for one in bodies if one.view is not REST]
    groups = {"rest": [[bodies[0]] * BATCH], "posed": [posed[:BATCH], posed[BATCH : 2 * BATCH]]}
    for where, sets in groups.items():
        together = {f"all|{k}": forward_and_backward(renderer, group, IN_THE_FIT) for k, group in enumerate(sets)}
        singly = {
            f"one|{k}|{i}": forward_and_backward(renderer, [one], IN_THE_FIT)
            for k, group in enumerate(sets)
            for i, one in enumerate(group)
        }
        times = take_turns({**together, **singly}, runs)
        report.ratio(
            f"{IN_THE_FIT.name}, per image: batch of {BATCH} ÷ one by one, {where}",
            quotient(_mean(times, "all"), _mean(times, "one")),
        )


def threads(report: Report, renderer: Renderer, bodies: Sequence[Placed], runs: int) -> None:
    """Times with one thread and with two."""
    before, names = torch.get_num_threads(), (picture("softras", 1.0), IN_THE_FIT)
    if (os.cpu_count() or 1) < 2:
        for what in names:
            report.missing[f"{what.name}: 1 thread ÷ 2 threads"] = "this machine has one core"
        return

    def with_threads(n: int, case: Callable[[], Seconds]) -> Callable[[], Seconds]:
        def run() -> Seconds:
            torch.set_num_threads(n)
            return case()

        return run

    for what in names:
        cases = {}
        for k, one in enumerate(bodies):
            drawing = forward_and_backward(renderer, [one], what)
            cases |= {f"{n}|{k}": with_threads(n, drawing) for n in (1, 2)}
        times = take_turns(cases, runs)
        for where, chosen in {"rest": range(1), "posed": range(1, len(bodies))}.items():
            if len(chosen):
                one, two = (np.mean([times[f"{n}|{k}"].sum(-1) for k in chosen], 0) for n in (1, 2))
                report.ratio(f"{what.name}: 1 thread ÷ 2 threads, {where}", quotient(one, two), better="higher")
    torch.set_num_threads(before)


def _mean(times: dict[str, np.ndarray], prefix: str) -> np.ndarray:
    """Mean seconds per image (runs,) of all cases whose name begins with ``prefix``."""
    return np.mean([values.sum(-1) for name, values in times.items() if name.startswith(prefix)], axis=0)


if __name__ == "__main__":
    sys.exit(main())
