"""The same input gives the same numbers, to the bit: nothing depends on memory that was not initialised."""

import ast
from pathlib import Path

import torch

import render_fit
from render_fit.fitting.shared_shape import fused

TIMES = 100
PACKAGE = Path(render_fit.__file__).parent


def _disturb_memory() -> None:
    """Leaves numbers in small blocks of memory, which the next tensors of that size get."""
    for size in (5, 10, 20):
        torch.randint(0, 9, (size,), dtype=torch.int32)


def test_the_mean_of_shapes_is_the_same_every_time():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(2, 10, 10, generator=generator)
    betas, told = torch.randn(2, 10, generator=generator), root @ root.mT
    found = set()
    for _ in range(TIMES):
        _disturb_memory()
        found.add(fused(betas, told)[0].numpy().tobytes())
    assert len(found) == 1


def test_least_squares_name_a_driver():
    """The default of `torch.linalg.lstsq` (gelsy) reads an array of pivots that torch leaves uninitialised."""
    without = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("torch.linalg.lstsq"):
                continue
            if not any(keyword.arg == "driver" for keyword in node.keywords):
                without.append(f"{path.name}:{node.lineno}")
    assert not without
