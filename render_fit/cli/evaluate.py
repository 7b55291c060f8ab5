"""``render-fit evaluate``: predictions against the ground truth of a data set."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from render_fit.cli import checks
from render_fit.core.errors import InputError


def evaluate(
    results: Annotated[
        Path,
        typer.Argument(metavar="RESULTS", help="Output folder of fit, predict or fit-person.", show_default=False),
    ],
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help="File or folder of an annotated data set.", show_default=False)
    ],
    format_name: Annotated[
        str | None, typer.Option("--format", help="Format of the data set. Default: recognised.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for people.csv and summary.json.")] = Path(
        "evaluation"
    ),
    truth_body: Annotated[
        str | None,
        typer.Option(
            help="Body model of the true parameters: an SMPL file, or a folder with one for each gender.",
            show_default=False,
        ),
    ] = None,
    body: Annotated[
        str | None, typer.Option(help="Body model of the predictions. Default: the one named in params.npz.")
    ] = None,
) -> None:
    """Evaluate predictions against the ground truth of a published data set.

    [bold]Examples[/bold]

      render-fit evaluate out h36m_valid_protocol2.npz

      render-fit evaluate out 3dpw_test.npz --truth-body models/   [dim]# surfaces, too[/dim]

    Predictions and annotations belong together by the names of the images. OUT gets people.csv (a line for each person)
    and summary.json (means, what was compared how, command, versions). A metric whose truth the data set does not have
    is left out. docs/evaluation.md explains formats and metrics.
    """
    checks.check_files(results, dataset)
    if not results.is_dir():
        raise InputError(f"{results}: expected the output folder of render-fit fit or predict")
    checks.check_body(body)
    checks.check_body(truth_body)
    checks.check_output(out)
    from rich.console import Console

    from render_fit.core.files import prepare_output
    from render_fit.evaluation.benchmark.evaluate import evaluate as evaluated
    from render_fit.evaluation.benchmark.files import summary_table, write_people, write_summary
    from render_fit.fitting.result import versions

    result = evaluated(results, dataset, format_name, truth_body=truth_body, body=body)
    console = Console(highlight=False)
    console.print(summary_table(result))
    for note in result.notes:
        console.print(note, soft_wrap=True)
    if result.left_out:
        needs = dict.fromkeys(result.left_out.values())
        console.print(f"left out, because they need more than there is: metrics of {'; '.join(needs)}", soft_wrap=True)
    prepare_output(out)
    words = ["render-fit", "evaluate", str(results), str(dataset), "--format", result.format, "--out", str(out)]
    words += [*(["--truth-body", truth_body] if truth_body else []), *(["--body", body] if body else [])]
    about = {"command": shlex.join(words), "versions": versions()}
    for file in (write_people(out / "people.csv", result), write_summary(out / "summary.json", result, about)):
        print(file)
