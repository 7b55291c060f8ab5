"""Runs the examples of the README and of docstrings."""

import doctest
import importlib
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

import render_fit
from render_fit.cli import app
from tests.photos import write_recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGE = Path(render_fit.__file__).parent
WITH_EXAMPLES = sorted(path for path in PACKAGE.rglob("*.py") if ">>>" in path.read_text(encoding="utf-8"))


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_example_runs(tmp_path, monkeypatch):
    data = pytest.importorskip("skimage.data")
    Image.fromarray(np.asarray(data.astronaut())).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    assert code.count('"hybrid"') == 1
    exec(compile(code.replace('"hybrid"', repr(str(write_recipe(tmp_path)))), "README.md", "exec"), {})
    assert (tmp_path / "out" / "photo" / "overlay.png").is_file()


def test_the_commands_exist_with_their_options():
    command = typer.main.get_command(app)
    shown = [shlex.split(line, comments=True)[1:] for line in re.findall(r"^render-fit .*", README, flags=re.MULTILINE)]
    assert len(shown) >= 5
    for name, *arguments in shown:
        command.commands[name].make_context(name, arguments)  # raises for an unknown option


def test_files_that_are_mentioned_exist():
    mentioned = set(re.findall(r"docs/[\w/]+\.(?:md|png)|notebooks/\w+\.ipynb|tests/\w+\.py", README))
    assert mentioned
    assert [name for name in sorted(mentioned) if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_docstring_examples_run(path):
    module = importlib.import_module(".".join(["render_fit", *path.relative_to(PACKAGE).with_suffix("").parts]))
    assert doctest.testmod(module).failed == 0
