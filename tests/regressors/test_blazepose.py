"""BlazePose's landmark network as a backbone: its features are the observer's, frozen or trained."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import interpolate, pad

from render_fit.core.errors import InputError
from render_fit.core.rotations import roma
from render_fit.core.skeletons import SMPL_24
from render_fit.observations.blazepose.landmarks import landmarks_of
from render_fit.observations.blazepose.weights import read_networks
from render_fit.regressors.blazepose import BlazePoseBackbone, world_landmarks
from render_fit.regressors.blazepose_features import BODY_MAP, ENCODER_MAP, FEATURES
from render_fit.regressors.checkpoint import load_regressor, save_regressor
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.layers import backbone_for
from render_fit.regressors.network import Regressor
from render_fit.regressors.prediction import mirrored_prediction, pelvis_in_view
from render_fit.regressors.turned_view import PersonFeatures, TurnedView

from .test_network import random_inputs

SMALL = RegressorConfig(
    size=32, pictures=("photo",), keypoints=False, width=16, depth=1, n_clothing=5, hypotheses=2,
    backbone={"model_type": "blazepose", "frozen": True},
)  # fmt: skip
TRAINED = SMALL.model_copy(update={"backbone": {"model_type": "blazepose", "frozen": False}})


def photos(n: int, size: int = 64) -> torch.Tensor:
    """Smooth random images from -1 to 1."""
    generator = torch.Generator().manual_seed(1)
    return interpolate(2 * torch.rand(n, 3, 8, 8, generator=generator) - 1, (size, size), mode="bilinear")


FOCAL = torch.tensor([1.2, 1.5, 2.0])


def test_features_are_those_of_the_observers_network() -> None:
    crops = photos(3)
    people = BlazePoseBackbone()(crops, FOCAL)
    assert people.own.shape == people.mirrored.shape == (3, FEATURES)
    network = read_networks()[1]
    seen = people.view.warp((crops + 1) / 2, FOCAL, 256)
    for features, image in ((people.own, seen), (people.mirrored, seen.flip(3))):
        with torch.no_grad():
            found, raw = landmarks_of(network, image), network(image)[0]
        points = features[:, ENCODER_MAP + BODY_MAP :]
        place = points[:, : 39 * 3].unflatten(1, (39, 3))
        torch.testing.assert_close(place[..., :2] * 128 + 128, raw[..., :2], atol=2e-3, rtol=0)  # pixels of 256
        likely = points[:, 39 * 3 : 39 * 5].unflatten(1, (39, 2))
        torch.testing.assert_close(likely[:, :33, 0], found.visibility, atol=1e-4, rtol=0)  # in float32
        world = points[:, 39 * 5 : 39 * 8].unflatten(1, (39, 3)) / 2
        torch.testing.assert_close(world[:, :33], found.world, atol=1e-4, rtol=0)  # metres
        torch.testing.assert_close(points[:, -1], found.presence, atol=1e-4, rtol=0)
    own = people.own[:, ENCODER_MAP + BODY_MAP + 39 * 5 :][:, : 39 * 3].unflatten(1, (39, 3)) / 2
    in_crop = (people.view.rotation.mT[:, None] @ own[:, :33, :, None])[..., 0]
    torch.testing.assert_close(world_landmarks(people), in_crop, atol=1e-5, rtol=0)


def test_the_first_look_is_at_the_upright_crop() -> None:
    crops = photos(2)
    # 222 pixels of person crop in the middle of the observer's 256: 17 repeated pixels on each side
    image = pad(interpolate((crops + 1) / 2, (222, 222), mode="bilinear"), [17] * 4, mode="replicate")
    with torch.no_grad():
        presence = landmarks_of(read_networks()[1], image).presence
    torch.testing.assert_close(BlazePoseBackbone().first_features(crops)[:, -1], presence, atol=1e-4, rtol=0)


def test_frozen_weights_are_no_part_of_the_regressor(tmp_path: Path) -> None:
    regressor = Regressor(SMALL).eval()
    assert regressor.is_frozen
    assert not [name for name in regressor.state_dict() if name.startswith("backbone")]
    save_regressor(regressor, tmp_path / "one.safetensors")
    assert (tmp_path / "one.safetensors").stat().st_size < 1_000_000
    inputs = random_inputs(2, photo=True)
    with torch.no_grad():
        assert torch.equal(load_regressor(tmp_path / "one.safetensors")(inputs).rotations, regressor(inputs).rotations)


def test_trained_weights_begin_as_the_observers_and_are_saved(tmp_path: Path) -> None:
    crops = photos(2)
    backbone = BlazePoseBackbone(frozen=False)
    features = backbone(crops, FOCAL[:2]).own
    torch.testing.assert_close(features, BlazePoseBackbone()(crops, FOCAL[:2]).own, atol=1e-4, rtol=1e-4)
    features.sum().backward()
    assert all(weight.grad is not None for weight in backbone.parameters())
    regressor = Regressor(TRAINED)
    assert not regressor.is_frozen
    with torch.no_grad():
        regressor.get_parameter("backbone.network.presence.bias").add_(1.0)
    save_regressor(regressor, tmp_path / "one.safetensors")
    again = load_regressor(tmp_path / "one.safetensors")
    bias = "backbone.network.presence.bias"
    assert torch.equal(again.get_parameter(bias), regressor.get_parameter(bias))
    assert not torch.equal(again.get_parameter(bias), read_networks()[1].get_parameter("presence.bias"))


@pytest.mark.parametrize("frozen", [True, False])
def test_people_of_a_batch_do_not_affect_each_other(frozen: bool) -> None:
    backbone, crops = BlazePoseBackbone(frozen), photos(3)
    with torch.no_grad():
        together = backbone(crops, FOCAL).own
        torch.testing.assert_close(backbone(crops[1:2], FOCAL[1:2]).own, together[1:2], atol=1e-3, rtol=1e-3)


def test_features_computed_before_give_the_same_predictions() -> None:
    regressor, inputs = Regressor(SMALL).eval(), random_inputs(3, photo=True)
    before = regressor.with_features(inputs)
    assert before.photo is None and before.silhouette.numel() == 0
    regressor.check_inputs(before)
    with torch.no_grad():
        one, other = regressor(inputs), regressor(before)
    assert torch.equal(one.rotations, other.rotations) and torch.equal(one.betas, other.betas)
    assert regressor.with_features(before) is before
    assert len(RegressorInputs.joined([before, before[:1]])) == 4


def test_prediction_turns_with_the_view() -> None:
    regressor = Regressor(SMALL.model_copy(update={"hypotheses": 1})).eval()
    inputs = regressor.with_features(random_inputs(3, photo=True))
    assert inputs.features is not None
    people = PersonFeatures.split_numbers(inputs.features)
    roll = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, 2.1]))
    rolled = replace(people, view=TurnedView(people.view.rotation @ roll, people.view.focal))
    with torch.no_grad():
        one, other = regressor(inputs), regressor(replace(inputs, features=rolled.joined_numbers()))
    # a crop camera that was rolled the other way
    torch.testing.assert_close(roll.mT @ one.rotations[:, :, 0], other.rotations[:, :, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(one.rotations[:, :, 1:], other.rotations[:, :, 1:])
    focal = inputs.focal[:, None]
    pelvis, turned = (pelvis_in_view(found.pelvis_offset, focal) for found in (one, other))
    torch.testing.assert_close((roll.mT @ pelvis[..., None])[..., 0], turned, atol=1e-4, rtol=0)


def test_one_hypothesis_is_the_mean_with_the_mirror_image() -> None:
    regressor = Regressor(SMALL.model_copy(update={"hypotheses": 1})).eval()
    inputs = regressor.with_features(random_inputs(3, photo=True))
    assert inputs.features is not None
    people = PersonFeatures.split_numbers(inputs.features)
    mirrored = replace(inputs, features=people.of_mirror_images().joined_numbers())
    swap = SMPL_24.left_right_swap
    with torch.no_grad():
        one, other = regressor(inputs), mirrored_prediction(regressor(mirrored), swap)
        torch.testing.assert_close(one.rotations, other.rotations, atol=1e-5, rtol=0)
        torch.testing.assert_close(one.pelvis_offset, other.pelvis_offset, atol=1e-4, rtol=0)
        regressor.train()
        assert (regressor(inputs).rotations - one.rotations).abs().max() > 1e-3


def test_blazepose_takes_no_keypoints_beside_photos() -> None:
    for change in ({"keypoints": True}, {"depths": True}, {"pictures": ("photo", "silhouette")}):
        with pytest.raises(ValidationError, match="blazepose turns its view of the photo"):
            RegressorConfig.model_validate(SMALL.model_dump() | change)


def test_features_of_trained_backbones_are_not_computed_before() -> None:
    with pytest.raises(ValueError, match="expected a frozen backbone"):
        Regressor(TRAINED).with_features(random_inputs(1, photo=True))


@pytest.mark.parametrize(
    ("config", "channels", "message"),
    [
        ({"model_type": "blazepose"}, 1, "blazepose reads photos alone"),
        ({"model_type": "blazepose", "freezing": True}, 3, "unexpected keyword argument 'freezing'"),
    ],
)
def test_a_configuration_that_does_not_fit_is_an_error(config, channels: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        backbone_for(config, channels)


def test_features_are_standardised_once_measured(tmp_path: Path) -> None:
    regressor = Regressor(SMALL).eval()
    features = torch.randn(200, FEATURES) * torch.linspace(0.0, 3.0, FEATURES) + 5
    assert torch.equal(regressor.standard(features), features.clamp(-6, 6))
    regressor.standard.measure(features)
    standard = regressor.standard(features)
    torch.testing.assert_close(standard.mean(0), torch.zeros(FEATURES), atol=0.05, rtol=0)  # clipped at 6
    assert ((standard[:, 100:].std(0) - 1).abs() < 0.05).all()
    assert (standard[:, 0].abs() < 1e-3).all()  # one that does not vary
    save_regressor(regressor, tmp_path / "one.safetensors")
    assert torch.equal(load_regressor(tmp_path / "one.safetensors").standard(features), standard)
