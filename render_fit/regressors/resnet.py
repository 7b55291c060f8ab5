"""The ResNet of the shipped regressors: transformers' `ResNetBackbone` with group norm, without importing transformers.

Importing transformers' models takes as long as importing torch, and imports torch's compiler. This network has the same
parameter names, initial weights and outputs; a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm in place of batch norm, in groups of eight channels where the number of channels allows it."""
    return nn.GroupNorm(math.gcd(channels, max(1, channels // 8)), channels)


@dataclass(frozen=True)
class FeatureMaps:
    """Output of the network, with the names of transformers' backbones.

    Attributes:
        feature_maps: The last stage's map (N, C, h, w).
        hidden_states: Maps of the stem and of all stages, fine to coarse.
    """

    feature_maps: tuple[Tensor, ...]
    hidden_states: tuple[Tensor, ...]


class ResNet(nn.Module):
    """ResNet of basic blocks: a stem at a quarter of the resolution, then stages that halve it, except the first.

    Args:
        channels: Number of input channels.
        embedding_size: Channels of the stem.
        hidden_sizes: Channels of each stage.
        depths: Number of blocks of each stage.

    Source: He et al., CVPR 2016; structure and initial weights of ``transformers/models/resnet`` (Apache-2.0).
    """

    def __init__(self, channels: int, embedding_size: int, hidden_sizes: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.config = SimpleNamespace(num_channels=channels)
        self.channels = [hidden_sizes[-1]]
        self.embedder = nn.Module()
        self.embedder.embedder = _Convolution(channels, embedding_size, 7, stride=2)
        self.embedder.pooler = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        sizes = [embedding_size, *hidden_sizes]
        self.encoder = nn.Module()
        self.encoder.stages = nn.ModuleList(
            _Stage(before, size, 1 if number == 0 else 2, depth)
            for number, (before, size, depth) in enumerate(zip(sizes, hidden_sizes, depths, strict=False))
        )
        self.apply(_initialise)

    def forward(self, images: Tensor) -> FeatureMaps:
        """Maps of all stages.

        Args:
            images: (N, C, H, W).

        Differentiability: piecewise smooth (ReLU, max pooling).
        """
        stem: Any = self.embedder
        stages: Any = self.encoder.stages
        maps = [stem.pooler(stem.embedder(images))]
        for stage in stages:
            maps.append(stage(maps[-1]))
        return FeatureMaps((maps[-1],), tuple(maps))


class _Convolution(nn.Module):
    def __init__(self, before: int, after: int, size: int, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False)
        self.normalization = group_norm(after)
        self.activation = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.normalization(self.convolution(x)))


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        same = before == after and stride == 1
        self.shortcut = nn.Identity() if same else _Convolution(before, after, 1, stride, relu=False)
        self.layer = nn.Sequential(_Convolution(before, after, 3, stride), _Convolution(after, after, 3, relu=False))
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.layer(x) + self.shortcut(x))


class _Stage(nn.Module):
    def __init__(self, before: int, after: int, stride: int, depth: int) -> None:
        super().__init__()
        first = _Block(before, after, stride)
        self.layers = nn.Sequential(first, *(_Block(after, after, 1) for _ in range(depth - 1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight)  # overwritten; transformers draws these too, so that a seed gives its weights
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
