"""Notebooks run from top to bottom within a time limit and are committed without outputs."""

import resource
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from render_fit.bodies import open_body
from render_fit.fitting.landscapes import compose, pull
from render_fit.fitting.variables import Variables
from render_fit.renderers import RenderSettings
from render_fit.synthesis import everyday_pose, synthetic_scene

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

LIMIT_S = 60
"""Seconds on two cores: the limit on CPU time, which a busy machine changes little, is twice this."""


@pytest.fixture(scope="module")
def compiled_kernels() -> None:
    """Compiles the kernels that notebooks use, so that compilation is not counted."""
    scene = synthetic_scene(open_body(), everyday_pose("a_pose"), seed=0)
    for silhouette in ("contour", "softras"):
        settings = RenderSettings(silhouette)
        problem = compose(scene.observation(), {"silhouette_l2": 1, "parts": 1}, size=32, settings=settings)
        for term in problem.objective.terms:
            pull(problem, Variables.from_parameters(problem.body, scene.parameters), term)


def cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_there_is_a_first_notebook():
    assert [path.name for path in NOTEBOOKS][:1] == ["01_loss_terms.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom(path, compiled_kernels, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(path, as_version=4)
    before = cpu_seconds_of_children()
    resources = {"metadata": {"path": FOLDER}}
    NotebookClient(notebook, timeout=10 * LIMIT_S, kernel_name="python3", resources=resources).execute()
    assert cpu_seconds_of_children() - before < 2 * LIMIT_S
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_without_outputs_and_cells_stay_short(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert path.stat().st_size < 500_000
    # "a handful of lines per cell, no plumbing" (issue 2): imports aside, no cell needs more.
    assert max(len(cell.source.splitlines()) for cell in code) <= 20
