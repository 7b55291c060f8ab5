"""``render-fit measure``: girths, lengths, volume and mass of fits and of bodies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from render_fit.cli import checks
from render_fit.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from render_fit.pipelines.measuring import MeasuredPerson

SHOWN_OF_MANY = ("stature", "bust", "waist", "hip", "inside_leg", "mass")
"""Measurements that are printed of several people; a line has room for six."""


def measure(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULT|BODY...",
            help="Folders or params.npz of fits, output folders with many fits, or body models: open, or a file.",
            show_default=False,
        ),
    ],
    betas: Annotated[
        str | None,
        typer.Option(metavar="B,B,...", help="Shape of a body model. Default: the mean shape.", show_default=False),
    ] = None,
    body: Annotated[
        str | None, typer.Option(help="Body model of the fits: open, or a file. Default: the one named in params.npz.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write metres, kilograms and cubic metres as JSON.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a table, a line for each fit.")] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw the tapes on the body (PNG or JPEG).")
    ] = None,
) -> None:
    """Measure the body of a fit: stature, girths, lengths, volume and mass.

    Names and definitions are those of ISO 8559-1. The body is measured without clothes, standing with lowered arms,
    whatever the pose in the photo. Girths are those of a tape, which bridges hollows. Fits with the uncertainty of
    their shape also get 90 % intervals.

    [bold]Examples[/bold]

      render-fit measure out/photo

      render-fit measure out --csv people.csv   [dim]# all fits of a folder[/dim]

      render-fit measure open --betas 0.5,-1 --picture tapes.png

    A fit knows the size of the person only with [bold]--height-m[/bold]; without it all values scale together.
    """
    shape = None if betas is None else _numbers(betas)
    for name in sources:
        _check_source(name)
    checks.check_body(body)
    for file in (json, csv, picture):
        _check_target(file)
    if picture is not None and picture.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"--picture {picture}: expected a name that ends with .png or .jpg")
    if picture is not None and len(sources) > 1:
        raise InputError("--picture is for one result; give one folder or body")
    from rich.console import Console

    from render_fit.export.overlays import write_image
    from render_fit.pipelines.measuring import (
        find_sources,
        measured,
        picture_of,
        write_measurements_csv,
        write_measurements_json,
    )
    from render_fit.renderers import make_renderer

    found = find_sources(sources)
    if picture is not None and len(found) > 1:
        raise InputError(f"--picture is for one result; {sources[0]} has {len(found)}")
    people = [measured(source, body, shape) for source in found]
    Console(highlight=False).print(_of_one(people[0]) if len(people) == 1 else _of_many(people))
    written = []
    if json is not None:
        written.append(write_measurements_json(json, people))
    if csv is not None:
        written.append(write_measurements_csv(csv, people))
    if picture is not None:
        written.append(write_image(picture, picture_of(people[0], make_renderer("auto"))))
    for file in written:
        print(file)


def _numbers(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise InputError(f"--betas {text}: expected numbers with commas, such as 0.5,-1,0") from None


def _check_source(name: str) -> None:
    path = Path(name)
    if name in checks.BODIES or path.is_file():
        return
    if not path.is_dir():
        raise InputError(
            f"{name}: no such file or folder, and no body of that name (known: {', '.join(checks.BODIES)})"
        )
    if next((file for pattern in ("*", "*/*", "*/*/*") for file in path.glob(pattern) if file.is_file()), None) is None:
        raise InputError(f"{name}: an empty folder; expected a fit's, with params.npz, or a body model's")


def _check_target(file: Path | None) -> None:
    if file is not None and file.is_dir():
        raise InputError(f"{file} is a folder; expected the name of a file to write")
    if file is not None and not file.absolute().parent.is_dir():
        raise InputError(f"{file}: there is no folder {file.parent}")


def _of_one(person: MeasuredPerson) -> Table:
    """Table of one person: a line for each measurement."""
    from rich.markup import escape
    from rich.table import Table

    from render_fit.measurements.definitions import MEASUREMENTS
    from render_fit.pipelines.measuring import DISPLAY

    table = Table(title=escape(f"{person.source} ({person.body.name} body)"), title_justify="left", box=None)
    for column in ("measurement", "ISO 8559-1", "definition"):
        table.add_column(column)
    table.add_column("value", justify="right")
    if person.intervals is not None:
        table.add_column("90 % interval", justify="right")
    for name, value in person.values.items():
        about = MEASUREMENTS[name]
        factor, unit = DISPLAY[about.unit]
        cells = [about.title, about.iso, about.definition, f"{factor * value:.1f} {unit}"]
        if person.intervals is not None:
            found = person.intervals[name]
            cells.append(f"{factor * found.low:.1f}–{factor * found.high:.1f}")
        table.add_row(*cells)
    return table


def _of_many(people: Sequence[MeasuredPerson]) -> Table:
    """Table of several people: a line for each, with the measurements that people know by heart."""
    from rich.markup import escape
    from rich.table import Table

    from render_fit.measurements.definitions import MEASUREMENTS
    from render_fit.pipelines.measuring import DISPLAY

    table = Table(box=None, caption="all measurements: --csv FILE, --json FILE", caption_justify="left")
    table.add_column("fit", overflow="fold")
    for name in SHOWN_OF_MANY:
        table.add_column(f"{name.replace('_', ' ')}, {DISPLAY[MEASUREMENTS[name].unit][1]}", justify="right")
    for person in people:
        cells = []
        for name in SHOWN_OF_MANY:
            factor, _ = DISPLAY[MEASUREMENTS[name].unit]
            cell = f"{factor * person.values[name]:.1f}"
            if person.intervals is not None:
                half = (person.intervals[name].high - person.intervals[name].low) / 2
                cell += f" ± {factor * half:.1f}"
            cells.append(cell)
        table.add_row(escape(person.source), *cells)
    return table
