"""Fuzzing: ``python -m tests.fuzzing --inputs 10000 --seed 0``. Exit code 1 if any input shows a fault."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.fuzzing.campaign import Counts, numbers_of_inputs, run_kind, save_fault, table
from tests.fuzzing.inputs import KINDS
from tests.fuzzing.worker import Runner


def main() -> int:
    """Runs the program."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1000, help="number of inputs of all kinds together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=sorted(KINDS), help="only this kind; may be repeated")
    parser.add_argument("--out", type=Path, default=Path("out/fuzzing"), help="folder for inputs that show a fault")
    given = parser.parse_args()
    runner, found = Runner(), dict[str, Counts]()
    numbers = numbers_of_inputs(given.inputs)
    chosen = given.kind or list(KINDS)
    if given.kind:
        numbers = dict.fromkeys(chosen, given.inputs // len(chosen))
    try:
        for kind in chosen:
            began = time.monotonic()
            counts = found[kind] = run_kind(kind, numbers[kind], given.seed, runner)
            print(f"{kind}: {counts.results.total()} inputs in {time.monotonic() - began:.0f} s", flush=True)
            for name, (drawn, outcome) in counts.faults.items():
                path = save_fault(given.out, name, drawn, outcome)
                print(f"  {counts.times_seen[name]} × {name}: {path}", flush=True)
    finally:
        runner.close()
    print(table(found))
    return int(any(counts.faults for counts in found.values()))


if __name__ == "__main__":
    sys.exit(main())
