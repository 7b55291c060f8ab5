"""Several experiments: what is missing or fails is told at the end, and the others run."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Generator
from contextlib import closing, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from render_fit.core.errors import InputError, MissingDependencyError
from render_fit.core.files import prepare_output, write_json
from render_fit.core.parallel import map_in_processes
from render_fit.core.threads import available_cores
from render_fit.evaluation.experiments.kept_rows import remove_rows
from render_fit.evaluation.experiments.runner import configured, duration, run_experiment
from render_fit.evaluation.experiments.settings import ExperimentConfig, flag
from render_fit.evaluation.experiments.table import COMMON, EXPERIMENTS, GROUPS
from render_fit.fitting.result import versions

MOST_AT_ONCE = 4
"""Largest number of trials at a time that is chosen by itself: each takes up to 2 GB of memory."""


@dataclass(frozen=True)
class Outcome:
    """How an experiment of a group ended.

    Attributes:
        name: Name of the experiment.
        seconds: Duration.
        processor_seconds: Processor time of all threads of the process that ran it; processes that it started for
            ``jobs`` or ``workers`` do not count.
        problem: Why it did not run, or not to its end; empty if it did.
        failed: Whether that was a fault of the program, and not for want of data or packages.
    """

    name: str
    seconds: float
    processor_seconds: float
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

    A group that was stopped goes on after the finished people of all its experiments, which are kept until its end, and
    after finished trainings.

    Args:
        group: Key of `GROUPS`.
        out: Folder for the results of all, and for ``GROUP.json``, the list of outcomes.
        quick: Whether to use the small sizes of a trial. Then ``jobs`` experiments run at a time, by default one on
            each core, up to `MOST_AT_ONCE`; else they run one after the other, and ``jobs`` is an option of each.
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
    at_once = options.pop("jobs", min(MOST_AT_ONCE, available_cores())) if quick else 1
    console = Console(width=120)
    prepare_output(out)
    names, outcomes, began = GROUPS[group], list[Outcome](), time.perf_counter()
    with closing(_outcomes(names, out, quick, options, at_once, console)) as found:
        for outcome in found:
            outcomes.append(outcome)
            console.print(f"{outcome.name}: {outcome.words} after {duration(outcome.seconds)}", markup=False)
    seconds = time.perf_counter() - began
    for one in outcomes:
        rows = configured(one.name, out, quick, _own(one.name, options)).rows
        if rows is not None and not one.problem:
            remove_rows(rows)
    table = Table("experiment", "seconds", "processor s", "result")
    for one in outcomes:
        table.add_row(one.name, f"{one.seconds:.0f}", f"{one.processor_seconds:.0f}", escape(one.words))
    console.print(table)
    processor_s = sum(one.processor_seconds for one in outcomes)
    console.print(
        f"{group}: {len(outcomes)} experiments in {duration(seconds)}, {at_once} at a time; {processor_s:.0f} s of "
        f"processor time",
        soft_wrap=True,
    )
    about = {"quick": quick, "seconds": round(seconds, 1), "at_once": at_once, "cores": os.cpu_count()}
    about |= {"versions": versions()}
    write_json(out / f"{group}.json", {"experiments": [asdict(one) for one in outcomes], **about})
    return outcomes


def _outcomes(
    names: tuple[str, ...], out: Path, quick: bool, options: dict[str, Any], at_once: int, console: Console
) -> Generator[Outcome, None, None]:
    """Outcomes in order, after what their experiments have printed."""
    of_all = f" of {len(names)}: "
    if at_once == 1:
        for number, name in enumerate(names, 1):
            console.rule(f"{number}{of_all}{name}")
            yield _outcome(name, out, quick, options)
        return
    console.print(f"{len(names)} experiments, {at_once} at a time; each is printed when it is finished")
    threads = max(1, available_cores() // at_once)
    ended = map_in_processes(_captured, names, processes=at_once, threads=threads, shared=(out, quick, options))
    with closing(ended):
        for number, (outcome, printed) in enumerate(ended, 1):
            console.rule(f"{number}{of_all}{outcome.name}")
            console.file.write(printed)
            yield outcome


def _captured(name: str, out: Path, quick: bool, options: dict[str, Any]) -> tuple[Outcome, str]:
    """An outcome, and what the experiment has printed."""
    with redirect_stdout(io.StringIO()) as printed:
        outcome = _outcome(name, out, quick, options)
    return outcome, printed.getvalue()


def _outcome(name: str, out: Path, quick: bool, options: dict[str, Any]) -> Outcome:
    """Runs an experiment; an error in it becomes an outcome."""
    began, processor_began = time.perf_counter(), time.process_time()
    problem, failed = "", False
    try:
        run_experiment(name, out, quick=quick, keep_rows=True, **_own(name, options))
    except (InputError, MissingDependencyError, FileNotFoundError) as error:  # data, packages
        problem = str(error)
    except Exception as error:  # the others are not lost for the fault of one
        problem, failed = f"{type(error).__name__}: {error}", True
        Console(width=120).print_exception()
    seconds, processor_seconds = time.perf_counter() - began, time.process_time() - processor_began
    return Outcome(name, round(seconds, 1), round(processor_seconds, 1), problem, failed)


def _own(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Options that an experiment uses."""
    return {key: value for key, value in options.items() if key in (*COMMON, *EXPERIMENTS[name].uses)}
