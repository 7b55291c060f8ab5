"""Measurements of fits and of bodies: from files to values with intervals, and to JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies import BODIES, load_body_or_fail
from render_fit.bodies.body import Body
from render_fit.core.array_files import read_arrays
from render_fit.core.errors import InputError
from render_fit.core.files import write_bytes, write_json
from render_fit.export.parameters import read_params
from render_fit.export.tapes import tape_picture
from render_fit.measurements.definitions import MEASUREMENTS
from render_fit.measurements.measure import tapes
from render_fit.measurements.uncertainty import Interval, intervals, measurement_covariance, values_and_jacobian
from render_fit.renderers.base import Renderer

PARAMS, REPORT = "params.npz", "report.json"

COVERAGE = 0.9
"""Probability of the intervals."""

DISPLAY: dict[str, tuple[float, str]] = {"m": (100.0, "cm"), "kg": (1.0, "kg"), "m3": (1000.0, "l")}
"""Factor and unit in which people read a value of each unit: girths in centimetres, volumes in litres."""

NOT_DRAWN = ("stature", "shoulder_breadth", "arm_length")
"""Measurements that do not lie on the surface, and are left out of pictures."""


@dataclass(frozen=True)
class MeasuredPerson:
    """Measurements of one shape.

    Attributes:
        source: The fit's folder or file, or the body's name or file.
        body: The body model.
        betas: (S,) its shape coefficients.
        values: Value of each measurement in metres, kilograms or cubic metres, by name.
        intervals: Interval of each at `COVERAGE`, or None if the fit has no covariance of betas.
    """

    source: str
    body: Body
    betas: Float[Tensor, "s"]
    values: dict[str, float]
    intervals: dict[str, Interval] | None


def find_sources(paths: Sequence[str]) -> list[str]:
    """Output folders with several fits, replaced by the folders of the fits.

    Raises:
        InputError: if a name is neither a file, a folder nor a body.
    """
    found: list[str] = []
    for name in paths:
        path = Path(name)
        inside = sorted(path.glob(f"*/{PARAMS}")) if path.is_dir() and not (path / PARAMS).is_file() else []
        found += [str(file.parent) for file in inside] or [name]
    return found


def measured(source: str, body: str | None = None, betas: Sequence[float] | None = None) -> MeasuredPerson:
    """Measures the shape of a fit, or a body.

    Args:
        source: Folder or ``params.npz`` of a fit, or name or file of a body model.
        body: Body of the fit, if not the one named in it.
        betas: Shape of a body; zeros if None.

    Raises:
        InputError: if the source is none of these, its values are no body's, or the body cannot be measured.
    """
    path = Path(source) / PARAMS if (Path(source) / PARAMS).is_file() else Path(source)
    covariance = None
    if _is_fit(path):
        if betas is not None:
            raise InputError(f"--betas: {source} is a fit and has its own; give the name or file of a body")
        saved = read_params(path)
        model, shape = load_body_or_fail(body or saved.body, len(saved.betas)), torch.from_numpy(saved.betas)
        if saved.betas_covariance is not None:
            covariance = torch.from_numpy(saved.betas_covariance).double()
    else:
        if body is not None:
            raise InputError(f"--body: {source} is a body itself; the option is for fits")
        if (Path(source) / REPORT).is_file():
            raise InputError(f"{source}: the folder of a fit without {PARAMS}; did the fit fail?")
        shape = torch.tensor([0.0] if betas is None else list(betas))
        model = load_body_or_fail(source, max(len(shape), 1))
    names = list(MEASUREMENTS)
    try:
        values, jacobian = values_and_jacobian(model, shape[None].double(), names)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    found = None
    if covariance is not None:
        spread = measurement_covariance(values[0], jacobian[0], covariance, names)
        found = dict(zip(names, intervals(values[0], spread, COVERAGE), strict=True))
    return MeasuredPerson(source, model, shape, dict(zip(names, values[0].tolist(), strict=True)), found)


def _is_fit(path: Path) -> bool:
    """Whether a file is the ``params.npz`` of a fit, not a body model."""
    if path.name == PARAMS:
        return True
    if str(path) in BODIES or path.suffix.lower() != ".npz" or not path.is_file():
        return False
    return "v_template" not in read_arrays(path, ("v_template", "betas"))


def as_records(people: Sequence[MeasuredPerson]) -> dict[str, Any]:
    """The measurements as JSON values: metres, kilograms and cubic metres."""
    return {"coverage": COVERAGE, "results": [_record(person) for person in people]}


def _record(person: MeasuredPerson) -> dict[str, Any]:
    entries = {}
    for name, value in person.values.items():
        about = MEASUREMENTS[name]
        entry: dict[str, Any] = {"value": round(value, 6), "unit": about.unit, "title": about.title, "iso": about.iso}
        if person.intervals is not None:
            found = person.intervals[name]
            entry |= {"sigma": round(found.sigma, 6), "low": round(found.low, 6), "high": round(found.high, 6)}
        entries[name] = entry
    betas = [round(float(beta), 6) for beta in person.betas]
    return {"source": person.source, "body": person.body.origin, "betas": betas, "measurements": entries}


def write_measurements_json(path: Path, people: Sequence[MeasuredPerson]) -> Path:
    """Writes measurements as JSON, atomically."""
    return write_json(path, as_records(people))


def write_measurements_csv(path: Path, people: Sequence[MeasuredPerson]) -> Path:
    """Writes measurements as a table of one line for each person, atomically; centimetres, kilograms, litres.

    Columns are ``source``, then ``waist_cm`` and so on, each followed by ``waist_low_cm`` and ``waist_high_cm`` if any
    person has intervals.
    """
    with_intervals = any(person.intervals is not None for person in people)
    rows = [["source", *(column for name in MEASUREMENTS for column in _columns(name, with_intervals))]]
    for person in people:
        row = [person.source]
        for name, value in person.values.items():
            factor, _ = DISPLAY[MEASUREMENTS[name].unit]
            row.append(f"{factor * value:.2f}")
            if with_intervals:
                found = None if person.intervals is None else person.intervals[name]
                row += ["", ""] if found is None else [f"{factor * found.low:.2f}", f"{factor * found.high:.2f}"]
        rows.append(row)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return write_bytes(path, text.getvalue().encode(errors="surrogateescape"))


def _columns(name: str, with_intervals: bool) -> list[str]:
    unit = DISPLAY[MEASUREMENTS[name].unit][1]
    return [f"{name}_{unit}", *([f"{name}_low_{unit}", f"{name}_high_{unit}"] if with_intervals else [])]


def picture_of(person: MeasuredPerson, renderer: Renderer, height_px: int = 1000) -> Any:
    """The body with its tapes, from front, side and back: (h, w, 3) RGB 0–255."""
    found, vertices = tapes(person.body, person.betas)
    drawn = {name: tape for name, tape in found.items() if name not in NOT_DRAWN}
    lines = {name: (tape.points.detach().numpy(), tape.closed) for name, tape in drawn.items()}
    labels = {name: f"{MEASUREMENTS[name].title} {100 * person.values[name]:.1f} cm" for name in drawn}
    return tape_picture(vertices.detach(), person.body.faces, lines, labels, renderer, height_px=height_px)
