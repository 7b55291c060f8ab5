"""The pages of the documentation, and the code that stands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

FENCE = re.compile(
    r"(?:^[ ]*<!-- not run: (?P<reason>[^\n]+?) -->\n)?"
    r"^(?P<indent>[ ]*)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```",
    flags=re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        language: What stands behind the fence; ``sh`` for indented blocks that are commands.
        code: The code, without indentation.
        line: Number of its first line in the page.
        reason: Why it is not run, if a comment before it says so.
    """

    language: str
    code: str
    line: int
    reason: str | None = None


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """The page's fenced blocks, and its indented ones that are commands, in their order."""
    text = text_of(page)
    found = []
    for fence in FENCE.finditer(text):
        code = re.sub(rf"^{fence['indent']}", "", fence["code"], flags=re.MULTILINE)
        line = text.count("\n", 0, fence.start("code")) + 1
        language = "sh" if fence["language"] == "console" else fence["language"]
        found.append(Block(language, code, line, fence["reason"]))
    rest = FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), text)
    for indented in re.finditer(r"(?<=\n\n)(?: {4}[^\n]*\n)+", rest):
        if re.match(r" {4}(render-fit|python|pip|make) ", indented[0]):
            code = re.sub(r"^ {4}", "", indented[0], flags=re.MULTILINE)
            found.append(Block("sh", code, rest.count("\n", 0, indented.start()) + 1))
    return sorted(found, key=lambda block: block.line)
