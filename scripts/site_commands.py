"""Hook of the documentation site: the page of all commands, written from the application itself."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from render_fit.cli import app

PAGE = "reference/commands.md"

INTRODUCTION = """# Commands

Every command, option and default, written from the application while this site is built. In a terminal:
`render-fit COMMAND --help`. A mistake in options, names or files is one line on stderr and exit code 2; a failed fit
exits with 1, Ctrl-C with 130.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page."""
    files.append(File.generated(config, PAGE, content=commands_page()))
    return files


def commands_page() -> str:
    """Markdown of the page."""
    commands = list(all_commands(typer.main.get_command(app), ("render-fit",)))
    lines = [INTRODUCTION, "| command | what it does |", "|---|---|"]
    for words, command in commands:
        first = plain(command.help or "").split("\n\n")[0]
        lines.append(f"| [`{' '.join(words[1:])}`](#{'-'.join(words)}) | {cell(first)} |")
    for words, command in commands:
        lines += ["", *command_section(words, command)]
    return "\n".join(lines) + "\n"


def all_commands(group: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from all_commands(command, (*words, name))
        else:
            yield (*words, name), command


def command_section(words: tuple[str, ...], command: Any) -> list[str]:
    """Heading, usage, help and options of a command."""
    context = command.context_class(command, info_name=" ".join(words))
    usage = re.sub(r"[{}]", "", command.get_usage(context).removeprefix("Usage: "))  # Typer's around what is required
    lines = [f"## {' '.join(words)}", "", "```text", usage, "```", ""]
    lines += [paragraph + "\n" for paragraph in paragraphs(command.help or "")]
    panels: dict[str, list[Any]] = {}
    for parameter in sorted(command.params, key=lambda parameter: parameter.param_type_name != "argument"):
        if not getattr(parameter, "hidden", False):
            panels.setdefault(getattr(parameter, "rich_help_panel", None) or "Options", []).append(parameter)
    for panel, parameters in panels.items():
        head = ["| option | meaning | default |", "|---|---|---|"]
        rows = [row(parameter, context) for parameter in parameters]
        lines += [f"**{panel}**", "", '<div class="stacked options" markdown>', "", *head, *rows, "", "</div>", ""]
    return lines


def row(parameter: Any, context: Any) -> str:
    """A line of the table: names with the value's form, meaning, default."""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("-"))
    named = f"{names} {cell(form(parameter, context))}" if names else f"`{parameter.metavar or parameter.name.upper()}`"
    default = parameter.default
    if parameter.required:
        shown = "*required*"
    elif default is None or default is False or default in ("", (), []) or callable(default):
        shown = ""
    elif default is True:
        shown = f"`{parameter.opts[0]}`" if parameter.secondary_opts else ""
    elif isinstance(default, (list, tuple)):
        shown = ", ".join(f"`{value}`" for value in default)
    else:
        shown = f"`{default.as_posix() if isinstance(default, Path) else getattr(default, 'value', default)}`"
    return f"| {named} | {cell(plain(parameter.help or ''))} | {shown} |"


def form(parameter: Any, context: Any) -> str:
    """What an option takes: a name for the value, its type or its choices; nothing for a switch."""
    if getattr(parameter, "is_flag", False):
        return ""
    if parameter.metavar is not None:
        return parameter.metavar
    # Typer's own since it has a click of its own, before that click's
    shown = parameter.display_type(context) if hasattr(parameter, "display_type") else parameter.make_metavar(context)
    return str(shown or "").lower()


def paragraphs(text: str) -> Iterator[str]:
    """Help in Markdown: lines that begin with a command become code, other lines are text."""
    example: list[str] = []
    for paragraph in plain(text).split("\n\n"):
        if paragraph.startswith("  "):
            example += [line.strip() for line in paragraph.splitlines()]
            continue
        if example:
            yield "```sh\n" + "\n".join(example) + "\n```"
            example = []
        yield linked(html.escape(paragraph.strip(), quote=False))
    if example:
        yield "```sh\n" + "\n".join(example) + "\n```"


def plain(text: str) -> str:
    """Help without the markup of the terminal."""
    return re.sub(r"\[/?(bold|dim|italic|cyan|link)\]", "", text).replace("\\[", "[").strip("\n")


def cell(text: str) -> str:
    """Text within a table."""
    text = " ".join(text.split())
    return re.sub(r"([*_])", r"\\\1", linked(html.escape(text, quote=False))).replace("|", "\\|")


def linked(text: str) -> str:
    """Text whose names of pages are links."""
    return re.sub(r"docs/(\w+)\.md", r"[\1](../\1.md)", text)
