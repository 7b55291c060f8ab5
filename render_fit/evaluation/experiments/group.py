"""Several experiments, one after the other: what is missing or fails is told at the end, and the others run."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from render_fit.core.errors import InputError, MissingDependencyError
from render_fit.core.files import prepare_output, write_json
from render_fit.evaluation.experiments.runner import duration, run_experiment
from render_fit.evaluation.experiments.settings import ExperimentConfig, flag
from render_fit.evaluation.experiments.table import COMMON, EXPERIMENTS, GROUPS
from render_fit.fitting.result import versions


@dataclass(frozen=True)
class Outcome:
    """How an experiment of a group ended.

    Attributes:
        name: Name of the experiment.
        seconds: Duration.
        problem: Why it did not run, or not to its end; empty if it did.
        failed: Whether that was a fault of the program, and not for want of data or packages.
    """

    name: str
    seconds: float
    problem: str = ""
    failed: bool = False

    @property
    def words(self) -> str:
        """What the table says."""
        if not self.problem:
            return f"{self.name}.json"
        return f"{'failed' if self.failed else 'left out'}: {self.problem}"


def run_group(group: str, out: Path, *, quick: bool = False, **options: Any) -> list[Outcome]:
    """Runs the experiments of a group, each as `run_experiment` does, and prints how they ended.

    Args:
        group: Key of `GROUPS`.
        out: Folder for the results of all, and for ``GROUP.json``, the list of outcomes.
        quick: Whether to use the small sizes of a trial.
        options: Fields of `ExperimentConfig`; each experiment gets those that it uses.

    Returns:
        An outcome per experiment, in order.

    Raises:
        InputError: if a number is too small, or no experiment of the group uses an option.
    """
    ExperimentConfig(out, **options)  # a mistake is told once, not by every experiment
    used_by_any = {field for name in GROUPS[group] for field in (*COMMON, *EXPERIMENTS[name].uses)}
    for field in options:
        if field not in used_by_any:
            raise InputError(f"{flag(field)}: not used by any experiment of {group}")
    console = Console(width=120)
    prepare_output(out)
    outcomes = []
    for number, name in enumerate(GROUPS[group], 1):
        console.rule(f"{number} of {len(GROUPS[group])}: {name}")
        used = (*COMMON, *EXPERIMENTS[name].uses)
        began, problem, failed = time.perf_counter(), "", False
        try:
            run_experiment(name, out, quick=quick, **{key: value for key, value in options.items() if key in used})
        except (InputError, MissingDependencyError, FileNotFoundError) as error:  # data, packages
            problem = str(error)
        except Exception as error:  # the others are not lost for the fault of one
            problem, failed = f"{type(error).__name__}: {error}", True
            console.print_exception(show_locals=False)
        outcomes.append(Outcome(name, round(time.perf_counter() - began, 1), problem, failed))
        console.print(f"{name}: {outcomes[-1].words} after {outcomes[-1].seconds:.0f} s", markup=False)
    seconds = sum(one.seconds for one in outcomes)
    table = Table("experiment", "seconds", "result", title=f"{group}: {len(outcomes)} experiments, {duration(seconds)}")
    for one in outcomes:
        table.add_row(one.name, f"{one.seconds:.0f}", escape(one.words))
    console.print(table)
    about = {"quick": quick, "seconds": round(seconds, 1), "cores": os.cpu_count(), "versions": versions()}
    write_json(out / f"{group}.json", {"experiments": [one.__dict__ for one in outcomes], **about})
    return outcomes
