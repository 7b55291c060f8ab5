"""Regressors as ONNX files, run by onnxruntime."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from render_fit.cli import app
from render_fit.core.errors import InputError, MissingDependencyError
from render_fit.core.skeletons import CANONICAL_KEYPOINTS
from render_fit.regressors.checkpoint import save_regressor
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.network import Regressor
from render_fit.regressors.onnx import export_onnx, standing_figures
from tests.regressors.test_network import SMALL, random_inputs

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def session(path: Path):
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("changes", "inputs"),
    [
        ({}, {"silhouette", "parts", "keypoints", "confidence", "focal"}),
        ({"pictures": (), "n_clothing": 0}, {"keypoints", "confidence", "focal"}),
        ({"pictures": ("silhouette",), "keypoints": False}, {"silhouette", "focal"}),
        ({"pictures": ("heatmaps",), "keypoints": False}, {"keypoints", "confidence", "focal"}),
        ({"pictures": ("photo",), "keypoints": False, "head": "iterative"}, {"photo", "focal"}),
        ({"pictures": ("photo",), "keypoints": False, "backbone": {"model_type": "blazepose"}}, {"photo", "focal"}),
        (
            {"pictures": ("heatmaps",), "shape_pictures": ("silhouette",), "keypoints": False},
            {"silhouette", "keypoints", "confidence", "focal"},
        ),
    ],
)
def test_the_file_and_torch_agree_for_any_number_of_people(changes, inputs, tmp_path: Path) -> None:
    regressor = Regressor(SMALL.model_copy(update=changes))
    export_onnx(regressor, tmp_path / "a.onnx")
    assert regressor.training
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    runs = session(tmp_path / "a.onnx")
    assert {given.name for given in runs.get_inputs()} == inputs
    outputs = [given.name for given in runs.get_outputs()]
    assert ("clothing" in outputs) == (regressor.config.n_clothing > 0)
    assert {"rotations", "betas", "pelvis_offset", "log_likelihood", "joint_error"} <= set(outputs)
    for n in (1, 3):
        people = random_inputs(n, photo="photo" in inputs)
        if people.photo is not None:
            people = replace(people, photo=standing_figures(n, 32, torch.Generator().manual_seed(n)))
        with torch.no_grad():
            expected = regressor(people)
        said = runs.run(outputs, {name: getattr(people, name).numpy() for name in inputs})
        for name, value in zip(outputs, said, strict=True):
            torch.testing.assert_close(torch.from_numpy(value), getattr(expected, name), atol=1e-4, rtol=0)


def test_the_file_contains_its_configuration(tmp_path: Path) -> None:
    export_onnx(Regressor(SMALL), tmp_path / "a.onnx")
    told = session(tmp_path / "a.onnx").get_modelmeta().custom_metadata_map
    assert RegressorConfig.model_validate_json(told["render_fit_regressor"]) == SMALL
    assert json.loads(told["points"]) == list(CANONICAL_KEYPOINTS)
    assert float(told["reference_m"]) == 2.0  # metres, docs/training.md


class _Frozen(torch.nn.Module):
    """What tracing cannot see: numbers that leave torch and come back."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + float(x.abs().sum())


def test_a_network_that_onnx_cannot_express_leaves_no_file(tmp_path: Path) -> None:
    regressor = Regressor(SMALL)
    regressor.trunk = _Frozen()
    (tmp_path / "a.onnx").write_bytes(b"from before")
    with pytest.raises(InputError, match=r"not exported, backbone resnet: \w+ of 1 people differs from torch by"):
        export_onnx(regressor, tmp_path / "a.onnx")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.onnx", b"from before")]
    with pytest.raises(InputError, match="cannot write there"):
        export_onnx(Regressor(SMALL), tmp_path / "nowhere" / "a.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(package, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"needs {package}: pip install 'render-fit\[onnx\]'"):
        export_onnx(Regressor(SMALL), tmp_path / "a.onnx")


def test_the_command(tmp_path: Path) -> None:
    checkpoint, out = tmp_path / "a.safetensors", tmp_path / "a.onnx"
    save_regressor(Regressor(SMALL), checkpoint)
    done = CliRunner().invoke(app, ["regressor", "export", str(checkpoint), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "silhouette, parts, keypoints, confidence, focal → rotations, betas" in done.stdout
    assert len(session(out).get_outputs()) == 6
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    for name, words in ((checkpoint, "cut off"), ("nobody", "none of that name ships")):
        done = CliRunner().invoke(app, ["regressor", "export", str(name), "--out", str(out)])
        assert (done.exit_code, len(done.stderr.strip().splitlines())) == (2, 1)
        assert words in done.stderr
