"""Files of an evaluation: table of people, summary, curve, pictures of the worst."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from render_fit.core.files import write_bytes, write_json
from render_fit.evaluation.benchmark.evaluate import METRICS, Evaluation


def summary_table(evaluation: Evaluation) -> Table:
    """Table of the metrics: mean, median, worst, number of people."""
    table = Table(title=f"{evaluation.dataset} ({evaluation.format}): {len(evaluation.people)} people", box=None)
    table.add_column("metric")
    for column in ("mean", "median", "worst", "people"):
        table.add_column(column, justify="right")
    for name, values in evaluation.summary.items():
        metric = METRICS[name]
        shown = [f"{metric.factor * value:.{_digits(name)}f}" for value in (values.mean, values.median, values.worst)]
        table.add_row(metric.title, *shown, str(values.n))
    return table


def _digits(name: str) -> int:
    return 3 if name == "quaternion" else 1


def write_people(path: Path, evaluation: Evaluation) -> Path:
    """Writes one line for each person, atomically; units are those of `METRICS`' names, shares from 0 to 1."""
    names = list(evaluation.summary)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "person", "prediction", *names])
    for one in evaluation.people:
        values = [one.errors.values.get(name) for name in names]
        row = ["" if value is None or value != value else f"{value:.6g}" for value in values]
        writer.writerow([one.person.image, one.person.person, one.prediction.source, *row])
    return write_bytes(path, text.getvalue().encode(errors="surrogateescape"))


def write_summary(path: Path, evaluation: Evaluation, about: dict[str, Any]) -> Path:
    """Writes summary, notes, what was left out, and where the numbers come from, as JSON, atomically."""
    content = {
        "dataset": str(evaluation.dataset),
        "format": evaluation.format,
        "people": len(evaluation.people),
        "metrics": {name: {"title": METRICS[name].title, **asdict(one)} for name, one in evaluation.summary.items()},
        "left_out": evaluation.left_out,
        "notes": evaluation.notes,
        **about,
    }
    return write_json(path, content)
