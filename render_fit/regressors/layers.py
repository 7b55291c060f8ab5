"""Layers of a regressor: backbones for its images, initial outputs, and iterative error feedback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from render_fit.core.errors import InputError
from render_fit.core.rotations import roma
from render_fit.regressors.config import BLAZEPOSE, PRETRAINED
from render_fit.regressors.resnet import ResNet, group_norm

FARTHEST_STEP = 2.0
"""Largest change of an output value per correction, in the unit of the value (columns of rotations, standard deviations
of shape, logarithms): the largest difference between entries of two columns. Three corrections reach six standard
deviations of shape."""

LARGEST_NUMBER = 65536
"""Largest number in a backbone's configuration: of channels, of pixels."""

MOST_LAYERS = 1000
"""Largest number of layers or blocks in a backbone's configuration."""

_NUMBERS_OF_LAYERS = ("depths", "num_hidden_layers", "num_layers", "num_blocks")

_BASIC_RESNET = {"model_type", "embedding_size", "hidden_sizes", "depths", "layer_type"}


def backbone_for(config: dict[str, Any], channels: int) -> tuple[nn.Module, int]:
    """Builds a transformers backbone. Group norm replaces batch norm, which would couple the people of a batch.

    So batches may be split over processes. The shipped regressors' kinds are built without transformers (`ResNet`,
    `BlazePoseBackbone`).

    Args:
        config: Transformers configuration with its ``model_type``; ``model_type: blazepose``, with ``frozen``; or
            ``model_type: pretrained``, with ``name`` and ``frozen``.
        channels: Number of input channels.

    Returns:
        Backbone, and the number of its output features.

    Raises:
        InputError: if the configuration describes no backbone.
    """
    try:
        if any(number > LARGEST_NUMBER for number in _numbers(config)):
            raise ValueError(f"a number above {LARGEST_NUMBER}")
        if sum(_numbers([config.get(key) for key in _NUMBERS_OF_LAYERS])) > MOST_LAYERS:
            raise ValueError(f"more than {MOST_LAYERS} layers")
        return _backbone(config, channels)
    except (ImportError, InputError):
        raise
    except Exception as error:  # torch and transformers refuse sizes and names in many ways
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"backbone: the configuration describes no network: {reason}") from error


def _numbers(value: Any) -> Iterator[float]:
    """All numbers in nested dictionaries and lists."""
    if isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _numbers(one)
    elif isinstance(value, int | float):
        yield value


def _backbone(config: dict[str, Any], channels: int) -> tuple[nn.Module, int]:
    values = {key: value for key, value in config.items() if key != "model_type"}
    if config["model_type"] in (BLAZEPOSE, PRETRAINED):
        if channels != 3:
            raise ValueError(f"{config['model_type']} reads photos alone; expected `pictures: [photo]`")
        from render_fit.regressors.blazepose import BlazePoseBackbone  # the lifter does without the observer
        from render_fit.regressors.pretrained import PretrainedBackbone

        turned = (BlazePoseBackbone if config["model_type"] == BLAZEPOSE else PretrainedBackbone)(**values)
        return turned, turned.channels[-1]
    if config["model_type"] == "resnet" and config.keys() == _BASIC_RESNET and config["layer_type"] == "basic":
        resnet = ResNet(channels, config["embedding_size"], config["hidden_sizes"], config["depths"])
        return resnet, resnet.channels[-1]
    from transformers import AutoBackbone, AutoConfig  # slow to import, needed only here

    made = AutoConfig.for_model(config["model_type"], **values, num_channels=channels)
    made.out_features = [made.stage_names[-1]]
    network = AutoBackbone.from_config(made)
    _group_norms(network)
    return network, int(network.channels[-1])


def _group_norms(module: nn.Module) -> None:
    """Replaces batch norm by group norm."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, group_norm(child.num_features))
        else:
            _group_norms(child)


def upright_output(hypotheses: int, n_joints: int, size: int) -> Float[Tensor, "h a"]:
    """Initial outputs: the zero pose, upright in front of the camera, with evenly spaced rotations about the vertical.

    Args:
        hypotheses: Number of hypotheses.
        n_joints: Number of joints. Their rotations, six numbers each, come first; their errors come last.
        size: Length of one output vector.

    Returns:
        (H, A) initial output vectors.
    """
    output = torch.zeros(hypotheses, size)
    output[:, : 6 * n_joints] = torch.eye(3)[:, :2].flatten().repeat(n_joints)
    for index in range(hypotheses):
        yaw = torch.tensor([0.0, 2 * torch.pi * index / hypotheses, 0.0])
        upright = roma.rotvec_to_rotmat(torch.tensor([torch.pi, 0.0, 0.0])) @ roma.rotvec_to_rotmat(yaw)
        output[index, :6] = upright[:, :2].flatten()
    output[:, -n_joints:] = -2.0
    return output


class IterativeHead(nn.Module):
    """Iterative error feedback: corrections of the output, predicted repeatedly from features and the current output.

    All hypotheses share the correction layers and differ in their learned initial outputs. No correction changes a
    value by more than `FARTHEST_STEP`; values that the loss does not constrain (distance and shape, where only joints
    in the image are known) would diverge otherwise.

    Args:
        width: Number of features.
        start: (H, A) initial outputs.
        times: Number of corrections.

    Source: Carreira et al., CVPR 2016, with bounded corrections; for bodies, Kanazawa et al., CVPR 2018, section 3.2.
    """

    def __init__(self, width: int, start: Float[Tensor, "h a"], times: int) -> None:
        super().__init__()
        self.times = times
        self.start = nn.Parameter(start.clone())
        last = nn.Linear(width, start.shape[1])
        nn.init.normal_(last.weight, std=1e-2)
        nn.init.zeros_(last.bias)
        self.correction = nn.Sequential(
            nn.Linear(width + start.shape[1], width), nn.GELU(), nn.Linear(width, width), nn.GELU(), last
        )

    def forward(self, features: Float[Tensor, "n w"]) -> Float[Tensor, "n ha"]:
        """Computes the outputs of all hypotheses, concatenated in the order of a linear layer.

        Differentiability: smooth; through all corrections.
        """
        # Not expanded to the number of people, which would be fixed in an exported network that calls this head twice.
        output = self.start + 0 * features[:, :1, None].float()
        features = features[:, None].expand(-1, output.shape[1], -1)
        for _ in range(self.times):
            correction = self.correction(torch.cat([features, output.to(features)], -1)).float()
            output = output + FARTHEST_STEP * (correction / FARTHEST_STEP).tanh()
        return output.flatten(1)
