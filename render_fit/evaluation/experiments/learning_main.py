"""``python -m render_fit.runs.experiments NAME --out DIR``: one table about learning."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from render_fit.core.errors import InputError
from render_fit.evaluation.experiments.domain_adaptation import adaptation
from render_fit.evaluation.experiments.regressor_baselines import baselines
from render_fit.evaluation.experiments.settings import Settings
from render_fit.evaluation.experiments.two_d_supervision import monsters
from render_fit.evaluation.tables import ExperimentResult, write_result
from render_fit.fitting.result import versions

EXPERIMENTS: dict[str, Callable[[Settings], ExperimentResult]] = {
    "baselines": baselines,
    "adaptation": adaptation,
    "monsters": monsters,
}


def main(arguments: list[str] | None = None) -> None:
    """Run one experiment and write its table; a training that was stopped goes on."""
    parser = argparse.ArgumentParser(prog="python -m render_fit.runs.experiments", description=main.__doc__)
    listed = "; ".join(f"{name}: {(function.__doc__ or '').splitlines()[0]}" for name, function in EXPERIMENTS.items())
    parser.add_argument("name", choices=EXPERIMENTS, help=listed)
    parser.add_argument("--out", type=Path, required=True, help="folder for JSON, CSV and trainings")
    parser.add_argument("--data", type=Path, help="folder of the research data (RENDER_FIT_DATA, ../shared/data)")
    parser.add_argument("--regressors", nargs="*", default=["lifter"], help="baselines: names or files to judge")
    parser.add_argument("--recipes", nargs="*", default=[], help="baselines: recipes of `render-fit fit` to judge")
    parser.add_argument("--fits", type=int, default=128, help="baselines: people whom each of --recipes fits")
    parser.add_argument("--people", type=int, default=512, help="held-out people who judge")
    parser.add_argument("--scale", type=float, default=1.0, help="of the steps and people that learn; less is a trial")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw people")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    console = Console(width=160)
    began = time.perf_counter()
    settings = Settings(
        given.out,
        given.data,
        tuple(given.regressors),
        given.people,
        given.scale,
        given.workers,
        given.seed,
        tuple(given.recipes),
        given.fits,
        console.print,
    )
    try:
        outcome = EXPERIMENTS[given.name](settings)
    except InputError as error:
        parser.exit(2, f"error: {error}\n")
    outcome.about.update(
        command=shlex.join([parser.prog, *(arguments if arguments is not None else sys.argv[1:])]),
        seconds=round(time.perf_counter() - began, 1),
        cores=os.cpu_count(),
        versions=versions(),
    )
    write_result(outcome, given.out, console, columns_of_sheet=1)


if __name__ == "__main__":
    main()
