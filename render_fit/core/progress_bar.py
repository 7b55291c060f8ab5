"""A progress bar, or lines of text where the output is no terminal."""

from __future__ import annotations

import time
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

B = TypeVar("B", bound="ProgressBar")

LINE_EVERY_S = 30.0
"""Longest time without a line of progress where the output is no terminal, seconds."""


class ProgressBar:
    """A progress bar that disappears at its end, and that is not drawn if the output is no terminal.

    Args:
        quiet: Whether nothing is printed.
        lines: Whether lines of text replace the bar if the output is no terminal: one for each tenth of the steps, and
            one after `LINE_EVERY_S` without any.
    """

    def __init__(self, quiet: bool = False, lines: bool = False) -> None:
        self.console = Console(highlight=False, soft_wrap=True, quiet=quiet)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        hidden = not self.console.is_terminal
        self._bar = Progress(*columns, TimeElapsedColumn(), console=self.console, transient=True, disable=hidden)
        self._task = self._bar.add_task("reading", total=None)
        self._lines, self._tenth, self._printed_s = lines and hidden, -1, 0.0

    def __enter__(self: B) -> B:
        self._bar.start()
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._bar.stop()

    def show(self, description: str, done: int = 0, total: int | None = None) -> None:
        """Shows what is being done, and how many steps of it are done."""
        task = self._bar.tasks[0]
        task.total, task.finished_time = total, None  # update() keeps an earlier total, and a finished task's clock
        self._bar.update(self._task, description=escape(description), completed=done)
        tenth, now = 10 * done // total if total else 0, time.monotonic()
        if self._lines and (tenth != self._tenth or now - self._printed_s >= LINE_EVERY_S):
            self._tenth, self._printed_s = tenth, now
            self.console.print(f"{description}: {done} of {total or '?'}", markup=False)
