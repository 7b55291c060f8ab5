"""Notebooks run from top to bottom, in time, and are committed without outputs that nobody can review."""

import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

LIMIT_S = 60
"""Wall time on two idle cores with compiled kernels; a busy machine and a first compilation get more."""


def test_there_is_a_first_notebook():
    assert [path.name for path in NOTEBOOKS][:1] == ["01_loss_terms.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom(path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(path, as_version=4)
    began = time.process_time()
    NotebookClient(
        notebook, timeout=10 * LIMIT_S, kernel_name="python3", resources={"metadata": {"path": FOLDER}}
    ).execute()
    assert time.process_time() - began < LIMIT_S
    figures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(figures) >= 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_without_outputs_and_cells_stay_short(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert path.stat().st_size < 500_000
    # "a handful of lines per cell, no plumbing" (issue 2): imports aside, no cell needs more.
    assert max(len(cell.source.splitlines()) for cell in code) <= 20
