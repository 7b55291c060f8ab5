"""Plots of a training's log: loss terms, errors on held-out people, learning rate and time."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from render_fit.core.files import write_bytes
from render_fit.pipelines.training_page.requirements import check_matplotlib
from render_fit.training.figure_log import HELD_OUT, ON_PHOTOS, Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Log = Sequence[Line]
"""Lines of a log, by step (`training.figure_log.read_log`)."""

WIDTH_IN, DPI = 10.0, 150
"""Width of a plot, inches, and pixels per inch: sharp at 1000 pixels on screens of twice as many."""

SMOOTHING = 0.02
"""Standard deviation of the smoothing window, as a share of the steps."""

NARROWEST = 3
"""Smallest standard deviation of that window, in logged values; for short trainings."""

COLOURS = ("#2563c9", "#c2571a", "#2b8a4b", "#8b46b8")
"""Blue, orange, green, violet: alike in lightness, so that each is readable on white and, inverted, on black."""

LOG_FROM = 3.0
"""Ratio of the largest and the smallest value from which an axis of positive values is logarithmic."""


class Quantity(NamedTuple):
    """How a figure of the log is shown: its title, its unit, and the factor from the log's unit to it."""

    title: str
    unit: str = ""
    factor: float = 1.0


TERMS: dict[str, Quantity] = {
    "total": Quantity("weighted sum of all terms"),
    "joints": Quantity("joints, L_3D", "mm", 1000.0),
    "rotations": Quantity("rotations, L_lat", "squared difference"),
    "betas": Quantity("shape, L_lat", "standard deviations²"),
    "projection": Quantity("projected joints, L_2D", "% of the crop's side", 50.0),
    "pelvis_offset": Quantity("pelvis offset", "half crop sides, log depth"),
    "clothing": Quantity("clothing", "cm²"),
    "choice": Quantity("choice of the hypothesis", "nats"),
    "joint_error": Quantity("expected joint errors", "nats"),
    "unlabelled": Quantity("render and compare on photos", "nats"),
    "fits": Quantity("objective of the fits to photos", "nats"),
    "good_fits": Quantity("fits that are used", "share"),
    "adversarial": Quantity("adversarial prior"),
    "discriminators": Quantity("discriminators"),
    "segmentation": Quantity("part segmentation", "nats"),
}
"""Figures of steps, in the order of their plots; others follow under their own names."""

AGREEMENT: dict[str, Quantity] = {
    ON_PHOTOS + "iou": Quantity("silhouette IoU"),
    ON_PHOTOS + "objective": Quantity("objective", "nats"),
}
"""Agreement with unlabelled photos."""


def write_plots(folder: Path, log: Log) -> dict[str, str]:
    """Writes the plots of a log as PNG files.

    Args:
        folder: Existing folder for the files.
        log: The log.

    Returns:
        File name → what the plot shows; plots of figures that the log does not have are missing.

    Raises:
        MissingDependencyError: if matplotlib is not installed.
    """
    check_matplotlib()
    written = {}
    for name, (title, draw) in PLOTS.items():
        if (figure := draw(log)) is not None:
            content = io.BytesIO()
            figure.savefig(content, format="png", dpi=DPI)
            write_bytes(folder / name, content.getvalue())
            written[name] = title
    return written


def plot_errors(log: Log) -> Figure | None:
    """Errors on held-out people against steps, with the best validation marked and the time on a second axis."""
    pa_mpjpe, mpjpe, of_best = (HELD_OUT + name for name in ("pa_mpjpe_mm", "mpjpe_mm", "best_pa_mpjpe_mm"))
    steps, errors = curve(log, pa_mpjpe)
    if not len(steps):
        return None
    figure, axes = _figure(1, 2, 4.2)
    for ax, title, names in (
        (
            axes[0],
            "PA-MPJPE of held-out people",
            {pa_mpjpe: "most probable hypothesis", of_best: "best of each person"},
        ),
        (axes[1], "MPJPE of held-out people", {mpjpe: "most probable hypothesis"}),
    ):
        for colour, (name, label) in zip(COLOURS, names.items(), strict=False):
            ax.plot(*curve(log, name), color=colour, marker="o", markersize=3.5, linewidth=1.8, label=label)
        ax.set(xlabel="steps", ylabel="joint error, mm", title=title)
        _scale(ax, np.concatenate([curve(log, name)[1] for name in names]))
        ax.margins(y=0.15)
        ax.legend(frameon=False)
        _add_time(ax, log)
    best = int(errors.argmin())
    place, late = (steps[best], errors[best]), steps[best] > steps.mean()
    axes[0].plot(*place, "o", markersize=12, markerfacecolor="none", markeredgecolor=COLOURS[0])
    axes[0].annotate(
        f"best: {errors[best]:.1f} mm, step {steps[best]:,.0f}", place, xytext=(8 * (1 - 2 * late), -12),
        textcoords="offset points", va="top", ha="right" if late else "left", color=COLOURS[0], fontweight="bold",
    )  # fmt: skip
    return figure


def plot_agreement(log: Log) -> Figure | None:
    """Agreement with unlabelled photos against steps: silhouette IoU and objective."""
    curves = {name: curve(log, name) for name in AGREEMENT}
    if not any(len(steps) for steps, _ in curves.values()):
        return None
    figure, axes = _figure(1, len(AGREEMENT), 3.6)
    for ax, colour, (name, (steps, values)) in zip(axes, COLOURS, curves.items(), strict=False):
        title, unit, _ = AGREEMENT[name]
        ax.plot(steps, values, color=colour, marker="o", markersize=4, linewidth=1.8)
        for end, side in ((0, "left"), (-1, "right")) if len(steps) else ():
            label = f"{values[end]:.3f}" if name.endswith("iou") else f"{values[end]:.0f}"
            above = values[end] >= values.mean()
            ax.annotate(
                label, (steps[end], values[end]), xytext=(0, 8 if above else -16), textcoords="offset points", ha=side
            )
        ax.set(xlabel="steps", ylabel=f"{title}, {unit}" if unit else title, title=f"Photos: {title}")
        ax.margins(y=0.2)
    return figure


def plot_losses(log: Log) -> Figure | None:
    """Loss terms against steps, a small plot for each: values of single steps, and a smooth line through them."""
    found = {key for line in log for key in line if not key.startswith((HELD_OUT, ON_PHOTOS))}
    names = [name for name in TERMS if name in found]
    names += sorted(found - {*TERMS, "step", "seconds", "learning_rate"})
    curves = {name: curve(log, name) for name in names}
    shown = {name: pair for name, pair in curves.items() if np.any(pair[1] != 0)}  # terms without labels are 0
    if not shown:
        return None
    columns = min(3, len(shown))
    figure, axes = _figure(-(-len(shown) // columns), columns, 2.6)
    for ax, (name, (steps, values)) in zip(axes, shown.items(), strict=False):
        title, unit, factor = TERMS.get(name, Quantity(name))
        _raw_and_smooth(ax, steps, factor * values, COLOURS[0] if name != "total" else "#1c1e21")
        ax.set_title(title, fontsize=10)
        ax.set(xlabel="steps", ylabel=unit)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    return figure


def plot_schedule(log: Log) -> Figure | None:
    """Learning rate and seconds per step against steps."""
    steps, rates = curve(log, "learning_rate")
    if len(steps) < 2:
        return None
    figure, axes = _figure(1, 2, 3.2)
    axes[0].plot(steps, rates, color=COLOURS[0], linewidth=1.8)
    axes[0].set(xlabel="steps", ylabel="learning rate", title="Learning rate", ylim=(0, None))
    axes[0].ticklabel_format(axis="y", scilimits=(-2, 3))
    steps, seconds = curve(log, "seconds")
    each = np.diff(seconds) / np.diff(steps)
    axes[1].plot(steps[1:], 1000 * each, color=COLOURS[1], alpha=0.25, linewidth=0.8)
    axes[1].plot(steps[1:], 1000 * medians(each), color=COLOURS[1], linewidth=1.8)
    axes[1].set(
        xlabel="steps", ylabel="ms per step", title="Time of a step, and its median", ylim=(0, 2500 * np.median(each))
    )
    return figure


def curve(log: Log, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps (N,) at which a figure was logged, and its values (N,)."""
    points = [(line["step"], line[name]) for line in log if name in line]
    steps, values = np.array(points, dtype=float).reshape(-1, 2).T
    return steps, values


def smoothed(steps: np.ndarray, values: np.ndarray, width: float) -> np.ndarray:
    """Mean of neighbouring values, weighted by a Gaussian window.

    Args:
        steps: (N,) steps, in order.
        values: (N,) values at these steps.
        width: Standard deviation of the window, steps.

    Returns:
        (N,) smooth values. At both ends the window has one side only.
    """
    result = np.empty_like(values)
    first = np.searchsorted(steps, steps - 3 * width)
    end = np.searchsorted(steps, steps + 3 * width, side="right")
    for number, (start, stop) in enumerate(zip(first, end, strict=True)):
        weights = np.exp(-0.5 * ((steps[start:stop] - steps[number]) / max(width, 1e-9)) ** 2)
        result[number] = weights @ values[start:stop] / weights.sum()
    return result


def medians(values: np.ndarray) -> np.ndarray:
    """(N,) medians of values (N,) and their neighbours, five on each side; validations do not count in them."""
    padded = np.pad(values, 5, mode="symmetric")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 11), axis=1)


def _raw_and_smooth(ax: Axes, steps: np.ndarray, values: np.ndarray, colour: str) -> None:
    width = max(SMOOTHING, NARROWEST / len(steps)) * (steps[-1] - steps[0])
    smooth = smoothed(steps, values, width)
    ax.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
    ax.plot(steps, smooth, color=colour, linewidth=1.8)
    _scale(ax, values, smooth)


def _scale(ax: Axes, values: np.ndarray, smooth: np.ndarray | None = None) -> None:
    """Makes an axis of values logarithmic if they are positive and of different magnitudes."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    spread = values if smooth is None else smooth
    if len(values) and values.min() > 0 and spread.max() > LOG_FROM * spread.min():
        ax.set_yscale("log")
        decades = np.log10(spread.max() / spread.min())
        ax.yaxis.set_major_locator(LogLocator(subs=(1,) if decades > 2 else (1, 2, 5), numticks=8))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.minorticks_off()


def _add_time(ax: Axes, log: Log) -> None:
    """Adds a second axis with the time of training to the top of a plot."""
    steps, seconds = curve(log, "seconds")
    if len(steps) < 2 or np.any(np.diff(seconds) <= 0):
        return
    unit, name = next(
        pair for pair in ((3600, "hours"), (60, "minutes"), (1, "seconds")) if seconds[-1] >= pair[0] or pair[0] == 1
    )
    times = seconds / unit
    above = ax.secondary_xaxis("top", functions=(_line_through(steps, times), _line_through(times, steps)))
    above.set_xlabel(f"{name} of training")


def _line_through(x: np.ndarray, y: np.ndarray) -> Callable[[ArrayLike], np.ndarray]:
    """The function that connects points by straight lines, and goes on with its mean slope beyond them."""
    slope = (y[-1] - y[0]) / (x[-1] - x[0])

    def value(at: ArrayLike) -> np.ndarray:
        at = np.asarray(at, dtype=float)
        return np.interp(at, x, y) + slope * (np.minimum(at - x[0], 0) + np.maximum(at - x[-1], 0))

    return value


def _figure(rows: int, columns: int, height_in: float) -> tuple[Figure, list[Axes]]:
    """An empty figure of plots in rows, and its plots."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    figure = Figure(figsize=(WIDTH_IN, rows * height_in), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes:
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return figure, axes


PLOTS: dict[str, tuple[str, Callable[[Log], Figure | None]]] = {
    "held_out.png": ("Errors on held-out people", plot_errors),
    "photos.png": ("Agreement with the photos", plot_agreement),
    "losses.png": ("Loss terms", plot_losses),
    "schedule.png": ("Learning rate and time", plot_schedule),
}
"""File name → what a plot shows, and the function that draws it."""
