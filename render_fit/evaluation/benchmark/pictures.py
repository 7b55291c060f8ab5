"""Pictures of an evaluation: the curve of 3D PCK with a histogram of errors, and the worst predictions."""

from __future__ import annotations

import io
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from render_fit.core.errors import InputError
from render_fit.core.files import write_bytes
from render_fit.core.threshold_metrics import PCK_3D_M, pck_curve
from render_fit.evaluation.benchmark.evaluate import METRICS, EvaluatedPerson, Evaluation
from render_fit.evaluation.fit_errors import render_views
from render_fit.export.overlays import contact_sheet, write_image
from render_fit.export.saved_body import body_of
from render_fit.observations.images import read_photo
from render_fit.renderers.base import Renderer

RANKED_BY = ("pa_mpjpe_mm", "mpjpe_mm", "pve_t_sc_mm", "rotation_deg", "iou", "keypoint_px")
"""Metrics by which the worst predictions are chosen: the first that the data set allows."""


def ranking_metric(evaluation: Evaluation) -> str | None:
    """The metric by which predictions are ranked; None if there is none of `RANKED_BY`."""
    return next((name for name in RANKED_BY if name in evaluation.summary), None)


def worst_people(evaluation: Evaluation, count: int) -> list[EvaluatedPerson]:
    """The people with the worst predictions, the worst first."""
    name = ranking_metric(evaluation)
    if name is None:
        return []
    known = [one for one in evaluation.people if not np.isnan(one.errors.values.get(name, np.nan))]
    return sorted(known, key=lambda one: one.errors.values[name], reverse=not METRICS[name].higher)[:count]


def write_worst(path: Path, evaluation: Evaluation, renderer: Renderer, count: int = 12) -> Path | None:
    """Writes photo, overlay and side view of the worst predictions as one picture.

    Args:
        path: PNG file.
        evaluation: The evaluation.
        renderer: Renderer.
        count: Number of people.

    Returns:
        The path; None if no photo of them is on this disk.
    """
    name, rows = ranking_metric(evaluation), []
    for one in worst_people(evaluation, count):
        if one.person.image_path is None or name is None:
            continue
        try:
            image = read_photo(one.person.image_path).image
        except InputError:  # a photo that cannot be read costs its pictures only
            continue
        fit = one.prediction.fit
        body = body_of(fit, one.prediction.source, evaluation.body)
        camera = fit.camera().resize(*image.shape[1:])
        scale = image.shape[2] / fit.image_size[1]
        box = torch.from_numpy(one.prediction.box_xywh).float() * scale
        parameters = replace(fit.parameters(), offsets=None)
        pictures = render_views(image, body, parameters, camera, box, renderer)
        value = METRICS[name].factor * one.errors.values[name]
        title, _, unit = METRICS[name].title.partition(", ")
        rows.append((f"{title} {value:.0f} {unit}  {Path(one.person.name).name[-20:]}", pictures))
    return write_image(path, contact_sheet(rows, columns=2)) if rows else None


def write_plot(path: Path, evaluation: Evaluation) -> Path | None:
    """Writes the curve of 3D PCK and the histogram of the ranking metric.

    Args:
        path: PNG file.
        evaluation: The evaluation.

    Returns:
        The path; None without matplotlib, or without anything to plot.
    """
    name = ranking_metric(evaluation)
    if name is None or find_spec("matplotlib") is None:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    distances = [one.errors.distances_m for one in evaluation.people if one.errors.distances_m is not None]
    figure = Figure(figsize=(10 if distances else 5, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2 if distances else 1, squeeze=False)[0]
    values = [one.errors.values[name] * METRICS[name].factor for one in evaluation.people if name in one.errors.values]
    axes[0].hist(values, bins=min(40, max(5, len(values))), color="tab:blue")
    axes[0].set(xlabel=METRICS[name].title, ylabel="people", title=f"{evaluation.dataset.name}: {len(values)} people")
    if distances:
        thresholds = torch.linspace(0, PCK_3D_M, 61)
        curve = pck_curve(torch.cat(distances)[None], thresholds)[0]
        axes[1].plot(1000 * thresholds, 100 * curve, color="tab:blue")
        axes[1].set(xlabel="distance, mm", ylabel="3D PCK, %", title="joints within a distance", ylim=(0, 100))
        axes[1].grid(alpha=0.3)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return write_bytes(path, content.getvalue())
