"""Hook of the documentation site: the notebooks as pages, each with the picture that docs/notebooks.md shows of it.

Notebooks are Python files in jupytext's percent format, without outputs. Formulas become small pictures by matplotlib,
since a library that draws them in the browser would come from another host.
"""

from __future__ import annotations

import base64
import html
import io
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
LIST = "notebooks.md"
FOLDER = "notebooks"
PICTURES = "images/notebooks"

FONT_SIZE = 12.0
"""Of formulas, points."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages, and a section with the list and them after the gallery."""
    notebooks = sorted((ROOT / FOLDER).glob("*.py"))
    if files.get_file_from_path(LIST) is None or not notebooks:
        return files
    for path in notebooks:
        files.append(File.generated(config, f"{FOLDER}/{path.stem}.md", content=notebook_page(path)))
    nav: list[Any] = config.nav  # pyright: ignore[reportAssignmentType]
    after = next(number for number, entry in enumerate(nav) if "Gallery" in entry) + 1
    nav.insert(after, {"Notebooks": [LIST, *(f"{FOLDER}/{path.stem}.md" for path in notebooks)]})
    return files


def notebook_page(path: Path) -> str:
    """Markdown of a notebook: its text, and its code as blocks."""
    source = re.sub(r"\A# ---\n.*?# ---\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    cells = []
    for cell in re.split(r"^# %%", source, flags=re.MULTILINE)[1:]:
        head, _, content = cell.partition("\n")
        if "[markdown]" in head:
            text = re.sub(r"^# ?", "", content, flags=re.MULTILINE).strip()
            cells.append(with_formulas(re.sub(r"(?<![\w`/(\[])docs/(\w+)\.md", r"[\1](../\1.md)", text)))
        else:
            cells.append(f"```python\n{content.strip()}\n```")
    if (ROOT / "docs" / PICTURES / f"{path.stem}.png").is_file():
        cells.insert(1, f"![{described(path.stem)}](../{PICTURES}/{path.stem}.png)")
    where = f"This is `{FOLDER}/{path.name}`, without outputs: [run it](../{LIST}) to see all figures. One of them:"
    return "\n\n".join([cells[0], where, *cells[1:]]) + "\n"


def described(name: str) -> str:
    """What the list of notebooks says that a notebook's picture shows."""
    text = (ROOT / "docs" / LIST).read_text(encoding="utf-8")
    found = re.search(rf"!\[([^\]]+)\]\({PICTURES}/{name}\.png\)", text)
    return found[1] if found else name


def with_formulas(text: str) -> str:
    """Text whose ``$formulas$`` are pictures; their source is the alternative text."""

    def drawn(found: re.Match[str]) -> str:
        return picture(found[1] or found[2], display=bool(found[1]))

    return re.sub(r"\$\$(.+?)\$\$|\$((?:[^$\n]|\n(?!\n))+)\$", drawn, text, flags=re.DOTALL)


def picture(formula: str, display: bool) -> str:
    """A formula as an image that stands on the line; as code, if matplotlib is missing or does not know it."""
    formula = " ".join(formula.split())
    known = re.sub(r"\\(big|left|right)(?![a-z])", "", formula)
    known = re.sub(r"\\(mathcal|bar|hat) (\w)", r"\\\1{\2}", known).replace("\\;", "\\ ")
    try:
        from matplotlib import rc_context
        from matplotlib.mathtext import math_to_image

        buffer = io.BytesIO()
        with rc_context({"figure.facecolor": "none"}):  # pages are light or dark
            depth = math_to_image(f"${known}$", buffer, dpi=86, format="svg")
    except (ImportError, ValueError):
        return f"`{formula}`"
    source = base64.b64encode(buffer.getvalue()).decode()
    kind = "formula display" if display else "formula"
    return (
        f'<img class="{kind}" alt="{html.escape(formula)}" style="vertical-align: {-depth / FONT_SIZE:.2f}em" '
        f'src="data:image/svg+xml;base64,{source}">'
    )
