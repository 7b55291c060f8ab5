"""Notebooks run from top to bottom within a time limit, find what they tell, and use public names only."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
import torch

import render_fit
from render_fit.bodies import open_body
from render_fit.core.threads import POOL_SIZES
from render_fit.fitting.landscapes import compose, pull
from render_fit.fitting.variables import Variables
from render_fit.renderers import RenderSettings
from render_fit.synthesis import everyday_pose, synthetic_scene
from scripts.run_notebooks import NOTEBOOKS, THUMBNAILS, execute, figures, read

LIMIT_S = 60
"""CPU seconds of a notebook with compiled kernels; they take 6 to 25, up to 35 on a busy machine."""

DOCS = Path(__file__).resolve().parents[1] / "docs"

FINDINGS = {
    "01_body_and_clothes": """
        stature, waist, mass = sizes["stature"], sizes["waist"], sizes["mass"]
        assert stature[2] - stature[1] > 0.3  # metres: four standard deviations of the first component
        assert waist[4] - waist[3] > 0.3 and abs(stature[4] - stature[3]) < 0.05
        assert moved.max() > 0.5 and (moved < 1e-6).float().mean() > 0.3  # two joints leave most of the body in place
        assert 0.005 < offsets.norm(dim=2).mean() < 0.05
    """,
    "02_silhouette_gradients": """
        assert all(0.97 < areas["contour", sigma_px] / areas["contour", 0.5] < 1.03 for sigma_px in sigmas)
        assert 1.1 < areas["softras", 0.5] / areas["contour", 0.5] < areas["softras", 1.0] / areas["contour", 0.5]
        assert best_mm["contour", 0.5] == best_mm["contour", 1.0] == 0
        assert best_mm["softras", 1.0] < best_mm["softras", 0.5] <= -8
        own_contour, own_softras = (found[i][1].norm(dim=1).sum() for i in (2, 3))
        assert own_softras > 5 * own_contour  # docs/rendering.md: contour is unbiased, softras is not
    """,
    "03_objectives_and_landscapes": """
        values = problem.breakdown(truth.joined(wrong))
        assert all(values[name][1] > values[name][0] for name in names)
        assert abs(best_away_m["contour", 1.0]) < 0.1 and best_away_m["softras", 1.0] > 0.3
        assert all(e < k for e, k in zip(errors_mm["silhouette, parts, keypoints"], errors_mm["keypoints"]))
        assert mine.breakdown(wrong)["level_feet"] > mine.breakdown(truth)["level_feet"]
    """,
    "04_fit_a_photo": """
        assert result.report.status == "ok" and list(states)[0] == "place" and list(states)[-1] == "clothing"
        assert errors_mm["clothing"] < 35 < errors_mm["place"]
        assert covered["clothing"] > covered["search"] + 0.05
        assert (deviation_mm[rows, 2] > deviation_mm[rows, 0]).all()  # depth is what one photo does not tell
        assert len(animation) > 20_000
        assert astronaut.report.status in ("ok", "poor") and any("cut off" in note for note in astronaut.report.notes)
    """,
    "05_priors_and_monsters": """
        monster, full = fits["none"], fits["shape, mixture, limits"]
        assert monster[1] < full[1] < 4  # px: without priors the keypoints are met best
        assert monster[2] > 1.7 * full[2] and monster[3] > 5 > full[3]
        assert np.argmin(median_mm) in (1, 2, 3) and np.all(np.diff(median_px) > 0)
        assert prior(monsters).min() > 5 * prior(likely).max()
        hinge = walk.terms["pose_limits"]
        assert hinge[angles_deg == -60] > 0.1 and hinge[angles_deg == 60] < 1e-3
    """,
    "06_parts_and_garments": """
        assert all(torch.allclose(space.emission.sum(dim=1), torch.ones(25), atol=1e-4) for space in spaces.values())
        inwards = {name: values[4] for name, values in curves.items()}  # the forearm stays inside of the outline
        assert max(inwards["3 parts"], inwards["mask alone"]) < 3 < 15 < min(inwards["6 parts"], inwards["12 parts"])
        assert inwards["24 parts"] > 1.2 * inwards["12 parts"]
        assert {"skirt", "scarf"} <= {ATR.labels[i] for i in np.unique(people[2].label_map(ATR))}
        assert shape_mm["no clothes"] < 0.9 * min(shape_mm["coat, mask"], shape_mm["coat, ATR labels"])
    """,
    "07_train_a_regressor": """
        last_mm = {count: list(errors_mm.values())[-1] for count, (_, errors_mm) in trained.items()}
        assert last_mm[1024] < last_mm[256] < last_mm[64] and last_mm[1024] < 0.85 * of_the_mean_mm
        few = trained[64][1]
        assert min(few.values()) < last_mm[64]  # a set known by heart: the held-out error rises again
        assert difference_mm[1:, 2].mean() > 1.3 * difference_mm[1:, :2].mean()
    """,
    "08_learn_without_labels": """
        shape = {name: errors["shape: PVE-T-SC, mm"] for name, (_, errors) in results.items()}
        assert shape["render and compare"] < 0.9 * min(shape["before"], shape["control"])
        component = {name: betas[:, 1].mean().item() for name, (betas, _) in results.items()}
        assert component["render and compare"] > component["before"] + 0.4  # towards the true 1.8
        objective = [float(found["unlabelled"]) for found in values]
        assert sum(objective[-25:]) < sum(objective[:25])
    """,
    "09_swap_the_parts": """
        assert list(table) == list(rows) and all(result.report.status != "failed" for result in results.values())
        assert table["default"]["IoU"] > 0.8 and table["default"]["PA-MPJPE, mm"] < 60
        assert results["body with 2 betas"].parameters.betas.shape == (1, 2)
        assert results["renderer SoftRas"].report.recipe["objects"]["renderer"]["type"].endswith("SoftRas")
        assert table["renderer SoftRas"]["shape, mm"] > table["default"]["shape, mm"] + 3  # too thin
        assert solutions["lbfgs"].loss < solutions["adam"].loss  # as in docs/solvers.md, at equal evaluations
    """,
    "10_one_person_many_images": """
        assert same and not joint.left_out
        one, two, four = errors_mm["one joint fit"]
        assert four < 0.8 * one and four < 0.6 * shape_error_mm(torch.zeros(10))
        assert ((joint.betas - betas).abs() < 2 * deviation).sum() >= 9  # of 10 components
        assert 0.8 < deviation.norm() / single.betas_covariance.diagonal().sqrt().norm() < 1.1
    """,
    "11_measurements": """
        width = {name: {what: ends.high - ends.low for what, (_, ends) in one.items()} for name, one in found.items()}
        photo, height, both = width.values()
        assert height["stature"] < 0.3 * photo["stature"] and both["waist"] < 0.6 * height["waist"]
        error = {name: abs(one["waist"][0] - true["waist"]) for name, one in found.items()}
        assert error["photo + height, weight"] < 0.5 * error["photo"]
        held = {name: [e.low < true[what] < e.high for what, (_, e) in one.items()] for name, one in found.items()}
        inside = {name: sum(hits) for name, hits in held.items()}
        assert inside["photo + height, weight"] >= 6 > inside["photo"]  # of 7, with intervals of 90 %
    """,
}
"""What each notebook says that it shows, as assertions on its variables after the last cell."""


@pytest.fixture(autouse=True)
def share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads of the notebooks' kernels: those of this process, one of several that run tests."""
    for name in POOL_SIZES:
        monkeypatch.setenv(name, str(torch.get_num_threads()))


@pytest.fixture(scope="module")
def compiled_kernels() -> None:
    """Compiles the kernels that notebooks use, so that compilation is not counted."""
    scene = synthetic_scene(open_body(), everyday_pose("a_pose"), seed=0)
    for silhouette in ("contour", "softras"):
        settings = RenderSettings(silhouette)
        problem = compose(scene.observation(), {"silhouette_l2": 1, "parts": 1}, size=32, settings=settings)
        for term in problem.objective.terms:
            pull(problem, Variables.from_parameters(problem.body, scene.parameters), term)


def test_every_notebook_has_findings_and_they_are_numbered():
    assert sorted(FINDINGS) == [path.stem for path in NOTEBOOKS]
    assert [int(name[:2]) for name in sorted(FINDINGS)] == list(range(1, len(FINDINGS) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom_and_shows_what_it_tells(path, compiled_kernels):
    check = "\n".join(line.strip() for line in FINDINGS[path.stem].strip().splitlines())
    notebook, seconds = execute(path, check)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    complaints = [one for one in outputs if one.output_type == "error" or one.get("name") == "stderr"]
    assert not complaints, complaints[0]
    assert len(figures(notebook)) >= 3 and len(figures(notebook, "picture")) >= 1
    assert seconds < LIMIT_S


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_reads_well(path):
    notebook = read(path)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert re.match(rf"# {int(path.stem[:2])} · ", prose[0])
    assert "## Change and see" in prose[-1] and notebook.cells[-1].cell_type == "markdown"
    inline = [re.sub(r"\$\$.+?\$\$", "", cell, flags=re.DOTALL) for cell in prose]
    assert all(line.count("$") % 2 == 0 for cell in inline for line in cell.splitlines()), "a formula ends in its line"
    lines = [[line for line in source.splitlines() if not re.match(r"import |from |$", line)] for source in code]
    assert max(map(len, lines)) <= 20, "no plumbing: short cells, imports aside"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_imports_public_names_only(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = documented_modules()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(alias.name == "render_fit" or "render_fit" not in alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("render_fit"):
            names = {alias.name for alias in node.names}
            listed = getattr(importlib.import_module(node.module), "__all__", ())
            assert node.module in documented or names <= set(listed), f"{node.module}: {names} are private"
            assert not any(name.startswith("_") for name in names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rf":
            assert node.attr in render_fit.__all__, f"rf.{node.attr} is not public"


def documented_modules() -> set[str]:
    """The modules in the table of docs/extending.md."""
    text = (DOCS / "extending.md").read_text(encoding="utf-8")
    table = text.split("## Documented modules")[1].split("\n## ")[0]
    names = re.findall(r"^\| `([\w.]+)` \|", table, flags=re.MULTILINE)
    return {f"render_fit.{name}" for name in names if name != "render_fit."}


def test_documented_modules_exist():
    assert len(documented_modules()) > 5
    for name in documented_modules():
        importlib.import_module(name)


def test_the_page_lists_every_notebook_with_a_small_picture():
    page = (DOCS / "notebooks.md").read_text(encoding="utf-8")
    sizes = []
    for path in NOTEBOOKS:
        assert f"images/notebooks/{path.stem}.png" in page and f"notebooks/{path.name}" in page
        sizes.append((THUMBNAILS / f"{path.stem}.png").stat().st_size)
    assert max(sizes) < 100_000 and sum(sizes) < 500_000
    assert {path.stem for path in THUMBNAILS.iterdir()} == {path.stem for path in NOTEBOOKS}
