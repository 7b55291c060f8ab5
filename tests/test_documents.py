"""Links and commands of all pages, and what they state about the package."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import render_fit
from render_fit.cli import app
from tests.pages import PAGES, ROOT, blocks_of, name_of, text_of

LANGUAGES = {
    "python": "run, or checked: test_page_code.py",
    "sh": "commands and options are checked here",
    "yaml": "read here",
    "toml": "run by test_plugins.py",
    "js": "illustration",
    "text": "output or illustration",
}
"""Language of a block → what a test does with it."""


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page):
    assert {block.language for block in blocks_of(page)} <= set(LANGUAGES)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist_with_their_options(page):
    group: Any = typer.main.get_command(app)
    script = "\n".join(block.code for block in blocks_of(page) if block.language == "sh").replace("\\\n", " ")
    for line in re.findall(r"^render-fit ([^|>&\n]*)", script, flags=re.MULTILINE):
        if "$" in line:
            continue  # values of the shell
        command, words = group, [word for word in shlex.split(line, comments=True) if word != ";"]
        while hasattr(command, "commands") and words and not words[0].startswith("-"):
            command = command.commands[words.pop(0)]
        command.make_context("render-fit", words)  # raises for an unknown option or a missing argument
    for module in re.findall(r"^python -m ((?:benchmarks|tests)[\w.]*)", script, flags=re.MULTILINE):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
    for name in re.findall(r"^python ((?:scripts|tests)/\w+\.py)", script, flags=re.MULTILINE):
        assert (ROOT / name).is_file(), name
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), flags=re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", script, flags=re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name_of)
def test_options_within_sentences_exist(page):
    """`render-fit fit --mask …` in a sentence need not be whole, but its command and options must exist."""
    for words in re.findall(r"`render-fit ([^`]+)`", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)):
        command: Any = typer.main.get_command(app)
        for word in words.replace("…", " ").split():
            if hasattr(command, "commands") and re.fullmatch(r"[a-z][a-z-]*", word):
                assert word in command.commands, words
                command = command.commands[word]
            elif word.startswith("--"):
                known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
                assert word.partition("=")[0] in known, words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_yaml_can_be_read(page):
    for block in blocks_of(page):
        if block.language == "yaml":
            assert isinstance(yaml.safe_load(block.code), dict), block.line


def test_the_citation_names_this_version():
    assert yaml.safe_load(text_of(ROOT / "CITATION.cff"))["version"] == render_fit.__version__
