"""Imports that are put off: who gets the stand-in, and when the module is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from render_fit.core.deferred_imports import deferred


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package ``slow_part``, and a module ``quick_part`` that imports it in both ways."""
    (tmp_path / "slow_part").mkdir()
    (tmp_path / "slow_part/__init__.py").write_text("value, kind = 3, 'real'\n")
    (tmp_path / "slow_part/inner.py").write_text("depth = 2\n")
    (tmp_path / "quick_part.py").write_text("import slow_part\nfrom slow_part import kind\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("slow_part", "slow_part.inner", "quick_part"):
        sys.modules.pop(name, None)


def test_the_module_is_imported_when_it_is_used(library: None) -> None:
    with deferred("slow_part", kind="stand-in"):
        import quick_part  # pyright: ignore[reportMissingImports]
    assert quick_part.kind == "stand-in"
    assert "slow_part" not in sys.modules
    assert quick_part.slow_part.value == 3
    import slow_part  # pyright: ignore[reportMissingImports]
    import slow_part.inner  # pyright: ignore[reportMissingImports]

    assert slow_part.kind == "real" and quick_part.slow_part.inner.depth == 2


def test_use_within_the_block_gives_the_module_itself(library: None) -> None:
    with deferred("slow_part"):
        import quick_part  # pyright: ignore[reportMissingImports]
    assert quick_part.kind == "real"
    assert sys.modules["slow_part"].kind == "real"


def test_a_module_that_is_there_is_not_replaced(library: None) -> None:
    import slow_part  # pyright: ignore[reportMissingImports]

    with deferred("slow_part", kind="stand-in"):
        import quick_part  # pyright: ignore[reportMissingImports]
    assert quick_part.slow_part is slow_part and quick_part.kind == "real"


def test_a_module_that_is_not_installed_is_an_error() -> None:
    with deferred("no_such_package"), pytest.raises(ModuleNotFoundError):
        import no_such_package  # noqa: F401  # pyright: ignore[reportMissingImports]


COMPILED = """
import sys
from render_fit.core.rotations import roma
import torch
assert "torch._dynamo" not in sys.modules and "_dynamo" not in vars(torch)
moved, turn = torch.randn(2, 5, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
tangent = lambda moved, turn: torch.func.jvp(roma.special_procrustes, (moved,), (turn,))
compiled = torch.compile(tangent, backend="eager")(moved, turn)
assert all(torch.equal(one, other) for one, other in zip(compiled, tangent(moved, turn)))
from torch._dynamo.utils import counters
print(sum(counters["graph_break"].values()))
"""


def test_roma_is_still_excluded_from_compilation_where_it_wants_to_be() -> None:
    # roma leaves the compiled graph under a functorch transform; dynamo would drop its custom derivative otherwise
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 1
