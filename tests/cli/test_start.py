"""What commands import: a fit nothing that takes long and is not needed, and help and mistakes not even torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.photos import write_person

SLOW = (
    "torch._dynamo", "torch._inductor", "sympy", "networkx", "transformers", "accelerate", "matplotlib", "mediapipe",
    "kornia", "pandas",
)  # fmt: skip

PROGRAM = """
import contextlib, io, json, sys
from render_fit.cli import app
codes = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            app(words)
        except SystemExit as stop:
            codes.append((stop.code, errors.getvalue()))
print(json.dumps([codes, sorted(sys.modules)]))
"""


def commands(*lines: list[str]) -> tuple[list[tuple[int, str]], list[str]]:
    """Exit codes and error messages of commands, run one after the other in a new process, and what it imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(lines)],
        env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    codes, modules = json.loads(done.stdout.splitlines()[-1])
    return codes, modules


def imported(modules: list[str], names: tuple[str, ...]) -> list[str]:
    return [name for name in names if any(module == name or module.startswith(name + ".") for module in modules)]


@pytest.mark.parametrize("command", ["fit", "predict"])
def test_a_fit_imports_nothing_slow_that_it_does_not_need(command: str, tmp_path: Path) -> None:
    photo = write_person(tmp_path)
    files = ["--mask", str(tmp_path / "person_mask.png"), "--keypoints", str(tmp_path / "person_keypoints.json")]
    _, modules = commands([command, str(photo), *files, "--out", str(tmp_path / "out")])
    assert (tmp_path / "out/person/report.json").is_file()
    assert imported(modules, ("torch", "numba", "trimesh")) == ["torch", "numba", "trimesh"]
    assert imported(modules, SLOW) == []


def test_help_and_the_version_import_no_torch() -> None:
    groups = ["fit", "fit-person", "predict", "summary", "view", "render", "measure", "export", "evaluate", "demo",
              "doctor", "train", "finetune", "synthesize", "experiment", "recipe", "body", "regressor",
              "prior"]  # fmt: skip
    codes, modules = commands(["--help"], ["--version"], *([name, "--help"] for name in groups))
    assert [code for code, _ in codes] == [0] * (2 + len(groups))
    assert imported(modules, ("torch", "numba", "scipy", "numpy")) == []


MISTAKES = {
    "fitt photo.png": "fitt",
    "fit": "IMAGE",
    "fit photo.png --nonsense": "--nonsense",
    "fit photo.png --jobs two": "valid integer",
    "fit photo.png --threads 0": "--threads",
    "fit photo.png --shard 3": "expected I/N",
    "fit photo.png --shard 0/8": "counted from 1",
    "fit photo.png --shard 9/8": "I from 1 to N",
    "fit photo.png --shard slurm": "no task of a Slurm job array",
    "predict photo.png --shard 1/0": "I from 1 to N",
    "summary nowhere": "nowhere: no such folder",
    "summary empty": "contains no fits",
    "fit photo.png --clothing silk": "silk",
    "fit photo.png --save stl": "known are obj",
    "fit photo.png --person nobody": "expected largest",
    "fit photo.png --box 1,2": "x,y,w,h",
    "fit photo.png --height-m 178": "metres",
    "fit photo.png --weight-kg 0.5": "weight in kilograms",
    "fit photo.png --height-m 1.78 --weight-kg 7.5": "nobody of 1.78 m",
    "measure nowhere": "no such file or folder",
    "measure empty": "empty folder",
    "measure open --betas a,b": "expected numbers",
    "measure open --picture tapes.stl": "ends with .png",
    "measure open --csv nowhere/people.csv": "there is no folder nowhere",
    "measure open photo.png --picture tapes.png": "for one result",
    "fit photo.png --camera k.json --focal-35mm 28": "one of them",
    "fit photo.png photo2.png --box 1,2,3,4": "one photo",
    "fit nowhere.png": "nowhere.png: no such file",
    "fit photo.png --mask nowhere.png": "nowhere.png: no such file",
    "fit photo.png --keypoints nowhere.json": "nowhere.json: no such file",
    "fit photo.png --occluders nowhere.png": "nowhere.png: no such file",
    "fit photo.png --camera nowhere.json": "nowhere.json: no such file",
    "fit photo.png --observations nowhere": "nowhere: no such folder",
    "fit photo.png --parts photo.png": "--part-labels",
    "fit photo.png --parts photo.png --part-labels coco": "known are smpl24",
    "fit photo.png --recipe hybird": "did you mean 'hybrid'?",
    "fit photo.png --regressor liftr": "known: hmr, lifter",
    "fit photo.png --renderer gpu": "known: cpu",
    "fit photo.png --body smpl.pkl": "no body 'smpl.pkl'",
    "fit photo.png --observer blazepos": "did you mean 'blazepose'?",
    "predict photo.png --observer transformers:": "NAME:FILE.yaml",
    "fit photo.png --observer transformers:nowhere.yaml": "nowhere.yaml: no such file",
    "fit-person photo.png --observer hub": "known: blazepose, blazepose-parts, mediapipe, transformers",
    "fit photo.png --out photo.png": "is not a folder",
    "predict photo.png --regressor liftr": "known: hmr, lifter",
    "render nowhere": "params.npz",
    "view nowhere": "nowhere: no params.npz; expected the folder of a fit",
    "view empty": "empty: no params.npz; expected the folder of a fit",
    "view failed": "did the fit fail?",
    "view done --compare nowhere": "nowhere: no params.npz",
    "view done --export page.pdf": "ends with .html",
    "view done --export nowhere/page.html": "a folder that exists",
    "view done --port 0": "--port",
    "view done --body smpl.pkl": "no body 'smpl.pkl'",
    "export nowhere walk.glb": "expected the params.npz of a fit",
    "export photo.png walk.fbx": "known are .glb, .bvh, .npz, .obj, .ply",
    "export photo.png walk": "without an ending",
    "export photo.png a.glb ./a.glb": "named twice",
    "export photo.png walk.glb --fps 0": "--fps: expected frames a second",
    "export photo.png walk.glb --colours red": "expected plain",
    "export photo.png walk.glb --body smpl.pkl": "no body 'smpl.pkl'",
    "export photo.png photo.png/walk.glb": "is not a folder",
    "recipe show hybird": "did you mean 'hybrid'?",
    "train liftr": "did you mean 'lifter'?",
    "finetune nowhere": "nowhere: no such file",
    "finetune photo.png --recipe liftr": "did you mean 'lifter'?",
    "synthesize --recipe liftr": "did you mean 'lifter'?",
    "experiment real": "known are coco-masks",
    "experiment real-3d --recipe hybird": "did you mean 'hybrid'?",
    "body info smpl.pkl": "no body 'smpl.pkl'",
    "regressor export liftr": "known: hmr, lifter",
}


def test_mistakes_are_answered_before_torch_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photo.png", "photo2.png", "k.json"):
        Path(name).write_bytes(b"")
    for name in ("empty", "done", "failed"):
        Path(name).mkdir()
    Path("done/params.npz").write_bytes(b"")
    Path("failed/report.json").write_bytes(b"")
    codes, modules = commands(*(line.split() for line in MISTAKES))
    for (line, words), (code, message) in zip(MISTAKES.items(), codes, strict=True):
        assert (code, words in " ".join(message.split())) == (2, True), f"{line}: {message}"
    assert imported(modules, ("torch", "numba", "scipy")) == []
