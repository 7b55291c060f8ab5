"""Summary of a folder of fits: ``summary.csv`` and ``index.html``."""

from __future__ import annotations

import csv
import html
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from render_fit.core.files import PARTIAL, write_bytes

SUMMARY_COLUMNS: tuple[str, ...] = (
    "name", "image", "status", "reason", "iou_before", "iou", "part_iou_before", "part_iou",
    "keypoint_error_px_before", "keypoint_error_px", "unexplained_share_before", "unexplained_share",
    "body_outside_share_before", "body_outside_share", "beta_max", "seconds",
)  # fmt: skip

BEFORE_AFTER = ("iou", "part_iou", "keypoint_error_px", "unexplained_share", "body_outside_share")
"""Figures of a report from before and after refinement."""

READ = ("status", "reason", "image", "people", "options", "inputs", "beta_max", "seconds", *BEFORE_AFTER)
"""Entries of a report that summaries and resumed runs use. The others, such as the whole recipe, are not kept in
memory: there may be thousands of reports."""

SHOWN = {
    "iou": 3, "keypoint_error_px": 1, "unexplained_share": 3, "body_outside_share": 3, "beta_max": 1, "seconds": 1,
}  # fmt: skip
"""Columns of figures in the gallery, with their decimals; their headings are in ``gallery.html``."""


@dataclass(frozen=True)
class Entry:
    """One fit in a summary.

    Attributes:
        name: Folder of the fit under the output folder.
        report: Content of ``report.json``, as far as it is in `READ`.
    """

    name: str
    report: dict[str, Any]

    def row(self) -> dict[str, Any]:
        """Values of the summary's columns; empty where the report has none."""
        values: dict[str, Any] = {"name": self.name}
        for key in ("image", "status", "reason", "beta_max"):
            values[key] = self.report.get(key)
        for key in BEFORE_AFTER:
            pair = self.report.get(key) or {}
            values[f"{key}_before"], values[key] = pair.get("before"), pair.get("after")
        seconds = self.report.get("seconds") or {}
        values["seconds"] = seconds.get("total")
        return {column: "" if values.get(column) is None else values[column] for column in SUMMARY_COLUMNS}


def read_entries(folder: Path | str, wanted: Callable[[str], bool] | None = None) -> list[Entry]:
    """Finished fits under an output folder, sorted by name. A fit without a readable report is not finished.

    Args:
        folder: Output folder.
        wanted: Says for the name of a fit's folder whether its report is read; by default all are.
    """
    entries = []
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    for name in names:
        if name.endswith(PARTIAL) or (wanted is not None and not wanted(name)):
            continue
        try:
            report = json.loads((Path(folder) / name / "report.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if _is_report(report):
            entries.append(Entry(name, {key: report[key] for key in READ if key in report}))
    return entries


def _is_report(content: Any) -> bool:
    """Whether the content of a ``report.json`` has the entries that are read from it, each of its type or null."""
    if not isinstance(content, dict):
        return False
    kinds: dict[str, type | tuple[type, ...]] = {
        "status": str, "reason": str, "image": str, "people": int, "beta_max": (int, float), "seconds": dict,
        "options": dict, "inputs": dict, **dict.fromkeys(BEFORE_AFTER, dict),
    }  # fmt: skip
    if not all(content.get(key) is None or isinstance(content[key], kind) for key, kind in kinds.items()):
        return False
    figures = [value for key in ("seconds", *BEFORE_AFTER) for value in (content.get(key) or {}).values()]
    return all(value is None or isinstance(value, int | float) for value in figures)


def write_summary(path: Path | str, entries: Sequence[Entry]) -> Path:
    """Writes ``summary.csv``: one line per fit, UTF-8, numbers with four decimals."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, SUMMARY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        writer.writerow(
            {key: f"{value:.4f}" if isinstance(value, float) else value for key, value in entry.row().items()}
        )
    return write_bytes(path, buffer.getvalue().encode(errors="replace"))


def write_gallery(path: Path | str, entries: Sequence[Entry], *, title: str = "render-fit") -> Path:
    """Writes ``index.html``: a sortable table with relative links to the images."""
    folder = Path(path).parent
    rows = "\n".join(_row(entry, folder) for entry in entries)
    counts = {
        status: sum(entry.report.get("status") == status for entry in entries) for status in ("ok", "poor", "failed")
    }
    summary = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    template = (resources.files("render_fit.export") / "gallery.html").read_text(encoding="utf-8")
    page = (
        template.replace("{title}", html.escape(title))
        .replace("{summary}", summary or "nothing yet")
        .replace("{rows}", rows)
    )
    return write_bytes(path, page.encode(errors="replace"))


def _row(entry: Entry, folder: Path) -> str:
    values = entry.row()
    status = str(values["status"])
    cells = [f'<td class="name"><a href="{_link(entry.name)}/">{html.escape(entry.name)}</a></td>']
    for picture in ("input.jpg", "overlay.png", "side.png"):
        if (folder / entry.name / picture).is_file():
            link = f"{_link(entry.name)}/{picture}"
            label = html.escape(f"{entry.name}: {picture.partition('.')[0]}", quote=True)
            cells.append(f'<td><a href="{link}"><img loading="lazy" src="{link}" alt="{label}"></a></td>')
        else:
            cells.append("<td></td>")
    for key, digits in SHOWN.items():
        value = values[key]
        before = values.get(f"{key}_before", "")
        hint = f' title="before: {before:.{digits}f}"' if isinstance(before, (int, float)) else ""
        if isinstance(value, (int, float)):
            cells.append(f'<td class="number" data-value="{value}"{hint}>{value:.{digits}f}</td>')
        else:
            cells.append('<td class="number" data-value=""></td>')
    order = {"ok": 2, "poor": 1, "failed": 0}.get(status, 0)
    reason = html.escape(str(values["reason"]))
    badge = f'<span class="status {html.escape(status, quote=True)}">{html.escape(status)}</span>'
    cells.append(f'<td data-value="{order}">{badge} {reason}</td>')
    return "<tr>" + "".join(cells) + "</tr>"


def _link(name: str) -> str:
    return html.escape(quote(name, errors="surrogateescape"), quote=True)  # also of names that are not UTF-8
