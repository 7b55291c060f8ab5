"""The Python of every page runs, in a folder with a photo, its files and a fit; recipes are replaced by a quick one,
large synthetic images by small ones.

A block with the comment ``<!-- not run: REASON -->`` before it is compiled, and its imports, the names of modules and
the keywords of calls are checked.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import render_fit as rf
from render_fit.core.parts import ATR
from render_fit.export.overlays import to_pixels
from render_fit.synthesis import everyday_pose
from render_fit.synthesis.clothed_people import clothed_person, photograph
from tests.pages import PAGES, Block, blocks_of, name_of
from tests.photos import QUICK_RECIPE, write_keypoints, write_recipe

ELSEWHERE = {
    "docs/extending.md": "test_plugins.py",
    "docs/losses.md": "losses/test_documentation.py",
    "docs/scale.md": "test_readme.py",
}
"""Pages whose code other tests run, with more to check."""

WITH_PYTHON = [
    page
    for page in PAGES
    if name_of(page) not in ELSEWHERE and any(block.language == "python" for block in blocks_of(page))
]

NOT_RUN = [
    pytest.param(block, id=f"{name_of(page)}:{block.line}")
    for page in PAGES
    for block in blocks_of(page)
    if block.reason is not None
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Photos of a synthetic person with mask, keypoints and labels, and the folder of a fit, under the pages' names."""
    out = tmp_path_factory.mktemp("pages")
    body = rf.open_body()
    person = clothed_person(body, everyday_pose("waving"), seed=1, yaw_rad=0.3, image_size=(240, 180))
    seen = person.observation(body, space=ATR)
    assert seen.mask is not None and seen.keypoints_px is not None and seen.labels is not None
    image = Image.fromarray(to_pixels(photograph(person, "park", seed=1).permute(1, 2, 0).numpy()))
    (out / "photos").mkdir()
    for name in ("photo.jpg", "front.jpg", "side.jpg", "photos/a.jpg"):
        image.save(out / name, quality=95)
    Image.fromarray((255 * seen.mask.numpy()).astype(np.uint8)).save(out / "mask.png")
    Image.fromarray(seen.labels.numpy().astype(np.uint8)).save(out / "labels.png")
    for name in ("keypoints.json", "photo_keypoints.json"):
        write_keypoints(out / name, seen.keypoints_px.tolist())
    (out / "camera.json").write_text(json.dumps({"K": person.camera.K[0].tolist()}))
    # what is shared by several images is moved where they are rendered
    quick = QUICK_RECIPE.replace("free: [position]", "free: [orient, position, pose, betas]")
    result = rf.fit_image(seen, write_recipe(out, quick))
    rf.write_fit(out / "out" / "photo", result, rf.make_renderer("cpu"))
    Image.open(out / "photo.jpg").save(out / "out" / "photo" / "overlay.png")
    shutil.copy(out / "out" / "photo" / "params.npz", out / "params.npz")
    return out


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_python_runs(page, folder, tmp_path, monkeypatch):
    work = shutil.copytree(folder, tmp_path / "work")
    monkeypatch.chdir(work)
    monkeypatch.setenv("MPLBACKEND", "agg")
    space: dict[str, Any] = {"__name__": "page"}
    for block in blocks_of(page):
        if block.language != "python" or block.reason is not None:
            continue
        for package in ("matplotlib", "skimage"):
            if package in block.code:
                pytest.importorskip(package)
        code = block.code.replace('"hybrid"', repr(str(work / "quick.yaml"))).replace("(640, 480)", "(160, 120)")
        torch.manual_seed(0)
        exec(compile("\n" * (block.line - 1) + code, str(page), "exec", dont_inherit=True), space)


@pytest.mark.parametrize("block", NOT_RUN)
def test_names_of_what_is_not_run_exist(block: Block):
    assert block.language == "python" and block.reason and len(block.reason) > 10
    check_names(block.code)


def test_the_check_of_names_finds_mistakes():
    check_names("import render_fit as rf\nrf.finetune(['photos/'], 'out', steps=300)")
    for code in (
        "from render_fit.training import no_such_name",
        "import render_fit as rf\nrf.no_such_name",
        "import render_fit as rf\nrf.finetune(['photos/'], 'out', stepz=300)",
    ):
        with pytest.raises((AssertionError, ImportError)):
            check_names(code)


def check_names(code: str) -> None:
    """Imports, attributes of imported modules, and keywords of calls of what was imported."""
    known: dict[str, Any] = {}
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = importlib.import_module(alias.name)
                known[alias.asname or alias.name.partition(".")[0]] = (
                    module if alias.asname else importlib.import_module(alias.name.partition(".")[0])
                )
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"
                known[alias.asname or alias.name] = getattr(module, alias.name)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and inspect.ismodule(known.get(node.value.id))
        ):
            assert hasattr(known[node.value.id], node.attr), f"{node.value.id} has no {node.attr}"
        if isinstance(node, ast.Call):
            called = found(node.func, known)
            if called is not None and node.keywords:
                parameters = inspect.signature(called).parameters
                open_ended = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
                assert open_ended or {word.arg for word in node.keywords} <= set(parameters), ast.unparse(node)


def found(function: ast.expr, known: dict[str, Any]) -> Any:
    """The object that a call names, if it was imported."""
    if isinstance(function, ast.Name):
        return known.get(function.id)
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return getattr(known.get(function.value.id), function.attr, None)
    return None
