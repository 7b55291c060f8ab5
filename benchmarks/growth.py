"""Growth of the rendering time with faces, pixels and σ: forward and backward, every combination.

    python -m benchmarks.growth [--faces 3500 14000 56000] [--sizes 112 224 448] [--sigmas 1 2 4] [--json FILE]
                                [--plot FILE.svg]

The body's share of the image is constant, so the pixels on the body grow with those of the image. σ is in pixels.
Coarser meshes are the open body with its shortest edges collapsed; finer ones have every face cut into four.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.bodies import VIEWS, placed
from benchmarks.drawing import HARD_PASS, picture, time_pictures
from benchmarks.gradients import WrongGradient, check_gradients
from benchmarks.measure import quotient
from benchmarks.meshes import body_mesh
from benchmarks.report import Report, arguments
from render_fit.renderers import CpuRenderer

KINDS = {"contour": ("contour", False), "softras": ("softras", False), "contour + parts": ("contour", True)}

Setting = tuple[int, int, float]
"""Number of faces, side of the image in pixels, σ in pixels."""

Times = Mapping[tuple[str, Setting, bool], np.ndarray]
"""Seconds per image (runs,), by kind of outputs, setting, and whether over the 20 posed bodies."""


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=3)
    parser.add_argument("--faces", type=int, nargs="+", default=[3_500, 14_000, 56_000])
    parser.add_argument("--sizes", type=int, nargs="+", default=[112, 224, 448], help="sides of the image, pixels")
    parser.add_argument("--sigmas", type=float, nargs="+", default=[1.0, 2.0, 4.0], help="pixels")
    parser.add_argument("--bodies", type=int, default=len(VIEWS), help="bodies to use, rest pose first (default all)")
    parser.add_argument("--plot", type=Path, default=None, help="file of the plot (default: beside --json)")
    chosen = parser.parse_args(words)
    torch.set_num_threads(chosen.threads)
    report = Report("growth")
    checked = [picture(kind, sigma, parts) for kind, parts in KINDS.values() for sigma in chosen.sigmas]
    try:
        report.facts["gradients checked"] = check_gradients(CpuRenderer(), checked)
    except WrongGradient as error:
        print(error)
        return 1
    times = measured(chosen.faces, chosen.sizes, chosen.sigmas, chosen.bodies, chosen.runs)
    report.facts["threads"] = chosen.threads
    for (kind, (faces, size, sigma), posed), seconds in times.items():
        row = f"{len(body_mesh(faces).faces):,} faces, {size}², σ {sigma:g} px"
        report.milliseconds((row, f"{kind}, {'posed' if posed else 'rest'}"), seconds)
    ratios(report, times, chosen.faces, chosen.sizes, chosen.sigmas)
    report.finish(chosen.json)
    picture_file = chosen.plot or (chosen.json and chosen.json.with_suffix(".svg"))
    if picture_file is not None:
        plot(times, picture_file)
    return 0


def measured(faces: Sequence[int], sizes: Sequence[int], sigmas: Sequence[float], n_bodies: int, runs: int) -> Times:
    """Times of forward and backward for all combinations; the hard pass for every σ, although independent of it."""
    times = {}
    for n_faces, size in itertools.product(faces, sizes):
        bodies = [placed(view, size, body_mesh(n_faces)) for view in VIEWS[:n_bodies]]
        pictures = {(name, s): picture(kind, s, parts) for name, (kind, parts) in KINDS.items() for s in sigmas}
        timings = time_pictures(CpuRenderer(), bodies, list(pictures.values()), runs)
        for posed in (False, True)[: min(n_bodies, 2)]:
            for (name, sigma), what in pictures.items():
                times[name, (n_faces, size, sigma), posed] = timings.per_run(what.name, posed)
            for sigma in sigmas:
                times[HARD_PASS, (n_faces, size, sigma), posed] = timings.per_run(HARD_PASS, posed)
    return times


def ratios(report: Report, times: Times, faces: Sequence[int], sizes: Sequence[int], sigmas: Sequence[float]) -> None:
    """Ratios for the gate: the largest setting along each axis against the middle one."""
    middle: Setting = (faces[len(faces) // 2], sizes[len(sizes) // 2], sigmas[0])
    corners: dict[str, Setting] = {
        f"{faces[-1] / middle[0]:.3g} × faces": (faces[-1], *middle[1:]),
        f"{(sizes[-1] / middle[1]) ** 2:.3g} × pixels": (middle[0], sizes[-1], middle[2]),
        f"{sigmas[-1] / middle[2]:.3g} × σ": (*middle[:2], sigmas[-1]),
    }
    for (kind, setting, posed), seconds in times.items():
        for name, corner in corners.items():
            if setting == corner != middle and kind != HARD_PASS:
                where = "posed" if posed else "rest"
                # A speed-up of the constant part makes these worse: they have a wider tolerance.
                report.ratio(f"{kind}, {name}, {where}", quotient(seconds, times[kind, middle, posed]), tolerance=0.6)


def plot(times: Times, path: Path) -> None:
    """Milliseconds against pixels and against faces, at the smallest σ, rest pose dashed and posed bodies solid."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot
    from matplotlib.ticker import NullLocator

    settings = sorted({setting for _, setting, _ in times})
    faces, sizes, sigmas = (sorted(set(axis)) for axis in zip(*settings, strict=True))
    middle = (faces[len(faces) // 2], sizes[len(sizes) // 2], sigmas[0])
    axes_of = {
        f"pixels, {middle[0]:,} faces": (lambda s: s[1] ** 2, [s for s in settings if (s[0], s[2]) == middle[::2]]),
        f"faces, {middle[1]}² pixels": (lambda s: s[0], [s for s in settings if s[1:] == middle[1:]]),
    }
    pyplot.rcParams["svg.hashsalt"] = "cost"
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), sharey=True, constrained_layout=True)
    for panel, (label, (amount, along)) in zip(panels, axes_of.items(), strict=True):
        for k, kind in enumerate([*KINDS, HARD_PASS]):
            for posed in (True, False):
                values = [1000 * float(np.median(times[kind, s, posed])) for s in along if (kind, s, posed) in times]
                if values:
                    style = {"color": f"C{k}", "linestyle": "-" if posed else "--", "marker": "o", "markersize": 3}
                    panel.plot([amount(s) for s in along], values, label=kind if posed else None, **style)
        panel.set(xscale="log", yscale="log", xlabel=label)
        panel.set_xticks([amount(s) for s in along], [f"{amount(s):,}" for s in along])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.grid(alpha=0.3, which="both")
    panels[0].set_ylabel(f"ms forward + backward, σ = {middle[2]:g} px")
    title = "solid: 20 posed\ndashed: rest"
    panels[1].legend(frameon=False, fontsize="small", title=title, title_fontsize="small", bbox_to_anchor=(1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
