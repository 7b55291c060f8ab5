"""Plots of the experiments of the lecture: bars of variants, and curves, with the spread where it is known."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from render_fit.core.files import write_bytes
from render_fit.evaluation.tables import ExperimentResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]

LABELS = {
    "mpjpe_mm": "MPJPE, mm",
    "pa_mpjpe_mm": "PA-MPJPE, mm",
    "pckh": "PCKh, %",
    "rotation_deg": "rotation error, °",
    "impossible": "share of impossible poses",
    "part_f1": "F1 of the part map that is seen",
    "seconds": "processor seconds since the start",
    "shift": "shift, m",
    "turn": "turn about the vertical axis, °",
    "limb": "turn of a limb, °",
}
"""Names of axes."""

SPREADS = ("_sd", "_sem")
"""Endings of the columns that have the spread of a column."""

PUBLISHED = {"mpjpe_mm": "published_3d_mm", "pckh": "published_pckh"}
"""Columns of published figures, drawn as points beside the bars."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes, and what is drawn on it.

    Attributes:
        draw: Draws the rows.
        width: Width, inches.
    """

    draw: Callable[[Axes, Sequence[Row]], None]
    width: float = 4.5


def bars(figure: str) -> Panel:
    """A bar for each row that has a figure, with its spread, and the published value if there is one."""

    def draw(axes: Axes, rows: Sequence[Row]) -> None:
        shown = [row for row in rows if _number(row, figure) is not None]
        names, values = [str(row["what"]) for row in shown], [row[figure] for row in shown]
        axes.barh(names, values, xerr=[_spread(row, figure) for row in shown], color="tab:blue", alpha=0.8, capsize=3)
        published = PUBLISHED.get(figure, "")
        points = [(row[published], str(row["what"])) for row in shown if _number(row, published) is not None]
        if points:
            axes.scatter(*zip(*points, strict=True), color="tab:orange", zorder=3, label="published, other data")
            axes.legend(fontsize="small", loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, frameon=False)
        axes.invert_yaxis()
        axes.set(xlabel=LABELS.get(figure, figure))

    return Panel(draw)


def curves(along: str, figure: str, by: str = "what") -> Panel:
    """A curve of a figure along another for each value of a column."""

    def draw(axes: Axes, rows: Sequence[Row]) -> None:
        shown = [row for row in rows if None not in (_number(row, along), _number(row, figure))]
        for name in dict.fromkeys(row[by] for row in shown):
            own = sorted((row for row in shown if row[by] == name), key=lambda row: row[along])
            values, spreads = [row[figure] for row in own], [_spread(row, figure) for row in own]
            axes.errorbar([row[along] for row in own], values, spreads, marker="o", capsize=3, label=str(name))
        axes.set(xlabel=LABELS.get(along, along), ylabel=LABELS.get(figure, figure))
        axes.legend(fontsize="small")

    return Panel(draw, 6.0)


def part_maps(figure: str) -> Panel:
    """A figure against the quality of the part map, of networks trained on exact and on flawed maps."""

    def draw(axes: Axes, rows: Sequence[Row]) -> None:
        both = [
            {name.removeprefix(f"{trained}_"): value for name, value in row.items()} | {"by": f"trained on {trained}"}
            for trained in ("exact", "flawed")
            for row in rows
        ]
        curves("part_f1", figure, "by").draw(axes, both)

    return Panel(draw, 6.0)


def basin(move: str) -> Panel:
    """Share of fits that converge against the size of a move, a curve for each loss."""

    def draw(axes: Axes, rows: Sequence[Row]) -> None:
        styles = ("-", "--", ":")
        for number, row in enumerate(rows):
            points = {float(key.split()[1]): row[key] for key in row if key.startswith(f"{move} ")}
            style = styles[number // 10 % len(styles)]
            axes.plot(list(points), list(points.values()), style, marker=".", label=str(row["what"]))
        axes.set(xlabel=LABELS[move], ylabel="fits that find the truth, %", ylim=(-3, 103))
        if move == "limb":
            axes.legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1, 1))

    return Panel(draw, 8.5 if move == "limb" else 4.5)


PLOTS: dict[str, tuple[Panel, ...]] = {
    "supervision": tuple(map(bars, ("mpjpe_mm", "pckh", "rotation_deg"))),
    "label-share": tuple(map(bars, ("mpjpe_mm", "pa_mpjpe_mm", "rotation_deg"))),
    "segmentation-quality": tuple(map(part_maps, ("mpjpe_mm", "pa_mpjpe_mm"))),
    "input-representation": tuple(map(bars, ("mpjpe_mm", "pa_mpjpe_mm", "pckh"))),
    "two-d-supervision": tuple(map(bars, ("mpjpe_mm", "pa_mpjpe_mm", "impossible"))),
    "error-over-time": (curves("seconds", "pa_mpjpe_mm"), curves("seconds", "mpjpe_mm")),
    "convergence-basin": tuple(map(basin, ("shift", "turn", "limb"))),
}
"""Panels of the plots, by experiment."""


def write_plot(path: Path, result: ExperimentResult) -> Path | None:
    """Writes the plot of an experiment.

    Args:
        path: PNG file.
        result: The result.

    Returns:
        The path; None without matplotlib, or if the experiment has no plot.
    """
    panels = PLOTS.get(result.name, ())
    if not panels or not result.people or find_spec("matplotlib") is None:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row.values for row in result.people]
    widths = [panel.width for panel in panels]
    figure = Figure(figsize=(sum(widths), 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    every = figure.subplots(1, len(panels), squeeze=False, width_ratios=widths)[0]
    for panel, axes in zip(panels, every, strict=True):
        panel.draw(axes, rows)
        axes.grid(alpha=0.3)
    sizes = ", ".join(f"{name} {value}" for name, value in result.summary.items() if isinstance(value, int))
    figure.suptitle(f"{result.name}: {sizes}" if sizes else result.name)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return write_bytes(path, content.getvalue())


def _number(row: Row, name: str) -> float | None:
    """A finite number of a row; None if there is none."""
    value = row.get(name)
    return value if isinstance(value, (int, float)) and math.isfinite(value) else None


def _spread(row: Row, figure: str) -> float:
    """Spread of a figure; NaN, which is not drawn, where it is not known."""
    return next((found for end in SPREADS if (found := _number(row, figure + end)) is not None), math.nan)
