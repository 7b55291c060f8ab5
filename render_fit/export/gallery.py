"""Summary of a folder of fits: ``summary.csv`` and ``index.html``."""

from __future__ import annotations

import csv
import html
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from render_fit.core.files import PARTIAL, write_bytes
from render_fit.export.pages import write_page

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
    "iou": ("IoU", 3, "overlap of silhouette and observed mask; 1 is perfect"),
    "part_iou": ("part IoU", 3, "overlap of rendered and observed parts; 1 is perfect"),
    "keypoint_error_px": ("keypoints, px", 1, "mean distance of seen keypoints from the body's"),
    "unexplained_share": ("unexplained", 3, "share of the observed mask that body and clothing offsets do not cover"),
    "body_outside_share": ("body outside", 3, "share of the body without clothing that lies outside of the mask"),
    "beta_max": ("largest |β|", 1, "shape component farthest from the mean, in standard deviations; above 3 is rare"),
    "seconds": ("seconds", 1, "that the fit took"),
}
"""Figures on a card of the gallery: names, decimals, and what they are."""

PICTURES = ("overlay.png", "side.png", "input.jpg")
"""Pictures of a card; the first is shown, the second under the mouse."""


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
    """Writes ``index.html``: cards that can be sorted and filtered, with relative links to the images.

    The page needs no other file but the images, no server and no network.
    """
    folder, statuses = Path(path).parent, [str(entry.report.get("status")) for entry in entries]
    counts = {status: statuses.count(status) for status in ("ok", "poor", "failed") if status in statuses}
    summary = ", ".join(f"{number:,} {status}" for status, number in counts.items())
    buttons = [
        f'<button type="button" data-status="{status}" aria-pressed="false">{status}</button>' for status in counts
    ]
    shown = [key for key in SHOWN if any(entry.row()[key] != "" for entry in entries)]
    orders = {"name": "name", "status": "status", **{key: SHOWN[key][0] for key in shown}}
    parts = {
        "title": html.escape(title),
        "summary": summary or "nothing yet",
        "statuses": "".join(buttons),
        "orders": "".join(f'<option value="{key}">{html.escape(name)}</option>' for key, name in orders.items()),
        "meanings": "".join(f"<dt>{html.escape(SHOWN[key][0])}</dt><dd>{SHOWN[key][2]}</dd>" for key in shown),
        "cards": "\n".join(_card(entry, folder) for entry in entries),
    }
    return write_page(path, "render_fit.export", "gallery", parts)


def _card(entry: Entry, folder: Path) -> str:
    """One fit: its pictures, name, status, reason and figures."""
    values, name, link = entry.row(), html.escape(entry.name, quote=True), _link(entry.name)
    status = html.escape(str(values["status"]), quote=True)
    there = [picture for picture in PICTURES if (folder / entry.name / picture).is_file()]
    overlay, side, _ = PICTURES
    images = '<span class="none">no picture</span>'
    if overlay in there:
        size = _size(folder / entry.name / overlay)
        images = f'<img loading="lazy" decoding="async" src="{link}/{overlay}" alt="{name}: overlay"{size}>'
    if side in there:
        size = _size(folder / entry.name / side)
        images += f'<img class="side" decoding="async" data-src="{link}/{side}" alt="{name}: front and side"{size}>'
    links = [f'<a href="{link}/{picture}">{picture.partition(".")[0]}</a>' for picture in there]
    figures = [_figure(key, values) for key in SHOWN if isinstance(values[key], int | float)]
    return (
        f'<li data-name="{name}" data-status="{status}" data-image="{html.escape(str(values["image"]), quote=True)}">'
        f'<a class="picture" href="{link}/{overlay if overlay in there else ""}">{images}</a>'
        f'<div class="about"><div class="name"><a href="{link}/" tabindex="-1">{name}</a>'
        f'<span class="status {status}">{status}</span></div>'
        f'<p class="reason">{html.escape(str(values["reason"]))}</p>'
        f'<dl class="figures">{"".join(figures)}</dl><div class="links">{"".join(links)}</div></div></li>'
    )


def _figure(key: str, values: Mapping[str, Any]) -> str:
    """A figure of a card, with what it is and was."""
    (name, digits, meaning), before = SHOWN[key], values.get(f"{key}_before", "")
    was = f"; before: {before:.{digits}f}" if isinstance(before, int | float) else ""
    return (
        f'<div title="{meaning}{was}"><dt>{html.escape(name)}</dt>'
        f'<dd data-key="{key}" data-value="{values[key]}">{values[key]:.{digits}f}</dd></div>'
    )


def _size(path: Path) -> str:
    """Attributes with the size of a picture, of which only the header is read; none if it cannot be."""
    try:
        with Image.open(path) as picture:
            return f' width="{picture.width}" height="{picture.height}"'
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
    ):  # Pillow reports damaged files in many ways
        return ""


def _link(name: str) -> str:
    return html.escape(quote(name, errors="surrogateescape"), quote=True)  # also of names that are not UTF-8
