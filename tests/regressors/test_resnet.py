"""The shipped regressors' network is transformers' ResNet with group norm, to the bit."""

import pytest
import torch
from transformers import AutoBackbone, AutoConfig

from render_fit.regressors.layers import _group_norms, backbone_for
from render_fit.regressors.resnet import ResNet

CONFIG = {"embedding_size": 16, "hidden_sizes": [16, 24, 64], "layer_type": "basic"}


@pytest.mark.parametrize("depths", [[1, 1, 1], [2, 1, 3]])
def test_it_is_that_of_transformers(depths: list[int]) -> None:
    config = {**CONFIG, "depths": depths}
    torch.manual_seed(0)
    own, features = backbone_for({"model_type": "resnet", **config}, 5)
    after = torch.rand(1)
    torch.manual_seed(0)
    made = AutoConfig.for_model("resnet", **config, num_channels=5, output_hidden_states=True)
    made.out_features = [made.stage_names[-1]]
    theirs = AutoBackbone.from_config(made)
    assert torch.equal(after, torch.rand(1))  # as many random numbers were drawn
    _group_norms(theirs)
    assert isinstance(own, ResNet) and features == theirs.channels[-1] == 64
    weights, expected = own.state_dict(), theirs.state_dict()
    assert list(weights) == list(expected)
    assert all(torch.equal(weights[name], expected[name]) for name in weights)
    images = torch.randn(2, 5, 32, 40)
    maps, theirs_maps = own(images), theirs(images)
    assert torch.equal(maps.feature_maps[-1], theirs_maps.feature_maps[-1])
    pairs = zip(maps.hidden_states, theirs_maps.hidden_states, strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    for result in (maps, theirs_maps):
        result.feature_maps[-1].square().sum().backward()
    gradients = zip(own.parameters(), theirs.parameters(), strict=True)
    assert all(torch.equal(one.grad, other.grad) for one, other in gradients)


@pytest.mark.parametrize("changes", [{"layer_type": "bottleneck"}, {"downsample_in_first_stage": True}])
def test_other_residual_networks_are_those_of_transformers(changes: dict[str, object]) -> None:
    network, features = backbone_for({"model_type": "resnet", **CONFIG, "depths": [1, 1, 1], **changes}, 5)
    assert not isinstance(network, ResNet) and features == 64
