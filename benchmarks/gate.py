"""Regression check: compares the ratios of ``make bench`` with those committed in ``baseline.json``.

    python -m benchmarks.gate out/bench [--update]

Exit status 1 if a ratio is worse than its tolerance allows. Ratios of interleaved measurements depend less on the
machine than milliseconds, but the number of cores and the vector width change them, so a baseline holds for one kind of
machine. ``--update`` makes the results the new baseline; ratios that were not measured keep their old value.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.measure import short

BASELINE = Path(__file__).with_name("baseline.json")

Word = Literal["ok", "better", "worse", "not measured", "new"]

CLEARLY_BETTER = 1.25
"""Merit from which a ratio counts as better: the baseline needs an update, or later regressions are missed."""


@dataclass(frozen=True)
class Verdict:
    """Comparison of one ratio with the baseline.

    Attributes:
        name: Name of the benchmark and of the ratio.
        word: Result of the comparison; ``worse`` fails the gate.
        now: Measured value, None if not measured.
        before: Value in the baseline, None if new.
        merit: 1 if as good as the baseline, 2 if twice as good.
        note: Reason why it was not measured.
    """

    name: str
    word: Word
    now: float | None = None
    before: float | None = None
    merit: float | None = None
    note: str = ""

    def __str__(self) -> str:
        values = [] if self.now is None else [f"now {short(self.now)}"]
        values += [] if self.before is None else [f"baseline {short(self.before)}"]
        values += [] if self.merit is None else [f"merit {self.merit:.2f}"]
        return f"{self.word:12} {self.name}: {', '.join([*values, *([self.note] if self.note else [])])}"


def compare_ratios(
    ratios: Mapping[str, Mapping[str, Any]], baseline: Mapping[str, Mapping[str, Any]], missing: Mapping[str, str]
) -> list[Verdict]:
    """Compare measured ratios with the baseline.

    Args:
        ratios: Measured ratios by name: ``median``, ``better`` (``lower`` or ``higher``), ``tolerance``.
        baseline: Baseline ratios by name: ``value``, ``better``, ``tolerance``.
        missing: Reasons why ratios were not measured, by name.

    Returns:
        One verdict per name: the baseline's in its order, then new ones.
    """
    verdicts = []
    for name, known in baseline.items():
        if name not in ratios:
            note = missing.get(name, "no results of this benchmark")
            verdicts.append(Verdict(name, "not measured", before=known["value"], note=note))
            continue
        now, before = ratios[name]["median"], known["value"]
        merit = before / now if known["better"] == "lower" else now / before
        word: Word = "worse" if not merit >= known["tolerance"] else "better" if merit >= CLEARLY_BETTER else "ok"
        verdicts.append(Verdict(name, word, now, before, merit))
    verdicts += [Verdict(name, "new", now=one["median"]) for name, one in ratios.items() if name not in baseline]
    unknown = [name for name in missing if name not in baseline and name not in ratios]
    return [*verdicts, *(Verdict(name, "not measured", note=missing[name]) for name in unknown)]


def read_results(folder: Path) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """Ratios and missing ratios of all benchmarks in a folder, by ``benchmark: name``, and each one's record."""
    ratios, missing, records = {}, {}, {}
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        name = content["benchmark"]
        ratios |= {f"{name}: {ratio}": value for ratio, value in content["ratios"].items()}
        missing |= {f"{name}: {ratio}": reason for ratio, reason in content["missing"].items()}
        records[name] = content["record"]
    return ratios, missing, records


def updated(
    baseline: Mapping[str, Mapping[str, Any]],
    ratios: Mapping[str, Mapping[str, Any]],
    missing: Mapping[str, str],
    benchmarks: Collection[str],
) -> dict[str, dict[str, Any]]:
    """The baseline updated with the measured values.

    Ratios that could not be measured or were not run are kept, and so are tolerances changed by hand. Ratios that a
    benchmark no longer has are removed.

    Args:
        baseline: Old ratios by name.
        ratios: Measured ratios by name.
        missing: Reasons why ratios were not measured, by name.
        benchmarks: Names of the benchmarks that were run.
    """
    new = {
        name: dict(known)
        for name, known in baseline.items()
        if name in ratios or name in missing or name.partition(":")[0] not in benchmarks
    }
    for name, one in ratios.items():
        tolerance = new.get(name, one)["tolerance"]
        new[name] = {"value": round(one["median"], 4), "better": one["better"], "tolerance": tolerance}
    return new


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of the benchmarks' JSON files")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    parser.add_argument("--update", action="store_true", help="make these results the baseline")
    chosen = parser.parse_args(words)
    ratios, missing, records = read_results(chosen.results)
    if not ratios and not missing:
        print(f"{chosen.results}: no results; run make bench, or a benchmark with --json {chosen.results}/NAME.json")
        return 2
    known = json.loads(chosen.baseline.read_text(encoding="utf-8")) if chosen.baseline.is_file() else {"ratios": {}}
    if chosen.update:
        content = {
            "records": known.get("records", {}) | records,
            "ratios": updated(known["ratios"], ratios, missing, records),
        }
        chosen.baseline.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{chosen.baseline}: {len(ratios)} ratios")
        return 0
    verdicts = compare_ratios(ratios, known["ratios"], missing)
    print("\n".join(map(str, verdicts)))
    counts = Counter(verdict.word for verdict in verdicts)
    print("gate:", ", ".join(f"{number} {word}" for word, number in counts.items()))
    return 1 if counts["worse"] else 0


if __name__ == "__main__":
    sys.exit(main())
