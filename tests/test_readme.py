"""Runs the examples of docs/scale.md and of docstrings; files that the README mentions exist."""

import doctest
import importlib
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

import render_fit
from render_fit.cli import app
from tests.photos import write_person, write_recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCALE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
PACKAGE = Path(render_fit.__file__).parent
WITH_EXAMPLES = sorted(path for path in PACKAGE.rglob("*.py") if ">>>" in path.read_text(encoding="utf-8"))


def blocks(language, page):
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def test_the_commands_for_many_machines_exist_with_their_options():
    command = typer.main.get_command(app)
    text = re.sub(r'"\$\w+"|\$\(\(.*?\)\)|\$\w+|\{\}', "1", "\n".join(blocks("sh", SCALE)))  # values of the shell
    shown = re.findall(r"render-fit (\w+) ([^\n#\"'>:]*)", text)
    assert len(shown) >= 8
    for name, line in shown:
        command.commands[name].make_context(name, shlex.split(line))  # raises for an unknown option


def test_shards_from_ray_fit_every_photo(tmp_path, monkeypatch):
    """The example with a stand-in for Ray that maps rows in this process."""
    for stem in ("a", "b", "c"):
        write_person(tmp_path / "photos", stem)
    (code,) = blocks("python", SCALE)
    assert code.count("/shared") == 2
    options = (
        f"rf.FitOptions(recipe={str(write_recipe(tmp_path))!r}, save=()), observations={str(tmp_path / 'photos')!r}"
    )
    code = code.replace('"/shared/photos"', f'"/shared/photos", {options}').replace("/shared", str(tmp_path))
    rows = []

    class Data:
        def __init__(self, rows):
            self.rows = rows

        def map(self, work, num_cpus):
            return Data([work(row) for row in self.rows])

        def to_pandas(self):
            rows.extend(self.rows)

    made = SimpleNamespace(
        data=SimpleNamespace(range=lambda n, override_num_blocks: Data([{"id": k} for k in range(n)]))
    )
    monkeypatch.setitem(sys.modules, "ray", made)
    exec(compile(code, "scale.md", "exec"), {})
    assert (len(rows), sum(row["photos"] for row in rows), sum(row["failed"] for row in rows)) == (32, 3, 0)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a", "b", "c", "shards.json"}


def test_the_two_commands_of_a_fresh_clone_are_named():
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"`make {name}`" in README and f"\n{name}:" in targets for name in ("demo", "test"))


def test_files_that_are_mentioned_exist():
    mentioned = set(re.findall(r"docs/[\w/]+\.(?:md|png|webp)|notebooks/\w+\.py|tests/\w+\.py", README))
    assert mentioned
    assert [name for name in sorted(mentioned) if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_docstring_examples_run(path):
    module = importlib.import_module(".".join(["render_fit", *path.relative_to(PACKAGE).with_suffix("").parts]))
    assert doctest.testmod(module).failed == 0
