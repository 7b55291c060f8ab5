"""Least number of operations of an image, and the renderer's time relative to the machine's limit for as many.

    python -m benchmarks.operations [--size 224] [--sigma-px 1] [--json FILE]

Counted on the bodies by brute force, without the renderer's kernels:

- ``softras`` pairs: pixel centres inside a face or within the blur radius of it. The formula has one factor for each,
  so an exact renderer needs all of them (except for faces behind pixels whose product is saturated).
- hard pairs: pixel centres inside a face. A z-buffer has to test each.
- soft pixels: pixels within the blur radius of the outline; ``contour`` compares each with at least one piece.

The machine's limit is the speed of a float64 matrix product on as many threads.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from benchmarks.bodies import REST, VIEWS, Placed, placed
from benchmarks.drawing import HARD_PASS, picture, time_pictures
from benchmarks.measure import quotient, spread, take_turns, timed
from benchmarks.report import Report, arguments
from render_fit.renderers import CpuRenderer, RenderSettings

INSIDE_FLOPS = 6 + 3 * 3
"""Differences to three corners, shared, and three cross products of three operations."""

NEAREST_FLOPS = 3 * 14
"""Per side: foot of the perpendicular (4, 1 scaling, 2 clamps), offset (4), squared length (3)."""

FACTOR_FLOPS = 2 + 18 + 2
"""Scaling by 1 / σ², an exponential (a polynomial of degree 8 and its scaling), the product."""

PULL_FLOPS = 3 + 2 * 8
"""The factor's slope, and its share for the two ends of the nearest side."""

SETUP_FLOPS = 12 + 5 + 9
"""Per face: bounding box, area, 1 / z of the corners."""

SOFTRAS_FLOPS = 2 * (INSIDE_FLOPS + NEAREST_FLOPS + FACTOR_FLOPS) + PULL_FLOPS
"""Per pair, forward and backward; the backward pass recomputes the pair, because storing it costs more."""

HARD_FLOPS = INSIDE_FLOPS + 6
"""Per pair: inside, and the inverse depth from three weights."""

CONTOUR_FLOPS = 14 + 22 + 16
"""Per soft pixel: distance to one piece, a root and a sigmoid, the gradient of its two ends."""


@dataclass(frozen=True)
class Count:
    """Necessary operations of rendering one body.

    Attributes:
        faces: Number of faces of the mesh.
        soft_pairs: Number of ``softras`` pairs.
        hard_pairs: Number of hard pairs.
        soft_pixels: Number of soft pixels.
    """

    faces: int
    soft_pairs: int
    hard_pairs: int
    soft_pixels: int

    @property
    def softras_flops(self) -> float:
        """Operations of ``softras``, forward and backward."""
        return self.faces * SETUP_FLOPS + self.soft_pairs * SOFTRAS_FLOPS

    @property
    def hard_flops(self) -> float:
        """Operations of the z-buffer."""
        return self.faces * SETUP_FLOPS + self.hard_pairs * HARD_FLOPS

    @property
    def contour_flops(self) -> float:
        """Operations of ``contour``, forward and backward, with the z-buffer but without the search for the outline."""
        return self.hard_flops + self.soft_pixels * CONTOUR_FLOPS


def count(one: Placed, settings: RenderSettings) -> Count:
    """Count the pairs of one body."""
    size, radius = one.camera.height, settings.softras_radius_px
    corners = one.camera.project(one.vertices)[0].double().numpy()[one.mesh.faces.numpy()]
    near = one.vertices[0, :, 2].numpy()[one.mesh.faces.numpy()].min(1) < 0.05
    covered = np.zeros((size, size), bool)
    soft = hard = 0
    for corner in corners[~near]:
        first = np.clip(np.ceil(corner.min(0) - radius - 0.5), 0, size).astype(int)
        end = np.clip(np.floor(corner.max(0) + radius - 0.5) + 1, 0, size).astype(int)
        if (end <= first).any():
            continue
        x, y = np.arange(first[0], end[0]) + 0.5, np.arange(first[1], end[1])[:, None] + 0.5
        inside, distance2 = _inside_and_distance2(x, y, corner)
        soft += int((inside | (distance2 <= radius**2)).sum())
        hard += int(inside.sum())
        covered[first[1] : end[1], first[0] : end[0]] |= inside
    # Pixels nearer than the radius to a pixel on the other side: within half a pixel, those near the outline.
    edge = np.where(covered, *(np.asarray(distance_transform_edt(side)) for side in (covered, ~covered)))
    soft_pixels = int((edge <= settings.contour_radius_px).sum()) if covered.any() and not covered.all() else 0
    return Count(len(corners), soft, hard, soft_pixels)


def _inside_and_distance2(x: np.ndarray, y: np.ndarray, corner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether pixel centres are inside a triangle, and their squared distances to its sides."""
    turns, distances = [], []
    for (ax, ay), (bx, by) in zip(corner, np.roll(corner, -1, 0), strict=True):
        ex, ey = bx - ax, by - ay
        turns.append(ex * (y - ay) - ey * (x - ax))
        t = np.clip(((x - ax) * ex + (y - ay) * ey) / max(ex * ex + ey * ey, 1e-30), 0, 1)
        distances.append((x - ax - t * ex) ** 2 + (y - ay - t * ey) ** 2)
    inside = np.all([turn > 0 for turn in turns], 0) | np.all([turn < 0 for turn in turns], 0)
    return inside, np.min(distances, 0)


def matrix_product_gflops(runs: int, side: int = 1024) -> float:
    """Billions of float64 operations a second in a product of two matrices."""
    a, b = torch.randn(side, side, dtype=torch.float64), torch.randn(side, side, dtype=torch.float64)
    seconds = take_turns({"product": timed(lambda: torch.mm(a, b))}, max(runs, 3))["product"]
    return 2 * side**3 / float(np.median(seconds)) / 1e9


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=3)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--sigma-px", type=float, default=1.0)
    parser.add_argument("--bodies", type=int, default=len(VIEWS), help="bodies to use, rest pose first (default all)")
    chosen = parser.parse_args(words)
    torch.set_num_threads(chosen.threads)
    pictures = {kind: picture(kind, chosen.sigma_px) for kind in ("softras", "contour")}
    bodies = [placed(view, chosen.size) for view in VIEWS[: chosen.bodies]]
    counts = [count(one, pictures["softras"].settings) for one in bodies]
    gflops = matrix_product_gflops(chosen.runs)
    timings = time_pictures(CpuRenderer(), bodies, list(pictures.values()), chosen.runs)
    report = Report("operations")
    report.facts |= {"size, px": chosen.size, "σ, px": chosen.sigma_px, "threads": chosen.threads}
    report.facts["GFLOP/s of a matrix product"] = round(gflops, 1)
    for posed in (False, True)[: min(chosen.bodies, 2)]:
        where = "posed" if posed else "rest"
        these = [one for one, body in zip(counts, bodies, strict=True) if (body.view is not REST) == posed]
        for name in ("soft_pairs", "hard_pairs", "soft_pixels"):
            report.figures[name.replace("_", " "), where] = spread([getattr(one, name) / 1e3 for one in these], "k")
        kinds = {"softras": "softras_flops", "contour": "contour_flops", HARD_PASS: "hard_flops"}
        for kind, flops in kinds.items():
            case = pictures[kind].name if kind in pictures else HARD_PASS
            mean_flops = float(np.mean([getattr(one, flops) for one in these]))
            seconds = timings.per_run(case, posed)
            report.figures[f"{kind}: operations", where] = spread([mean_flops / 1e6], "MFLOP")
            report.figures[f"{kind}: at the machine's limit", where] = spread([mean_flops / gflops / 1e6], "ms")
            report.milliseconds((f"{kind}: takes", where), seconds)
            over = quotient(seconds, np.full(len(seconds), mean_flops / gflops / 1e9))
            report.figures[f"{kind}: times the limit", where] = over
    report.finish(chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
