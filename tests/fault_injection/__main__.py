"""Kills at random moments: ``python -m tests.fault_injection --moments 200``. Exit code 1 if any fault was found."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fault_injection.kills import run_scenario
from tests.fault_injection.scenarios import SCENARIOS

SHARES = {"photo": 0.3, "folder": 0.25, "folder, two jobs": 0.15, "train": 0.15, "finetune": 0.15}


def main() -> int:
    """Runs the program."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault_injection", description=__doc__)
    parser.add_argument("--moments", type=int, default=200, help="number of kills in all scenarios together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenario", action="append", choices=sorted(SCENARIOS), help="only this one; may be repeated")
    given = parser.parse_args()
    chosen, faulty, killed = given.scenario or list(SCENARIOS), False, 0
    whole = sum(SHARES[name] for name in chosen)
    for name in chosen:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = run_scenario(
                SCENARIOS[name], Path(folder), max(1, round(given.moments * SHARES[name] / whole)), given.seed
            )
        killed, faulty = killed + len(found.moments), faulty or bool(found.faults)
        print(
            f"{name}: killed {len(found.moments)} times, {found.ended} had ended before, {found.resumed} finished and "
            f"compared, {len(found.faults)} faults, {time.monotonic() - began:.0f} s",
            flush=True,
        )
        for fault in dict.fromkeys(found.faults):
            print(f"  {fault}", flush=True)
    print(f"killed {killed} times in all")
    return int(faulty)


if __name__ == "__main__":
    sys.exit(main())
