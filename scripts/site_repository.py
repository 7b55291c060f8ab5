"""Hook of the documentation site: pages that are files of the repository's root.

README.md is the start page, so that what it says stands in one place. Links between these files and docs/ are rewritten
to the places that they have in the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "NOTICE": "project/notice.md",
}
"""File of the repository → page of the site."""


BOOST = {"get_started.md": 2, "how_to": 2, "coming_from.md": 2, "notebooks": 0.5, "project": 0.1}
"""Weight in the search of a page, or of all pages of a folder; 1 for others."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages. Pages of docs/ that mkdocs.yml does not name stand at the end of the list."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=page_of(name, page)))
    named = set(re.findall(r"[\w/-]+\.md", str(config.nav)))
    left = [file.src_uri for file in files.documentation_pages() if file.src_uri not in named]
    if left:
        config.nav.append({"More": sorted(left)})  # pyright: ignore[reportOptionalMemberAccess]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lets links of pages in docs/ to other files of the repository lead to their pages; without a page they are text.

    A page that is a section by itself has no list of pages beside it. Searches find tasks first and history last.
    """
    if page.parent is None:
        page.meta["hide"] = ["navigation"]
    top = PurePosixPath(page.file.src_uri).parts[0]
    page.meta.setdefault("search", {"boost": BOOST.get(top, 1)})
    here = PurePosixPath(page.file.src_uri).parent
    up = "../" * len(here.parts)

    def moved(link: re.Match[str]) -> str:
        label, target, anchor = link[1], posixpath.normpath(here / link[2]), link[3] or ""
        if not target.startswith("../"):
            return link[0]
        name = target.removeprefix("../")
        notebook = re.fullmatch(r"(notebooks/\w+)\.py", name)
        if notebook:
            return f"[{label}]({up}{notebook[1]}.md)"
        return f"[{label}]({up}{PAGES[name]}{anchor})" if name in PAGES else label

    return re.sub(r"(?<!!)\[([^\]]*)\]\(((?:\.\./)[^)#\s]+)(#[^)\s]*)?\)", moved, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Marks short code, such as ``--box``, which a narrow page must not break at a hyphen."""
    return re.sub(r"<code>([^<]{1,16})</code>", r'<code class="short">\1</code>', html)


def page_of(name: str, page: str) -> str:
    """Markdown of a file of the root, for a page of the site.

    Args:
        name: Name of the file.
        page: Path of the page in the site.
    """
    text = (ROOT / name).read_text(encoding="utf-8")
    if not name.endswith(".md"):
        return f"# {name.capitalize()}\n\n```text\n{text}```\n"
    up = "../" * (len(PurePosixPath(page).parts) - 1)

    def moved(target: re.Match[str]) -> str:
        path, hash_, anchor = target[2].partition("#")
        if path.startswith("docs/"):
            path = up + path.removeprefix("docs/")
        elif path in PAGES:
            path = up + PAGES[path]
        return f"{target[1]}{path}{hash_}{anchor}{target[3]}"

    text = re.sub(r"(\]\()([^)\s]+)(\))", moved, text)
    return re.sub(r'((?:src|href)=")([^"]+)(")', moved, text)
