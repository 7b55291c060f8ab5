"""``render-fit evaluate``: predictions against the ground truth of a data set."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from render_fit.cli import checks
from render_fit.core.errors import InputError

if TYPE_CHECKING:
    from render_fit.evaluation.benchmark.evaluate import Evaluation


def evaluate(
    results: Annotated[
        str,
        typer.Argument(
            metavar="RESULTS|REGRESSOR",
            help="Output folder of fit, predict or fit-person; or a regressor: a name or a .safetensors file.",
            show_default=False,
        ),
    ],
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help="File or folder of an annotated data set.", show_default=False)
    ],
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format of the data set: spin, human-data, 3dpw, emdb, agora, ssp3d, lsp, coco, up3d, amass, samples. "
            "Default: recognised.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables and pictures.")] = Path("evaluation"),
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
    joint_regressor: Annotated[
        Path | None,
        typer.Option(
            metavar="NPY",
            help="J_regressor_h36m.npy, by which published tables define SMPL's joints. Default: landmarks.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Number of people, spread evenly over the data set. Default: all.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="Number of predictions in worst.png.")] = 12,
) -> None:
    """Evaluate predictions against the ground truth of a published data set.

    [bold]Examples[/bold]

      render-fit evaluate out h36m_valid_protocol2.npz

      render-fit evaluate out 3DPW/ --truth-body smpl_models/   [dim]# surfaces, too[/dim]

      render-fit evaluate lifter SSP-3D/ --limit 50   [dim]# predicts the images first[/dim]

      render-fit evaluate out annotations/person_keypoints_val2017.json --format coco

    Predictions and annotations belong together by the names of the images. OUT gets people.csv (a line for each
    person), summary.json (means, what was compared how, command, versions), plot.png (if matplotlib is installed) and
    worst.png. A metric whose truth the data set does not have is left out. docs/evaluation.md explains formats and
    metrics.
    """
    checks.check_files(dataset, joint_regressor)
    checks.check_body(body)
    checks.check_body(truth_body)
    _check_source(results)
    checks.check_output(out)
    from render_fit.core.files import prepare_output
    from render_fit.datasets.benchmarks.formats import format_of

    name, chosen = format_of(dataset, format_name)
    prepare_output(out)
    from render_fit.core.progress_bar import ProgressBar
    from render_fit.evaluation.benchmark.evaluate import annotated_people
    from render_fit.evaluation.benchmark.evaluate import evaluate as evaluated

    folder = Path(results)
    with ProgressBar(lines=True) as bar:
        failures: list[str] = []
        if not folder.is_dir():
            from render_fit.evaluation.benchmark.predicting import predict_people

            folder = out / "predictions" / Path(results).stem
            people = annotated_people(chosen, dataset, limit)
            failures = predict_people(people, results, folder, body, partial(bar.show, "predicting"))
        result = evaluated(
            folder, dataset, name,
            truth_body=truth_body, body=body, joint_regressor=joint_regressor, limit=limit,
            progress=partial(bar.show, "comparing"),
        )  # fmt: skip
    if failures:
        result.notes.append(f"{len(failures)} people could not be predicted, the first: {failures[0]}")
    given = {"--truth-body": truth_body, "--body": body, "--joint-regressor": joint_regressor, "--limit": limit}
    words = ["render-fit", "evaluate", results, str(dataset), "--format", name, "--out", str(out)]
    words += [word for option, value in given.items() if value is not None for word in (option, str(value))]
    _tell(result)
    for file in _write(out, result, shlex.join(words), worst):
        print(file)


def _check_source(results: str) -> None:
    """Checks that there is a folder of predictions or a regressor of a name."""
    if Path(results).is_dir():
        return
    try:
        checks.check_regressor(results)
    except InputError as error:
        raise InputError(f"{results}: no folder of predictions there; {error}") from None


def _tell(result: Evaluation) -> None:
    """Prints the table, and what was compared how."""
    from rich.console import Console

    from render_fit.evaluation.benchmark.files import summary_table

    console = Console(highlight=False)
    console.print(summary_table(result))
    for note in result.notes:
        console.print(note, markup=False, soft_wrap=True)
    needs: dict[str, list[str]] = {}
    for title, need in result.left_out.items():
        needs.setdefault(need, []).append(title.split(",")[0])
    for need, titles in needs.items():
        console.print(f"left out: {', '.join(titles)} (needs {need})", markup=False, soft_wrap=True)


def _write(out: Path, result: Evaluation, command: str, worst: int) -> list[Path]:
    """Writes tables and pictures; returns their paths."""
    from render_fit.evaluation.benchmark.files import write_people, write_summary
    from render_fit.evaluation.benchmark.pictures import write_plot, write_worst
    from render_fit.fitting.result import versions
    from render_fit.renderers import make_renderer

    written: list[Path | None] = [
        write_people(out / "people.csv", result),
        write_summary(out / "summary.json", result, {"command": command, "versions": versions()}),
        write_plot(out / "plot.png", result),
        write_worst(out / "worst.png", result, make_renderer("auto"), worst) if worst else None,
    ]
    return [file for file in written if file is not None]
