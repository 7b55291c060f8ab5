"""What the viewer's panel says of a fit, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from render_fit.export.viewer.girths import Girth
from render_fit.export.viewer.viewed import Viewed

FIGURES = {
    "iou": ("silhouette IoU", 3), "part_iou": ("part IoU", 3), "keypoint_error_px": ("keypoint error, px", 1),
    "unexplained_share": ("unexplained share", 3), "body_outside_share": ("body outside share", 3),
}  # fmt: skip
"""Figures of a report with before and after, their names and decimals."""

NO_STAGES = "*Stages of the fit: fit again with* `--save obj,glb,stages`"
NO_STAGES_OF_SEVERAL = "*Fits of several images keep no stages.*"


def verdict(viewed: Viewed, frame: int) -> str:
    """Status, reason and figures of a fit, or of one image of a person in several."""
    report: Mapping[str, Any] = viewed.report
    if not report:
        return "no report.json beside the fit"
    lines = [f"**{plain(report.get('status'))}**: {plain(report.get('reason'))}"]
    entry = _of_frame(viewed, frame)
    if entry is not None:
        about = f"{plain(entry.get('status'))}: {plain(entry.get('reason'))}"
        lines.append(f"image **{plain(viewed.frame_name(frame))}** {about}")
    rows = [_row(name, digits, (entry or report).get(key)) for key, (name, digits) in FIGURES.items()]
    rows = [row for row in rows if row]
    if rows:
        lines.append("\n".join(["| | before | after |", "|---|---|---|", *rows]))
    told = [name for name in (_largest_beta(report), _unsure(entry or report)) if name]
    lines += [", ".join(told)] if told else []
    return "\n\n".join(lines)


def notes(viewed: Viewed, frame: int) -> str:
    """Notes of a fit, and of one image of a person in several, as a list; empty without any."""
    found = [source.get("notes") for source in (_of_frame(viewed, frame), viewed.report) if source]
    return "\n".join(f"- {plain(note)}" for one in found if isinstance(one, list) for note in one)


def stage_text(viewed: Viewed, stage: int | None) -> str:
    """Name, loss and number of hypotheses of a stage; None: the result."""
    if stage is None:
        return "**result**: the best hypothesis under the final objective"
    found = viewed.stages[stage]
    n = len(found.losses)
    losses = ", ".join(f"{float(loss):.4g}" for loss in found.losses[:4]) + (", …" if n > 4 else "")
    return f"**{plain(found.name)}**: {n} {'hypothesis' if n == 1 else 'hypotheses'}, loss {losses}"


def girths_text(girths: tuple[Girth, ...]) -> str:
    """The girths with their intervals, as a list."""
    if not girths:
        return "*This body has no landmarks for tapes.*"
    return "In the measuring pose, with 90 % intervals:\n\n" + "\n".join(f"- {plain(girth.text)}" for girth in girths)


def _of_frame(viewed: Viewed, frame: int) -> Mapping[str, Any] | None:
    """What the report of a person says of one image."""
    frames = viewed.report.get("frames")
    known = [one for one in frames if isinstance(one, dict)] if isinstance(frames, list) else []
    return next((one for one in known if one.get("name") == viewed.frame_name(frame)), None)


def _row(name: str, digits: int, pair: Any) -> str:
    """A line of the table, of a figure with before and after or of one alone."""
    before, after = (pair.get("before"), pair.get("after")) if isinstance(pair, dict) else (None, pair)
    if not isinstance(after, int | float):
        return ""
    was = f"{before:.{digits}f}" if isinstance(before, int | float) else ""
    return f"| {name} | {was} | {after:.{digits}f} |"


def _largest_beta(report: Mapping[str, Any]) -> str:
    beta = report.get("beta_max")
    return f"largest \\|β\\| {beta:.1f}" if isinstance(beta, int | float) else ""


def _unsure(report: Mapping[str, Any]) -> str:
    sigma = report.get("joint_sigma_mm")
    if not isinstance(sigma, dict) or not all(isinstance(sigma.get(key), int | float) for key in ("depth", "across")):
        return ""
    return f"joints ± {sigma['depth']:.0f} mm in depth, ± {sigma['across']:.0f} mm across"


def plain(text: Any) -> str:
    """Text of a file without what Markdown or HTML would take for commands."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#|{}!$" else letter for letter in str(text))
