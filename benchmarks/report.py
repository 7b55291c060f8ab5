"""Results of a benchmark: figures, ratios, checks, machine and commit; printed, and written as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.measure import Spread, spread
from render_fit.core.machine import processor_name

ROOT = Path(__file__).resolve().parents[1]

Better = Literal["lower", "higher"]

TOLERANCE = 0.75
"""Share of the baseline's merit below which the gate fails a ratio. Interleaved ratios are repeatable to a tenth on an
idle machine; regressions are larger than that."""


@dataclass(frozen=True)
class Ratio:
    """A figure that is about the same on all machines of one kind, so that two days can be compared.

    Attributes:
        spread: Spread of the ratio's values.
        better: Direction of improvement.
        tolerance: Allowed share of the baseline's merit, see ``TOLERANCE``.
    """

    spread: Spread
    better: Better
    tolerance: float = TOLERANCE


@dataclass
class Report:
    """The results of one benchmark.

    Attributes:
        name: Name of the program.
        figures: Figures by row and column of the table.
        ratios: Ratios for the gate, by name.
        missing: Reasons why ratios could not be measured here, by name.
        facts: Counts and checks, by name.
    """

    name: str
    figures: dict[tuple[str, str], Spread] = field(default_factory=dict)
    ratios: dict[str, Ratio] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def milliseconds(self, cell: tuple[str, str], seconds: Sequence[float] | np.ndarray) -> None:
        """Add times to the table."""
        self.figures[cell] = spread(1000 * np.asarray(seconds), "ms")

    def ratio(self, name: str, spread: Spread, better: Better = "lower", tolerance: float = TOLERANCE) -> None:
        """Add a ratio for the gate."""
        self.ratios[name] = Ratio(spread, better, tolerance)

    def finish(self, json_file: Path | None) -> None:
        """Print the report, and write it as JSON if a file is given."""
        machine = machine_record()
        print(f"== {self.name}: {machine['cpu']}, {machine['cores']} cores, commit {machine['commit']}")
        print("\n".join(table(self.figures)))
        for name, ratio in self.ratios.items():
            print(f"{name}: {ratio.spread} ({ratio.better} is better)")
        for name, reason in self.missing.items():
            print(f"{name}: not measured: {reason}")
        for name, fact in self.facts.items():
            print(f"{name}: {fact}")
        if json_file is None:
            return
        content = {
            "benchmark": self.name,
            "command": " ".join(["python -m", f"benchmarks.{self.name}", *sys.argv[1:]]),
            "record": machine,
            "figures": [
                {"row": row, "column": column, **asdict(found)} for (row, column), found in self.figures.items()
            ],
            "ratios": {
                name: {**asdict(ratio.spread), "better": ratio.better, "tolerance": ratio.tolerance}
                for name, ratio in self.ratios.items()
            },
            "missing": self.missing,
            "facts": self.facts,
        }
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def table(figures: Mapping[tuple[str, str], Spread]) -> list[str]:
    """Lines of a Markdown table of figures, with quartiles in brackets.

    If all have the same unit, it is in the corner.
    """
    if not figures:
        return []
    rows = list(dict.fromkeys(row for row, _ in figures))
    columns = list(dict.fromkeys(column for _, column in figures))
    units = {found.unit for found in figures.values()}
    unit = units.pop() if len(units) == 1 else None
    cells = [[unit or "", *columns]]
    for row in rows:
        found = (figures.get((row, column)) for column in columns)
        cells.append([row, *("" if one is None else str(one) if unit is None else one.number for one in found)])
    widths = [max(len(line[k]) for line in cells) for k in range(len(cells[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in cells]
    lines = ["| " + " | ".join(line) + " |" for line in padded]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def arguments(description: str | None, runs: int, threads: bool = True) -> argparse.ArgumentParser:
    """A parser with the options of all benchmarks: ``--runs``, ``--threads`` and ``--json``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=runs, help=f"measured turns (default {runs})")
    if threads:
        cores = os.cpu_count() or 1
        parser.add_argument("--threads", type=int, default=min(2, cores), help="number of threads (default 2)")
    parser.add_argument("--json", type=Path, default=None, help="JSON file for the results")
    return parser


def machine_record() -> dict[str, Any]:
    """Machine, versions, commit and date of the figures."""
    versions = {"python": platform.python_version()}
    for package in ("render-fit", "torch", "numpy", "numba", "smplx", "mediapipe", "pytorch3d"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": processor_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "versions": versions,
    }


def _commit() -> str:
    """Commit, with a ``+`` if files differ from it; ``unknown`` outside a clone."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
