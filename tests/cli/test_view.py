"""``render-fit view``: its page, and what it says without viser."""

from __future__ import annotations

import sys

import pytest

from render_fit.cli import app
from render_fit.export.fit_folder import write_fit
from render_fit.renderers import make_renderer
from tests.fits import known_fit


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_fit(tmp_path_factory.mktemp("fits") / "photo", known_fit(), make_renderer("cpu"), save=())


def run(*words):
    with pytest.raises(SystemExit) as stop:
        app(list(map(str, words)))
    return stop.value.code


def test_without_viser_it_says_in_one_line_what_to_install(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "viser", None)
    assert run("view", folder) == 2
    out, err = capsys.readouterr()
    assert out == "" and err == "render-fit: the viewer needs viser: pip install 'render-fit[view]'\n"


def test_a_page_is_written_that_needs_no_server(folder, tmp_path, capsys):
    pytest.importorskip("viser")
    page = tmp_path / "page.html"
    assert run("view", folder, "--export", page, "--port", 8630) == 0
    assert str(page) in capsys.readouterr().out
    content = page.read_text(encoding="utf-8")
    assert content.lower().startswith("<!doctype html") and "<canvas" not in content[:100] and len(content) > 500_000


def test_a_damaged_fit_is_told_in_one_line(folder, tmp_path, capsys):
    pytest.importorskip("viser")
    (tmp_path / "params.npz").write_bytes(b"no archive")
    assert run("view", tmp_path, "--no-browser") == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "params.npz" in err
