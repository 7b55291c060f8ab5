"""``render-fit experiment``: run one of the project's experiments, or list them."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from render_fit.cli.checks import check_recipe
from render_fit.cli.options import takes
from render_fit.evaluation.experiments.settings import ExperimentConfig, flag
from render_fit.evaluation.experiments.table import EXPERIMENTS, GROUPS, checked_experiment

PANELS = {
    **dict.fromkeys(("data", "seed"), "Options"),
    **dict.fromkeys(
        ("people", "scale", "workers", "fits", "backbones"), "Experiments that evaluate or train regressors"
    ),
}
"""Panel of the help page of each option; that of the fits for those that are not named."""


def _parameters() -> Iterator[inspect.Parameter]:
    """One option per field of `ExperimentConfig`, None if not given."""
    hints = get_type_hints(ExperimentConfig, include_extras=True)
    for field in fields(ExperimentConfig)[1:]:
        if not field.compare:  # no option
            continue
        kind, about = get_args(hints[field.name])
        if field.default != () and field.default is not None and field.default is not False:
            about = f"{about} Default: {field.default}."
        kind = list[str] if kind == tuple[str, ...] else kind
        panel = PANELS.get(field.name, "Experiments that fit people")
        option = typer.Option(flag(field.name), help=about, rich_help_panel=panel, show_default=False)
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
        )


@takes(list(_parameters()), dict)
def experiment(
    options: dict[str, Any],
    name: Annotated[
        str | None,
        typer.Argument(help="Name of an experiment, lecture, or all. None: they are listed.", show_default=False),
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the experiments and exit.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, for a trial of about a minute each.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for JSON, CSV, contact sheet and trainings.")] = Path(
        "results"
    ),
) -> None:
    """Measure the methods of this package: fits, regressors and trainings, each experiment with one table.

    [bold]Examples[/bold]

      render-fit experiment --list

      render-fit experiment synthetic-views --quick

      render-fit experiment all --quick --out results

      render-fit experiment real-3d --out results --regressor none --jobs 2

      render-fit experiment regressor-baselines --regressor lifter --regressor nbf --recipe hybrid

    OUT gets NAME.json (summary, every person, command line, versions), NAME.csv and a contact sheet NAME.png.

    A run that was stopped goes on after its finished people and trainings. Figures and research data are explained
    in docs/evaluation.md.
    """
    if name is None or show_list:
        about = {known: entry.description for known, entry in EXPERIMENTS.items()}
        about |= {group: f"Several: {', '.join(names)}." for group, names in GROUPS.items() if group != "all"}
        about["all"] = "All of them; what needs missing data or packages is left out and listed."
        for known, text in about.items():
            typer.echo(f"{known:{1 + max(map(len, about))}}{text}")
        return
    logging.getLogger("render_fit.evaluation").setLevel(logging.INFO)
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    given = {key: value for key, value in given.items() if value not in (None, ())}
    if name not in GROUPS:
        checked_experiment(name, given)
    for recipe in given.get("recipes", ()):
        check_recipe(recipe)
    if name in GROUPS:
        from render_fit.evaluation.experiments.group import run_group

        outcomes = run_group(name, out, quick=quick, **given)
        if any(one.failed for one in outcomes):
            raise typer.Exit(1)
        return
    from render_fit.evaluation.experiments.runner import run_experiment

    run_experiment(name, out, quick=quick, **given)
