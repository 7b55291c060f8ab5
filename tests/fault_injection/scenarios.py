"""Commands that are killed at any moment, and what their finished output folders must look like."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from render_fit.pipelines.demo import write_synthetic_photo
from tests.fuzzing.examples import TRAINING_RECIPE, checkpoints
from tests.photos import write_person, write_recipe

FINETUNING_RECIPE: dict[str, Any] = {
    "name": "small",
    "regressor": TRAINING_RECIPE["regressor"],
    "render_supervision": {"batch": 2, "resolution": 32},
    "steps": 6, "batch": 4, "shard": 4, "save_every": 1, "validate_every": 10, "precision": "no",
}  # fmt: skip

ANYTIME = ("seconds", "versions")
"""Entries of a report, and of a line of a log, that differ between two runs."""


@dataclass(frozen=True)
class Scenario:
    """A command, prepared in a folder.

    Attributes:
        name: Name of the scenario.
        prepare: Writes the inputs into a folder, and returns the command line without ``--out``.
        finished: Reads an output folder in which things may be missing: what counts as done there → its content.
        with_workers: Whether the command starts processes of its own.
    """

    name: str
    prepare: Callable[[Path], list[str]]
    finished: Callable[[Path], dict[str, Any]]
    with_workers: bool = False


def fits(out: Path) -> dict[str, Any]:
    """Content of every fit in a folder that counts as done: its files by name."""
    found: dict[str, Any] = {}
    for report in sorted(out.glob("*/report.json")):
        for path in sorted(report.parent.iterdir()):
            found[f"{report.parent.name}/{path.name}"] = content_of(path)
    return found


def training(out: Path) -> dict[str, Any]:
    """Content of the files that a training leaves, but for TensorBoard's."""
    names = ("regressor.safetensors", "state.pt", "recipe.json", "log.jsonl", "fits.npz")
    found = {name: content_of(out / name) for name in names if (out / name).exists()}
    for path in sorted(out.glob("observed/[!.]*.pt")):
        found[f"observed/{path.name}"] = content_of(path)
    return found


def content_of(path: Path) -> Any:
    """Content of a file; fails if it is not whole."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays.files}
    if path.suffix == ".json":
        values = json.loads(path.read_text())
        return {key: value for key, value in values.items() if key not in ANYTIME}
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [{key: value for key, value in line.items() if key not in ANYTIME} for line in lines]
    if path.suffix == ".pt":
        return torch.load(path, weights_only=True)
    if path.suffix == ".safetensors":
        return load_file(path)
    if path.suffix in (".png", ".jpg"):
        return np.asarray(Image.open(path))
    return path.read_bytes()


def names_of(out: Path) -> set[str]:
    """All files and folders of an output folder, hidden ones too, but for TensorBoard's."""
    paths = (path.relative_to(out) for path in out.rglob("*"))
    return {str(path) for path in paths if path.parts[0] != "tensorboard"}


def differing(found: Any, expected: Any, where: str = "") -> list[str]:
    """Places in which two contents differ."""
    if isinstance(expected, dict) and isinstance(found, dict):
        missing = [f"{where}/{key}: only one has it" for key in found.keys() ^ expected.keys()]
        both = found.keys() & expected.keys()
        return missing + [place for key in both for place in differing(found[key], expected[key], f"{where}/{key}")]
    if isinstance(expected, list | tuple) and isinstance(found, list | tuple) and len(expected) == len(found):
        pairs = enumerate(zip(found, expected, strict=True))
        return [place for number, (a, b) in pairs for place in differing(a, b, f"{where}/{number}")]
    if isinstance(expected, torch.Tensor | np.ndarray) or isinstance(found, torch.Tensor | np.ndarray):
        same = np.array_equal(np.asarray(found), np.asarray(expected))
    else:
        same = found == expected
    return [] if same else [where]


def _photo(folder: Path) -> list[str]:
    photo = write_person(folder / "in")
    given = ["--mask", str(folder / "in/person_mask.png"), "--keypoints", str(folder / "in/person_keypoints.json")]
    return ["fit", str(photo), *given, "--recipe", str(write_recipe(folder)), "--save", "obj"]


def _folder(folder: Path, count: int, *more: str) -> list[str]:
    for number in range(count):
        write_person(folder / "in", f"p{number}")
    given = ["--observations", str(folder / "in"), "--recipe", str(write_recipe(folder))]
    # side by side, rounding depends on which photos are left after a kill
    return ["fit", str(folder / "in"), *given, "--save", "obj", "--batch", "1", *more]


def _training(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    recipe = {**TRAINING_RECIPE, "steps": 12, "save_every": 1, "validate_every": 2}
    (folder / "small.yaml").write_text(yaml.safe_dump(recipe))
    return ["train", str(folder / "small.yaml"), "--workers", "0"]


def _finetuning(folder: Path) -> list[str]:
    (folder / "in").mkdir(parents=True, exist_ok=True)
    photo, _ = write_synthetic_photo(folder / "in")
    shutil.copy(photo, folder / "in/other.png")
    (folder / "small.yaml").write_text(yaml.safe_dump(FINETUNING_RECIPE))
    (folder / "weights.safetensors").write_bytes(checkpoints()["regressor"][0])
    given = ["--regressor", str(folder / "weights.safetensors"), "--recipe", str(folder / "small.yaml")]
    return ["finetune", str(folder / "in"), *given, "--workers", "0"]


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("photo", _photo, fits),
        Scenario("folder", lambda folder: _folder(folder, 3), fits),
        Scenario("folder, two jobs", lambda folder: _folder(folder, 4, "--jobs", "2"), fits, with_workers=True),
        Scenario("train", _training, training),
        Scenario("finetune", _finetuning, training),
    )
}
