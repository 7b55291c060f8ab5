"""Writes the results of ``make bench`` into docs/performance.md.

    python -m benchmarks.tables out/bench [--page docs/performance.md]

The page has a pair of comments for each benchmark, ``<!-- renderer -->`` and ``<!-- /renderer -->``. The text between
them is replaced by the table, the ratios, counts and checks, the machine and the command. The plot of ``growth`` is
copied to docs/images/cost.svg.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Spread, short
from benchmarks.report import ROOT, table

PAGE = ROOT / "docs" / "performance.md"


def block(results: Mapping[str, Any]) -> str:
    """One benchmark's results as Markdown."""
    figures = {(one["row"], one["column"]): _spread(one) for one in results["figures"]}
    parts = ["\n".join(table(figures))] if figures else []
    if results["ratios"]:
        lines = ["| ratio | | better |", "|---|---|---|"]
        lines += [f"| {name} | {_spread(one).number} | {one['better']} |" for name, one in results["ratios"].items()]
        parts.append("\n".join(lines))
    notes = [f"{name}: not measured, {reason}" for name, reason in results["missing"].items()]
    facts = {name: fact for name, fact in results["facts"].items() if not name.startswith("slowest")}
    notes += [f"{name}: {fact if isinstance(fact, str) else short(fact)}" for name, fact in facts.items()]
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    record = results["record"]
    versions = ", ".join(
        f"{name} {record['versions'][name]}" for name in ("torch", "numba") if name in record["versions"]
    )
    parts.append(
        f"*`{results['command'].partition(' --json')[0]}`; {record['cpu']}, {record['cores']} cores, {versions}; "
        f"commit {record['commit']}, {record['date'][:10]}, load before {record['load_before']}*"
    )
    return "\n\n".join(parts)


def filled(page: str, blocks: Mapping[str, str]) -> str:
    """The page with its blocks replaced.

    Raises:
        ValueError: if the page has no comments for a benchmark.
    """
    for name, text in blocks.items():
        pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
        page, found = pattern.subn(lambda match, text=text: f"{match[1]}\n{text}\n\n{match[2]}", page)
        if not found:
            raise ValueError(f"page: has no <!-- {name} --> … <!-- /{name} --> to put its results between")
    return page


def _spread(one: Mapping[str, Any]) -> Spread:
    return Spread(one["median"], one["low"], one["high"], one["n"], one["unit"])


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of the benchmarks' JSON files")
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args(words)
    blocks = {}
    for path in sorted(chosen.results.glob("*.json")):
        results = json.loads(path.read_text(encoding="utf-8"))
        blocks[results["benchmark"]] = block(results)
    plot = chosen.results / "growth.svg"
    if plot.is_file():
        shutil.copyfile(plot, chosen.page.parent / "images" / "cost.svg")
    chosen.page.write_text(filled(chosen.page.read_text(encoding="utf-8"), blocks), encoding="utf-8")
    print(f"{chosen.page}: {', '.join(blocks) or 'no results found'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
