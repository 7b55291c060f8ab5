"""Metrics of many people as a printed table, JSON, CSV and a contact sheet."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

from rich.console import Console
from rich.table import Table

from render_fit.core.files import write_bytes, write_json
from render_fit.export.overlays import Pixels, contact_sheet, write_image


@dataclass(frozen=True)
class Metrics:
    """Metrics of one person, or of one method.

    Attributes:
        values: Name → number, text, truth value, or None where it does not apply.
        pictures: Images for the contact sheet, left to right.
        caption: Text above the images.
    """

    values: dict[str, Any]
    pictures: tuple[Pixels, ...] = ()
    caption: str = ""


@dataclass(frozen=True)
class ExperimentResult:
    """Result of an experiment.

    Attributes:
        name: Name of the experiment and of its files.
        people: One entry per person or method.
        summary: Main figures of the experiment.
        columns: Columns to print; all values go to the files.
        about: Provenance: command, recipe, seconds, cores, versions.
    """

    name: str
    people: Sequence[Metrics]
    summary: dict[str, Any]
    columns: Sequence[str]
    about: dict[str, Any] = field(default_factory=dict)


def column(people: Sequence[Metrics], name: str) -> list[float]:
    """Finite numbers of a column."""
    values = [person.values.get(name) for person in people]
    return [float(value) for value in values if value is not None and math.isfinite(float(value))]


def mean_of(people: Sequence[Metrics], name: str, digits: int = 4) -> float | None:
    """Mean of the finite numbers of a column, None if there are none."""
    values = column(people, name)
    return round(mean(values), digits) if values else None


def median_of(people: Sequence[Metrics], name: str, digits: int = 4) -> float | None:
    """Median of the finite numbers of a column, None if there are none."""
    values = column(people, name)
    return round(median(values), digits) if values else None


def quantile_of(people: Sequence[Metrics], name: str, share: float, digits: int = 4) -> float | None:
    """Quantile of the finite numbers of a column (nearest rank), None if there are none."""
    values = sorted(column(people, name))
    if not values:
        return None
    return round(values[max(0, math.ceil(share * len(values)) - 1)], digits)


def count_of(people: Sequence[Metrics], name: str) -> int:
    """Number of people for whom a column is true; of a column of numbers, their sum."""
    return int(sum(column(people, name)))


def write_result(result: ExperimentResult, out: Path, console: Console, columns_of_sheet: int = 4) -> None:
    """Print the table, and write ``<name>.json``, ``<name>.csv`` and ``<name>.png`` into a folder."""
    table = Table(title=result.name)
    for name in result.columns:
        table.add_column(name, overflow="fold")
    for person in result.people:
        table.add_row(*(_text(person.values.get(name)) for name in result.columns))
    console.print(table)
    for name, value in result.summary.items():
        console.print(f"[bold]{name}[/bold]  {_text(value)}")
    rows = [person.values for person in result.people]
    write_json(out / f"{result.name}.json", {"summary": result.summary, "about": result.about, "people": rows})
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = io.StringIO(newline="")
    writer = csv.DictWriter(lines, names)
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(out / f"{result.name}.csv", lines.getvalue().encode())
    shown = [(person.caption, person.pictures) for person in result.people if person.pictures]
    if shown:
        write_image(out / f"{result.name}.png", contact_sheet(shown, columns=columns_of_sheet))
    console.print(f"written to {out}/{result.name}.json, .csv" + (", .png" if shown else ""))


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
