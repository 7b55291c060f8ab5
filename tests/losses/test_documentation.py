"""docs/losses.md: its code runs, and it knows every term."""

import doctest
import re
from pathlib import Path

import pytest

from render_fit.fitting import landscapes
from render_fit.losses import term
from render_fit.losses.registry import TERMS

PAGE = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["looking", "own term"])
def test_examples_run(example, capsys):
    exec(compile(example, "docs/losses.md", "exec"), {"__name__": "example"})
    said = re.findall(r"\[(.*?)\]", capsys.readouterr().out)
    # The term of one's own falls a hundredfold.
    assert not said or float(said[1]) < 0.01 * float(said[0])


def test_every_term_has_a_line():
    assert [name for name in TERMS if f"| `{name}` |" not in PAGE] == []


@pytest.mark.parametrize("module", [landscapes, term], ids=lambda module: module.__name__)
def test_docstring_examples_run(module):
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0
