"""Slices of a list of names, one for each of several machines that share the work."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from render_fit.core.errors import InputError

SLURM = "slurm"
"""In place of I/N: the slice of this task of a Slurm job array."""


@dataclass(frozen=True)
class Shard:
    """One of several slices of a list.

    Names are put in the order of their hashes, and that list is cut into equally long pieces. So the order in which the
    names are listed does not matter, names that are alike are spread over all slices, and another name moves at most
    one name over each cut.

    Attributes:
        number: Number of the slice, from 1.
        count: Number of slices.
    """

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def of(self, names: Sequence[str]) -> frozenset[str]:
        """Names of this slice.

        Args:
            names: All names, each once, in any order.
        """
        return frozenset(name for name, number in shard_numbers(names, self.count).items() if number == self.number)


def shard_numbers(names: Sequence[str], count: int) -> dict[str, int]:
    """Number of the slice that each name belongs to.

    Args:
        names: All names, each once, in any order.
        count: Number of slices.

    Returns:
        Name → number, from 1.
    """
    ordered = sorted(names, key=_hash)
    return {name: -(-(place + 1) * count // len(ordered)) for place, name in enumerate(ordered)}  # rounded up


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """A slice from ``I/N``, or from Slurm's variables.

    Args:
        text: ``I/N`` with I from 1 to N, or ``slurm``.
        environment: Environment variables.

    Raises:
        InputError: if the text is anything else, or is ``slurm`` where the variables do not describe a range of tasks.
    """
    if text == SLURM:
        return _slurm_shard(environment)
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        hint = "; slices are counted from 1" if number == 0 < count else ""
        raise InputError(f"--shard {text}: expected I/N with I from 1 to N, such as 3/8, or {SLURM}{hint}")
    return Shard(number, count)


def array_task(environment: Mapping[str, str] = os.environ) -> str:
    """What this task of a Slurm job array is called, for messages; empty if it is the only one, or none."""
    task, count = (environment.get(f"SLURM_ARRAY_TASK_{name}", "") for name in ("ID", "COUNT"))
    return "" if count in ("", "1") else f"task {task} of a Slurm array of {count} tasks"


def _slurm_shard(environment: Mapping[str, str]) -> Shard:
    names = ("ID", "MIN", "MAX", "STEP", "COUNT")
    given = {name: environment.get(f"SLURM_ARRAY_TASK_{name}", "") for name in names}
    if not given["ID"]:
        raise InputError(f"--shard {SLURM}: this is no task of a Slurm job array; give --shard I/N")
    try:
        task, first, last, step, count = (int(given[name]) for name in names)
        number, offset = divmod(task - first, step)
        whole = offset == 0 and 0 <= number < count and (last - first) // step + 1 == count
    except (ValueError, ZeroDivisionError):
        whole, number, count = False, 0, 0
    if not whole:
        raise InputError(
            f"--shard {SLURM}: the tasks of this array are not a range such as 1-8 (task {given['ID']}, "
            f"{given['COUNT'] or '?'} tasks from {given['MIN'] or '?'} to {given['MAX'] or '?'}); "
            "give the slice: --shard $SLURM_ARRAY_TASK_ID/N"
        )
    return Shard(number + 1, count)


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
