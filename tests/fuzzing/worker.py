"""A process that runs inputs one after the other, and says of each whether the program kept its promises.

An input works, or ends with an `InputError`: exit code 2 and one line. It never ends with a traceback, writes to a file
outside of its output folder, takes 10 s of processor time, or 1.6 GB of memory more than the process had before. The
peak of the memory is read from /proc, as Linux has it.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.fuzzing.fuzz_input import FuzzInput

MOST_SECONDS = 10.0
"""Processor time of one input, seconds."""

PATIENCE_S = 90.0
"""Time after which the process is ended, seconds: more than `MOST_SECONDS`, because other programs may run."""

MOST_MEMORY_MB = 1600.0
"""Growth of the resident memory by one input, MB. What the process has before (libraries, caches) does not count."""

MOST_LETTERS = 2000
"""Longest message that is a line."""

ADDRESS_SPACE = 8 << 30
"""Limit that protects the machine, bytes."""


@dataclass(frozen=True)
class Outcome:
    """What became of an input.

    Attributes:
        result: ``works``, ``accepted`` (its fit was left out), or ``refused``.
        fault: What the program did wrong: ``traceback``, ``message``, ``noise``, ``outside``, ``time``, ``memory`` or
            ``died``; empty if nothing.
        detail: The message, or the traceback.
        place: Where a traceback ends: what tells one fault from another.
        seconds: Processor time.
        memory_mb: Growth of the resident memory at its peak.
    """

    result: str
    fault: str = ""
    detail: str = ""
    place: str = ""
    seconds: float = 0.0
    memory_mb: float = 0.0


class Runner:
    """Runs inputs in a process of its own, which is started anew after one that died or hung."""

    def __init__(self) -> None:
        self.process: multiprocessing.process.BaseProcess | None = None
        self.connection: Connection | None = None

    def run(self, given: FuzzInput) -> Outcome:
        """Outcome of one input."""
        if self.process is None or not self.process.is_alive():
            self._start()
        assert self.process is not None and self.connection is not None
        self.connection.send(given)
        try:
            if self.connection.poll(PATIENCE_S):
                return self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            code = self.process.exitcode or 0
            return Outcome("died", "died", f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}")
        self.close()
        return Outcome("hangs", "time", f"over {PATIENCE_S:g} s")

    def close(self) -> None:
        """Ends the process."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
        self.process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other,), daemon=True)
        self.process.start()
        other.close()


def _serve(connection: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    errors = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the process
    os.dup2(errors.fileno(), 2)  # what libraries in C print
    from tests.fuzzing import entrances

    entrances.prepare()
    while True:
        try:
            given = connection.recv()
        except EOFError:
            return
        errors.seek(0)
        errors.truncate()
        outcome = _outcome(given, entrances.run_reader, entrances.run_command)
        if not outcome.fault and os.fstat(errors.fileno()).st_size:
            errors.seek(0)
            outcome = Outcome(outcome.result, "noise", errors.read(2000).decode(errors="replace"))
        connection.send(outcome)


def _outcome(
    given: FuzzInput, run_reader: Callable[[str, tuple[Any, ...]], None], run_command: Callable[[FuzzInput], Outcome]
) -> Outcome:
    """Runs one input in a folder of its own."""
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak of the resident memory back to what it is now
    before, began, memory = os.getcwd(), time.process_time(), _peak_mb()
    top = Path(tempfile.mkdtemp(prefix="fuzz"))
    case = top / "case"
    try:
        for name, content in given.files.items():
            path = Path(os.path.normpath(case / "in" / name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (case / "tmp").mkdir(parents=True)
        tempfile.tempdir = str(case / "tmp")
        os.chdir(case)
        files = _files(top)
        outcome = _run(given, run_reader, run_command)
        changed = sorted(str(path) for path, _ in _files(top) ^ files)
        seconds, grown = time.process_time() - began, _peak_mb() - memory
        if not outcome.fault and changed:
            outcome = Outcome(outcome.result, "outside", ", ".join(changed)[:500])
        if not outcome.fault and seconds > MOST_SECONDS:
            outcome = Outcome(outcome.result, "time", f"{seconds:.1f} s")
        if not outcome.fault and grown > MOST_MEMORY_MB:
            outcome = Outcome(outcome.result, "memory", f"{grown:.0f} MB")
        return Outcome(outcome.result, outcome.fault, outcome.detail, outcome.place, seconds, grown)
    except OSError as error:  # a file name that this file system does not take
        return Outcome("not staged", detail=str(error))
    finally:
        tempfile.tempdir = None
        os.chdir(before)
        shutil.rmtree(top, ignore_errors=True)


def _run(given: FuzzInput, run_reader: Any, run_command: Any) -> Outcome:
    from render_fit.core.errors import InputError, MissingDependencyError

    outcome = Outcome("works")
    try:
        for reader in given.readers:
            run_reader(*reader)
    except (InputError, MissingDependencyError) as error:
        outcome = _refusal(str(error))
    except BaseException as error:
        return as_fault(error)
    return run_command(given) if given.command and not outcome.fault else outcome


def as_fault(error: BaseException) -> Outcome:
    """The outcome of an input that ended with an error that is no `InputError`."""
    steps = [step for step in traceback.extract_tb(error.__traceback__) if "/render_fit/" in step.filename]
    place = f"{Path(steps[-1].filename).name}:{steps[-1].name}" if steps else "outside of render_fit"
    text = "".join(traceback.format_exception(error))
    return Outcome("crashes", "traceback", text[-3000:], f"{type(error).__name__} in {place}")


def _refusal(text: str) -> Outcome:
    """The outcome of an input that was refused; a message that a person cannot use is a fault."""
    if not text.strip() or len(text) > MOST_LETTERS or "Traceback" in text:
        return Outcome("refused", "message", f"{len(text)} letters: {text[:500]}", "message")
    return Outcome("refused", detail=text)


def _files(top: Path) -> set[tuple[Path, tuple[int, int]]]:
    """All files of the folder of an input, but those in its output folder: path, size and time."""
    found = set()
    for folder, folders, names in os.walk(top):
        if Path(folder) == top / "case":
            folders[:] = [name for name in folders if name != "out"]
        if Path(folder) == top / "case" / "tmp":
            folders[:] = [name for name in folders if not name.startswith("torchinductor")]  # torch's own cache
        for name in [*names, *folders]:
            path = Path(folder) / name
            state = path.lstat()
            found.add((path, (state.st_size, state.st_mtime_ns) if path.is_file() else (0, 0)))
    return found


def _peak_mb() -> float:
    """Largest resident memory since it was set back, MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000
