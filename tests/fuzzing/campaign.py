"""Draws inputs by kind, runs them, and counts what became of them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzzing import examples
from tests.fuzzing.fuzz_input import FuzzInput
from tests.fuzzing.inputs import KINDS
from tests.fuzzing.worker import Outcome, Runner

EVERYTHING_MAY_BE_SLOW = tuple(HealthCheck)


@dataclass
class Counts:
    """Inputs of one kind.

    Attributes:
        results: Number of inputs by result.
        faults: The first input of each fault, with its outcome, and the number of inputs that show it.
        slowest_s: Largest processor time of an input.
        memory_mb: Largest growth of the resident memory.
    """

    results: Counter[str] = field(default_factory=Counter)
    faults: dict[str, tuple[FuzzInput, Outcome]] = field(default_factory=dict)
    times_seen: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    memory_mb: float = 0.0


def numbers_of_inputs(total: int) -> dict[str, int]:
    """Number of inputs of each kind."""
    whole = sum(share for _, share in KINDS.values())
    return {kind: max(1, round(total * share / whole)) for kind, (_, share) in KINDS.items()}


def run_kind(
    kind: str, number: int, seed_number: int, runner: Runner, watch: Callable[[FuzzInput, Outcome], None] | None = None
) -> Counts:
    """Draws and runs inputs of one kind.

    Args:
        kind: A key of `KINDS`.
        number: Number of inputs; hypothesis draws fewer where it knows that no others exist.
        seed_number: The same seed, kind, number and version of hypothesis draw the same inputs.
        runner: Process that runs them.
        watch: Called with each input and its outcome.
    """
    counts = Counts()
    examples.make_all()  # not while hypothesis draws: making them takes random numbers

    @seed(seed_number)
    @settings(
        max_examples=number,
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        suppress_health_check=EVERYTHING_MAY_BE_SLOW,
    )
    @given(KINDS[kind][0]())
    def run(drawn: FuzzInput) -> None:
        outcome = runner.run(drawn)
        counts.results[outcome.result] += 1
        counts.slowest_s, counts.memory_mb = (
            max(counts.slowest_s, outcome.seconds),
            max(counts.memory_mb, outcome.memory_mb),
        )
        if outcome.fault:
            name = f"{outcome.fault}: {outcome.place or outcome.detail[:60]}"
            counts.times_seen[name] += 1
            counts.faults.setdefault(name, (drawn, outcome))
        if watch is not None:
            watch(drawn, outcome)

    run()
    return counts


def save_fault(folder: Path, name: str, drawn: FuzzInput, outcome: Outcome) -> Path:
    """Writes the files of an input that shows a fault, its command line and what happened."""
    path = folder / f"{drawn.kind.replace(' ', '_')}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    for file, content in drawn.files.items():
        target = path / "in" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    about = {"fault": name, "command": drawn.command, "readers": drawn.readers, "whole_way": drawn.whole_way}
    (path / "about.json").write_text(json.dumps(about, indent=2) + "\n")
    (path / "what_happened.txt").write_text(outcome.detail, encoding="utf-8", errors="replace")
    return path


def table(found: dict[str, Counts]) -> str:
    """Counts by kind, as text."""
    counted = f"{'inputs':>8}{'works':>8}{'accepted':>10}{'refused':>9}{'faulty':>8}"
    lines = [f"{'kind':<16}{counted}{'slowest s':>11}{'grown MB':>9}"]
    totals: defaultdict[str, int] = defaultdict(int)
    for kind, counts in found.items():
        row = {
            "inputs": counts.results.total(),
            **{name: counts.results[name] for name in ("works", "accepted", "refused")},
            "faulty": counts.times_seen.total(),
        }
        for name, value in row.items():
            totals[name] += value
        lines.append(
            f"{kind:<16}{row['inputs']:>8}{row['works']:>8}{row['accepted']:>10}{row['refused']:>9}{row['faulty']:>8}"
            f"{counts.slowest_s:>11.1f}{counts.memory_mb:>9.0f}"
        )
    t = totals
    lines.append(f"{'all':<16}{t['inputs']:>8}{t['works']:>8}{t['accepted']:>10}{t['refused']:>9}{t['faulty']:>8}")
    return "\n".join(lines)
