"""The documentation site: built strictly, links and anchors lead somewhere, nothing comes from other hosts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest
import typer
from filelock import FileLock

import render_fit
from render_fit.cli import app
from tests.browser import Browser

ROOT = Path(__file__).parents[1]

PHONE = (390, 844)
"""Width and height of a phone's page, pixels."""

OF_EVERY_KIND = (
    "index.html", "gallery.html", "how_to/known_numbers.html", "notebooks/02_silhouette_gradients.html",
    "reference/commands.html", "reference/api/observe.html", "training_measured.html", "other_systems.html",
)  # fmt: skip
"""Pages that a browser opens: one of each kind, and those with the widest tables."""

FOUND_FIRST = {
    "regressor": "how_to/train.html",
    "focal length": "how_to/known_numbers.html",
    "install": "get_started.html",
    "waist": "how_to/measure.html",
    "occluded": "how_to/known_observations.html",
    "SPIN": "coming_from.html",
    "resume": "how_to/folder_of_photos.html",
}
"""Words → the page that a search shows first."""


@dataclass
class Page:
    """What a page of the site has and asks for."""

    ids: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    resources: set[str] = field(default_factory=set)
    """Images, scripts, style sheets: what a browser fetches to show the page."""
    text: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    """Text that is no code."""
    titles: int = 0
    """Number of main headings."""
    silent: list[str] = field(default_factory=list)
    """Pictures without a text in place of them."""


class Reader(HTMLParser):
    """Reads a page."""

    CODE = ("code", "pre", "script", "style", "title")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.page, self._code = Page(), 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._code += tag in self.CODE
        self.page.titles += tag == "h1"
        if tag == "img" and not values.get("alt", "").strip():
            self.page.silent.append(values.get("src", ""))
        if "id" in values:
            self.page.ids.add(values["id"])
        if tag == "a" and "href" in values:
            self.page.links.add(values["href"])
        elif tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload", "preconnect", "modulepreload"):
            self.page.resources.add(values["href"])
        elif tag in ("img", "script", "iframe", "video", "source", "audio", "embed") and values.get("src"):
            self.page.resources.add(values["src"])

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in self.CODE

    def handle_data(self, data: str) -> None:
        self.page.text.append(data)
        if not self._code:
            self.page.prose.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site; built strictly, so that a lost link or a page that is no Markdown fails here."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings_handlers.python")
    base = tmp_path_factory.getbasetemp()
    out = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "site"
    with FileLock(f"{out}.lock"):  # several processes of tests build it once
        if not (out / "sitemap.xml").is_file():
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


def test_pictures_have_texts_and_pages_one_title(site, pages):
    assert not {path.relative_to(site): page.silent for path, page in pages.items() if page.silent}
    assert not {path.relative_to(site): page.titles for path, page in pages.items() if page.titles != 1}


def test_no_markup_is_left_in_the_text(site, pages):
    """Escapes, links, emphasis and formulas that Markdown did not understand are shown as they were written."""
    left = {
        f"{path.relative_to(site)}: {found[0]}"
        for path, page in pages.items()
        for found in re.finditer(r"\\\S+|\]\(\S*|\*\*\S*|``?|\{:", " ".join(page.prose))
    }
    assert not left


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


def test_pictures_are_small(site):
    sizes = {path.name: path.stat().st_size for path in (site / "images").rglob("*.*")}
    assert sizes["fit.webp"] < 1_500_000 and sum(sizes.values()) < 8_000_000


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    """Where a server on this machine shows the site: the search does not work from disk."""
    handler = partial(QuietHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"), PHONE)
    browser.resize(*PHONE, phone=True)
    yield browser
    browser.close()


@pytest.mark.parametrize("page", OF_EVERY_KIND)
def test_on_a_phone_nothing_is_wider_than_the_page(browser, address, page):
    """Wide tables and code scroll within the page."""
    browser.open(f"{address}/{page}")
    assert browser.run("document.documentElement.scrollWidth") <= PHONE[0]
    code = f"""[...document.querySelectorAll('.md-content :is(p, li, h1, h2, img, td)')]
        .filter(one => !one.closest('.md-typeset__scrollwrap') || one.closest('.stacked, .doc-section-item'))
        .filter(one => one.getBoundingClientRect().right > {PHONE[0]} + 1).map(one => one.outerHTML.slice(0, 80))"""
    assert browser.run(code) == []
    assert browser.run("[...document.querySelectorAll('img.formula')].every(one => one.height < 80)")
    assert browser.problems == []


@pytest.mark.parametrize(("words", "wanted"), FOUND_FIRST.items())
def test_the_search_finds_what_is_looked_for_first(browser, address, words, wanted):
    browser.open(f"{address}/index.html?q={words.replace(' ', '+')}")
    browser.wait("document.querySelectorAll('.md-search-result__item a').length", 30)
    first = browser.run("new URL(document.querySelector('.md-search-result__item a').href).pathname")
    assert first == f"/{wanted}"
