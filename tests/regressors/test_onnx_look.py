"""Features by onnxruntime: those of torch, and nothing where it is not installed."""

import sys

import pytest
import torch

from render_fit.regressors.blazepose import BlazePoseBackbone
from render_fit.regressors.onnx_look import onnx_look


def test_features_are_those_of_torch() -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    photo = 2 * torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(0)) - 1
    focal = torch.tensor([1.0, 1.5, 2.0])
    backbone = BlazePoseBackbone()
    expected = backbone(photo, focal)
    backbone.look = onnx_look()
    assert backbone.look is not None
    images = expected.view.warp((photo + 1) / 2, focal, 256)
    torch.testing.assert_close(backbone.look(images), expected.own, atol=1e-3, rtol=1e-3)  # float32, layers fused
    found = backbone(photo, focal)
    torch.testing.assert_close(found.view.rotation, expected.view.rotation, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.own, expected.own, atol=2e-2, rtol=1e-2)  # of a view that differs a little


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_packages_there_is_none(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert onnx_look() is None
