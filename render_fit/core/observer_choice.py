"""How an observer is named: ``NAME``, or ``NAME:FILE`` with a file of its settings; without torch, for early checks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from render_fit.core.errors import InputError


@dataclass(frozen=True)
class ObserverChoice:
    """A named observer.

    Attributes:
        name: Name of the observer.
        settings: YAML file with its settings; None: its defaults.
    """

    name: str
    settings: Path | None = None


def parse_observer(choice: str) -> ObserverChoice:
    """Reads ``NAME`` or ``NAME:FILE``; nothing is looked up.

    Raises:
        InputError: if the name or the file is empty.
    """
    name, colon, file = choice.partition(":")
    if not name or (colon and not file):
        raise InputError(f"observer {choice!r}: expected a name, or NAME:FILE.yaml with a file of settings")
    return ObserverChoice(name, Path(file).expanduser() if file else None)
