"""Blocks that BlazePose's two networks share, and their encoder.

The weights are those of MediaPipe's files, in which every batch normalisation is already part of its convolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Convolution(nn.Sequential):
    """Convolution with bias and odd kernel, then ReLU6 unless ``linear``; pads all sides unless ``padded`` already."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
        padded: bool = False,
    ) -> None:
        padding = 0 if padded else kernel // 2
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups)
        super().__init__(convolution, *([] if linear else [nn.ReLU6()]))


class Depthwise(Convolution):
    """Convolution of each channel by itself."""

    def __init__(
        self, channels: int, kernel: int = 3, stride: int = 1, linear: bool = False, padded: bool = False
    ) -> None:
        super().__init__(channels, channels, kernel, stride, channels, linear, padded)


class Separable(nn.Sequential):
    """Depthwise 3 × 3 convolution, then a 1 × 1 convolution with ReLU6."""

    def __init__(self, inputs: int, outputs: int, linear_depthwise: bool = False) -> None:
        super().__init__(Depthwise(inputs, linear=linear_depthwise), Convolution(inputs, outputs))


class SeparableResidual(nn.Module):
    """ReLU6 of the input plus a separable convolution of it; ``halve``: at half the resolution, beside a max pool."""

    def __init__(self, channels: int, linear_depthwise: bool = False, halve: bool = False) -> None:
        super().__init__()
        self.depthwise = Depthwise(channels, stride=2 if halve else 1, linear=linear_depthwise, padded=halve)
        self.pointwise = Convolution(channels, channels, linear=True)
        self.halve = halve

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        if not self.halve:
            return F.relu6(x + self.pointwise(self.depthwise(x)))
        padded = F.pad(x, (0, 1, 0, 1))  # as TensorFlow pads an even size: to the right and below only
        return F.relu6(F.max_pool2d(x, 2) + self.pointwise(self.depthwise(padded)))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand, filter each channel, project; plus the input if the shape stays."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = Convolution(inputs, hidden)
        self.depthwise = Depthwise(hidden, kernel, stride)
        self.project = Convolution(hidden, outputs, linear=True)
        self.keeps_shape = inputs == outputs and stride == 1

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.keeps_shape else y


class Encoder(nn.Module):
    """Encoder in the manner of EfficientNet-B0: five halvings.

    Args:
        widths: Channels of the six groups of blocks. Groups 4 and 5 have the same resolution.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        a, b, c, d, e, f = widths
        self.stem = nn.Sequential(Convolution(3, 24, 3, 2), Depthwise(24), Convolution(24, a, linear=True))
        self.quarter = nn.Sequential(InvertedResidual(a, b, 4, 3, 2), InvertedResidual(b, b, 6, 3))
        self.eighth = nn.Sequential(InvertedResidual(b, c, 6, 5, 2), InvertedResidual(c, c, 6, 5))
        self.sixteenth = nn.Sequential(
            InvertedResidual(c, d, 6, 3, 2),
            InvertedResidual(d, d, 6, 3),
            InvertedResidual(d, d, 6, 3),
            InvertedResidual(d, e, 6, 5),
            InvertedResidual(e, e, 6, 5),
            InvertedResidual(e, e, 6, 5),
        )
        self.last = nn.Sequential(
            InvertedResidual(e, f, 6, 5, 2),
            *(InvertedResidual(f, f, 6, 5) for _ in range(3)),
            Convolution(f, 6 * f),
            Depthwise(6 * f),
        )

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution."""
        features = [image]
        for stage in (self.stem, self.quarter, self.eighth, self.sixteenth, self.last):
            features.append(stage(features[-1]))
        return features[1:]


def doubled(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 2*h 2*w"]:
    """Bilinear enlargement by two, pixel centres at integers + 0.5."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
