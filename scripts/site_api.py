"""Hook of the documentation site: one page per task for the names of `render_fit.__all__`, by their docstrings."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import render_fit

FOLDER = "reference/api"

INTRODUCTION = """# Python

The public names, as `import render_fit as rf` gives them. Everything else may move between releases
([what is public](../../extending.md#what-is-public)). Shapes in signatures are
[named by one table](../../conventions.md#names-of-dimensions-in-signatures).

| task | names |
|---|---|
"""

MODULES = ("metrics",)
"""Public names that are modules: their functions are listed."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages."""
    rows = ""
    for task, names in tasks().items():
        files.append(File.generated(config, f"{FOLDER}/{task}.md", content=task_page(task, names)))
        links = ", ".join(f"[`{name}`]({task}.md#{anchor(module, name)})" for name, module in names.items())
        rows += f"| [{task}]({task}.md) | {links} |\n"
    files.append(File.generated(config, f"{FOLDER}/index.md", content=INTRODUCTION + rows))
    return files


def tasks() -> dict[str, dict[str, str]]:
    """Task → public name → its module, in the order and by the comments of the package's own table."""
    source = Path(render_fit.__file__).read_text(encoding="utf-8")
    table = source[source.index("_HOME = {") : source.index("\n}\n")]
    found: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    for line in table.splitlines():
        if comment := re.fullmatch(r"\s*# (\w+)", line):
            names = found.setdefault(comment[1], {})
        elif entry := re.fullmatch(r'\s*"([\w.]+)": \((.*)\),', line):
            names |= {name: f"render_fit.{entry[1]}" for name in re.findall(r'"(\w+)"', entry[2])}
    return found


def task_page(task: str, names: dict[str, str]) -> str:
    """Markdown of a page; mkdocstrings writes the content."""
    blocks = [
        f"::: {module}.{name}\n" + ("    options: {members: true}\n" if name in MODULES else "")
        for name, module in names.items()
    ]
    return f"# {task.capitalize()}\n\n" + "\n".join(blocks)


def anchor(module: str, name: str) -> str:
    """Anchor of a name in its page: where it is defined."""
    return f"{module}.{name}"
