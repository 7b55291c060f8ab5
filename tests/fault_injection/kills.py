"""Kills a command at random moments, resumes it, and compares the result with that of a run that nobody disturbed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import trimesh  # noqa: F401  imported here, not in every fork

import render_fit.pipelines.folder
import render_fit.training.finetuning  # noqa: F401
from render_fit.cli import app
from tests.fault_injection.scenarios import Scenario, differing, names_of

PATIENCE_S = 300.0
"""Time after which a command that nobody killed counts as hanging, seconds."""

WORKERS_END_S = 30.0
"""Time in which worker processes have to notice that their parent was killed, seconds."""


@dataclass
class Findings:
    """What was found in one scenario.

    Attributes:
        moments: Moments (seconds after the start) at which the command was killed.
        ended: Number of runs that had ended before.
        resumed: Number of output folders that were finished and compared.
        faults: What was wrong, sentences.
    """

    moments: list[float] = field(default_factory=list)
    ended: int = 0
    resumed: int = 0
    faults: list[str] = field(default_factory=list)


def run_scenario(scenario: Scenario, folder: Path, n_moments: int, seed: int = 0, in_a_row: int = 3) -> Findings:
    """Kills a scenario's command ``n_moments`` times.

    Args:
        scenario: What to run.
        folder: Folder for inputs and outputs.
        n_moments: Number of times that the command is killed while it runs.
        seed: Seed of the moments.
        in_a_row: Largest number of times that the command is killed before it may finish.
    """
    torch.set_num_threads(1)  # a process whose threads have run must not fork
    generator, found = random.Random(f"{seed} {scenario.name}"), Findings()
    # in a fork too: a process in which the renderer has run must not fork
    prepared = folder / "command.json"
    code = _finish(fork(lambda: prepared.write_text(json.dumps(scenario.prepare(folder))), folder / "told.txt"))
    if code != 0:
        found.faults.append(f"not prepared: {_told(folder)}")
        return found
    command = json.loads(prepared.read_text())
    began = time.monotonic()
    code = _finish(_start([*command, "--out", str(folder / "expected")], folder))
    duration = time.monotonic() - began
    expected, names = scenario.finished(folder / "expected"), names_of(folder / "expected")
    if code != 0 or not expected:
        found.faults.append(f"exit code {code} without any disturbance: {_told(folder)}")
        return found
    while len(found.moments) < n_moments:
        out = folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        for _ in range(min(generator.randint(1, in_a_row), n_moments - len(found.moments))):
            moment, alone = generator.uniform(0, duration), generator.random() < 0.5
            found.faults += _killed(scenario, [*command, "--out", str(out)], folder, moment, alone, found)
            found.faults += _not_whole(scenario, out, expected, f"killed at {moment:.2f} s")
        code = _finish(_start([*command, "--out", str(out)], folder))
        found.resumed += 1
        if code != 0:
            found.faults.append(f"resuming ends with exit code {code}: {_told(folder)}")
            continue
        found.faults += [f"after resuming: {place} differs" for place in differing(scenario.finished(out), expected)]
        found.faults += [f"after resuming: {name} is missing or left over" for name in names_of(out) ^ names]
    found.faults += _two_at_once(command, scenario, folder, expected, names)
    return found


def _two_at_once(
    command: list[str], scenario: Scenario, folder: Path, expected: dict[str, Any], names: set[str]
) -> Iterator[str]:
    """Runs a command twice at the same time into one folder; yields what was wrong.

    Fits of both are the same, and each is written whole. A second training is refused.
    """
    out = folder / "shared"
    both = [_start([*command, "--out", str(out)], folder) for _ in range(2)]
    codes = sorted(_finish(pid) for pid in both)
    if codes != [0, 0] and (command[0] == "fit" or codes != [0, 2]):
        yield f"two at once end with the exit codes {codes}: {_told(folder)}"
    yield from (f"after two at once: {place} differs" for place in differing(scenario.finished(out), expected))
    yield from (f"after two at once: {name} is missing or left over" for name in names_of(out) ^ names)


def _killed(
    scenario: Scenario, command: list[str], folder: Path, moment: float, alone: bool, found: Findings
) -> Iterator[str]:
    """Starts a command and kills it, with its workers or alone; yields what was wrong."""
    pid = _start(command, folder)
    time.sleep(moment)
    ended, _ = os.waitpid(pid, os.WNOHANG)
    if ended:
        found.ended += 1
        return
    found.moments.append(moment)
    if scenario.with_workers and alone:  # as the system does when memory runs out
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        until = time.monotonic() + WORKERS_END_S
        while _group_lives(pid) and time.monotonic() < until:
            time.sleep(0.1)
        if _group_lives(pid):
            yield f"workers live on after their parent was killed at {moment:.2f} s"
            os.killpg(pid, signal.SIGKILL)
        return
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while _group_lives(pid):
        time.sleep(0.05)


def _not_whole(scenario: Scenario, out: Path, expected: dict[str, Any], when: str) -> Iterator[str]:
    """What counts as done in an output folder, and is not as in one that nobody disturbed."""
    try:
        done = scenario.finished(out)
    except Exception as error:
        yield f"{when}: a file that counts as done cannot be read ({type(error).__name__}: {error})"
        return
    if scenario.name.startswith(("photo", "folder")):  # a training's files change until its end
        yield from (f"{when}: {place}" for place in differing(done, {key: expected.get(key) for key in done}))
        folders = {name.split("/")[0] for name in done}
        missing = [name for name in expected if name.split("/")[0] in folders and name not in done]
        yield from (f"{when}: {name} is missing in a folder that counts as done" for name in missing)


def _start(command: list[str], folder: Path) -> int:
    """Runs a command in a fork of this process, which has imported everything; returns its process number."""
    return fork(lambda: app(command), folder / "told.txt")


def fork(run: Callable[[], Any], told: Path) -> int:
    """Runs a function in a fork that leads a group of its own; its exit code is that of `SystemExit`, or 3.

    Args:
        run: What to run.
        told: File for standard output and error.

    Returns:
        Process number.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        os.setsid()
        descriptor = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            run()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _finish(pid: int) -> int:
    """Exit code of a command, once it has ended."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -1


def _group_lives(group: int) -> bool:
    """Whether a process of a group is alive."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _told(folder: Path) -> str:
    return (folder / "told.txt").read_text(errors="replace")[-1500:]
