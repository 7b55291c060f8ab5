"""Pages that need no other file but their pictures: one style, light and dark, for the gallery and its relatives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from render_fit.core.files import write_bytes


def write_page(path: Path | str, package: str, name: str, parts: Mapping[str, str]) -> Path:
    """Writes a page: a template with its style and script, after those of all pages (``page.css``, ``page.js``).

    The head of all pages is ``head.html``.

    Args:
        path: HTML file.
        package: Package with the template: ``NAME.html``, which follows the head, ``NAME.css`` and ``NAME.js``.
        name: NAME.
        parts: HTML for the places of the template: ``{title}`` and so on. Those of ``{style}`` and ``{script}`` are
            filled here.

    Returns:
        The path.
    """
    own, shared = resources.files(package), resources.files("render_fit.export")
    style, script = (
        (shared / f"page.{kind}").read_text(encoding="utf-8") + (own / f"{name}.{kind}").read_text(encoding="utf-8")
        for kind in ("css", "js")
    )
    template = "".join(one.read_text(encoding="utf-8") for one in (shared / "head.html", own / f"{name}.html"))
    places = {**parts, "style": style, "script": script}
    page = re.sub(r"\{(\w+)\}", lambda found: places.get(found[1], found[0]), template)
    return write_bytes(path, page.encode(errors="replace"))
