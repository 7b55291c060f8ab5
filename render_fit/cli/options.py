"""Options that commands read from dataclasses, and those that ``fit`` and ``predict`` share, each declared once.

A field of `PhotoOptions` whose type is a dataclass of the library (`PhotoFiles`, `FitOptions`) stands for all fields of
that dataclass, with their names, types, defaults and descriptions.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from render_fit.datasets.photo_folder import PhotoFiles
from render_fit.pipelines.options import FitOptions, parse_box

PHOTO, METHOD, RUN = "What is known about the photo", "Method", "Run"
METHOD_OPTIONS = ("recipe", "regressor", "renderer", "body", "clothing", "seed")
PANELS = dict.fromkeys((*METHOD_OPTIONS, "observer"), METHOD) | {"save": RUN}
"""Panel of the help page for the library's options; `PHOTO` for those that are not named."""

MOST_PROCESSES = 1024
"""Largest number of processes or threads that may be asked for; the system refuses some thousands by an abort."""

Out = Annotated[Path, typer.Option("--out", "-o", help="Output folder; each person gets a folder in it.")]


@dataclass(frozen=True, kw_only=True)
class PhotoOptions:
    """Photos, what is known about them, how they are fitted, and how the run goes."""

    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="Photos, or folders of photos.", show_default=False)
    ]
    files: PhotoFiles
    observations: Annotated[
        Path | None,
        typer.Option(
            help="For many photos: folder with <stem>_mask.png, <stem>_keypoints.json, <stem>_parts.png and "
            "<stem>_occluders.png.",
            rich_help_panel=PHOTO,
        ),
    ] = None
    fit_options: FitOptions
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--overwrite",
            help="Keep finished results, or fit again. Default: keep them if there are several photos.",
            show_default=False,
            rich_help_panel=RUN,
        ),
    ] = None
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", min=1, max=MOST_PROCESSES, help="Number of photos fitted in parallel.", rich_help_panel=RUN
        ),
    ] = 1
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of photos that each process fits side by side; their results are written together. 1: results "
            "do not depend, by rounding, on the other photos. Default: up to 8.",
            show_default=False,
            rich_help_panel=RUN,
        ),
    ] = None
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Fit the I-th of N slices of the photos, so that N machines can share --out; render-fit summary OUT "
            "joins them. slurm: the slice of this task of a Slurm job array.",
            show_default=False,
            rich_help_panel=RUN,
        ),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_PROCESSES,
            help="Number of threads of all photos together. Default: the cores that the process may use.",
            show_default=False,
            rich_help_panel=RUN,
        ),
    ] = None
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print losses, times and log messages.", rich_help_panel=RUN)
    ] = False


TEXT_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "box": ("X,Y,W,H", parse_box),
    "save": ("KIND,...", lambda text: tuple(kind.strip() for kind in text.split(",") if kind.strip())),
}
"""Options that are given as one word with commas: placeholder in the help, and the function that reads the word."""


def takes(
    shared: Sequence[inspect.Parameter], build: Callable[[dict[str, Any]], Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds parameters to a command, whose first argument is what ``build`` makes of their values.

    Args:
        shared: Parameters to add, as Typer reads them. The command's own ones replace those of the same name.
        build: Maps names and values of the added parameters to the command's first argument.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(inspect.signature(command).parameters.values())[1:]
        ]
        names = {parameter.name for parameter in own}
        added = [parameter for parameter in shared if parameter.name not in names]

        def run(**values: Any) -> None:
            command(build({parameter.name: values.pop(parameter.name) for parameter in added}), **values)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature([*own, *added])  # pyright: ignore[reportFunctionMemberAccess]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
        return run

    return decorate


def takes_photos(*, without: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds the shared options to a command, which receives them as a `PhotoOptions`, its first argument.

    Args:
        without: Names of shared options that the command does not have; they keep their defaults.
    """
    shared = [parameter for parameter in _parameters(PhotoOptions) if parameter.name not in without]
    return takes(shared, lambda values: _build(PhotoOptions, values))


def _parameters(options: Any) -> Iterator[inspect.Parameter]:
    """One keyword parameter per option, as Typer reads them."""
    hints = get_type_hints(options, include_extras=True)
    for field in fields(options):
        hint: Any = hints[field.name]
        if is_dataclass(hint):
            yield from _parameters(hint)
            continue
        default: Any = inspect.Parameter.empty if field.default is MISSING else field.default
        kind, about = get_args(hint)
        if isinstance(about, str):
            flags = (f"--{field.name.replace('_', '-')}",) if kind is bool else ()  # without --no-...
            panel, metavar = PANELS.get(field.name, PHOTO), None
            if field.name in TEXT_OPTIONS:
                kind, default = (str | None, None) if default is None else (str, ",".join(default))
                metavar = TEXT_OPTIONS[field.name][0]
            hint = Annotated[kind, typer.Option(*flags, help=about, metavar=metavar, rich_help_panel=panel)]
        yield inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _build(options: Any, values: dict[str, Any]) -> Any:
    """The dataclass from the command's flat parameters; options without a value keep their defaults."""
    hints, given = get_type_hints(options), {}
    for field in fields(options):
        if is_dataclass(hints[field.name]):
            given[field.name] = _build(hints[field.name], values)
        elif field.name in values:
            value = values[field.name]
            if field.name in TEXT_OPTIONS and value is not None:
                value = TEXT_OPTIONS[field.name][1](value)
            given[field.name] = value
    return options(**given)
