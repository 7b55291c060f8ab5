"""The documentation site: built strictly, links and anchors lead somewhere, nothing comes from other hosts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest
import typer

import render_fit
from render_fit.cli import app

ROOT = Path(__file__).parents[1]


@dataclass
class Page:
    """What a page of the site has and asks for."""

    ids: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    resources: set[str] = field(default_factory=set)
    """Images, scripts, style sheets: what a browser fetches to show the page."""
    text: list[str] = field(default_factory=list)


class Reader(HTMLParser):
    """Reads a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.page = Page()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.page.ids.add(values["id"])
        if tag == "a" and "href" in values:
            self.page.links.add(values["href"])
        elif tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload", "preconnect", "modulepreload"):
            self.page.resources.add(values["href"])
        elif tag in ("img", "script", "iframe", "video", "source", "audio", "embed") and values.get("src"):
            self.page.resources.add(values["src"])

    def handle_data(self, data: str) -> None:
        self.page.text.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings_handlers.python")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr + built.stdout
    return out


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Reader(path.read_text(encoding="utf-8")).page for path in site.rglob("*.html")}


def test_links_and_anchors_lead_somewhere(site, pages):
    lost = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links are absolute: it is shown at any address
            continue
        for link in page.links | page.resources:
            if re.match(r"[a-z]+:", link):
                continue
            address, anchor = urldefrag(link)
            target = (path.parent / unquote(address)).resolve() if address else path
            if not target.is_file() or (anchor and target in pages and unquote(anchor) not in pages[target].ids):
                lost.append(f"{path.relative_to(site)}: {link}")
    assert not lost


def test_nothing_is_fetched_from_other_hosts(site, pages):
    fetched = set().union(*(page.resources for page in pages.values()))
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    fetched |= set(re.findall(r"""url\(["']?([^)"']+)""", styles)) | set(re.findall(r"@import ([^;]+)", styles))
    outside = {resource for resource in fetched if re.match(r"([a-z]+:)?//", resource)}
    assert not outside
    # the theme would fetch a library from its host for these blocks
    assert not [path for path in pages if 'class="mermaid"' in path.read_text(encoding="utf-8")]


def test_the_search_index_knows_every_page(site, pages):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {urldefrag(entry["location"])[0] or "index.html" for entry in index["docs"]}
    assert {path.relative_to(site).as_posix() for path in pages} - {"404.html"} == found
    words = " ".join(entry["text"] + entry["title"] for entry in index["docs"])
    assert all(word in words for word in ("PA-MPJPE", "--height-m", "fit_image", "SMPLify-X"))


def test_every_command_and_option_is_in_the_reference(pages, site):
    page = pages[site / "reference" / "commands.html"]
    text = " ".join(page.text)
    groups = [typer.main.get_command(app)]
    options = set()
    while groups:
        group: Any = groups.pop()
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                groups.append(command)
            else:
                assert any(id_.endswith(f"-{name}") for id_ in page.ids), name
            options |= {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    assert not [option for option in options if option not in text]


def test_every_public_name_has_an_entry(pages):
    ids = set().union(*(page.ids for path, page in pages.items() if path.parent.name == "api"))
    assert not [name for name in render_fit.__all__ if not any(id_.endswith(f".{name}") for id_ in ids)]
