"""Clothing labels of the person in a region: a small decoder on the features of BlazePose's landmark network.

The landmark network stays as it is; it has seen people in photographs. The decoder alone is trained, on
synthetic people (`training/clothing_labels.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file, save
from torch import Tensor, nn

from render_fit.core.files import write_bytes
from render_fit.core.parts import ATR
from render_fit.observations.blazepose.landmarks import INPUT_SIDE_PX, LandmarkNetwork
from render_fit.observations.blazepose.layers import doubled

ASSET = Path(__file__).parent / "assets" / "clothing.safetensors"

SPACE = ATR
"""Label space of the decoder. Nothing is ever labelled as a belt or sunglasses, which no training person wears."""

LEAST_DEVIATION = 0.1
"""Least standard deviation by which features are divided; some channels hardly change."""


@dataclass(frozen=True)
class ClothingFeatures:
    """Features of B regions from which clothes are read.

    Attributes:
        at_4: (B, 44, 64, 64) encoder at 1/4 and, averaged, at 1/2 of the resolution; probability of the person's mask;
            colour.
        at_8: (B, 80, 32, 32) encoder at 1/8, and the sum of all coarser maps at that resolution.
        at_16: (B, 88, 16, 16) encoder.
        at_32: (B, 864, 8, 8) encoder.
    """

    at_4: Float[Tensor, "b 44 64 64"]
    at_8: Float[Tensor, "b 80 32 32"]
    at_16: Float[Tensor, "b 88 16 16"]
    at_32: Float[Tensor, "b 864 8 8"]

    def __len__(self) -> int:
        return len(self.at_4)

    def __getitem__(self, rows: slice | Tensor) -> ClothingFeatures:
        return ClothingFeatures(*(getattr(self, field.name)[rows] for field in fields(self)))

    def to(self, dtype: torch.dtype) -> ClothingFeatures:
        """The features in another precision."""
        return ClothingFeatures(*(getattr(self, field.name).to(dtype) for field in fields(self)))

    @classmethod
    def joined(cls, parts: list[ClothingFeatures]) -> ClothingFeatures:
        """Features of all regions of several batches."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def clothing_features(network: LandmarkNetwork, image: Float[Tensor, "b 3 256 256"]) -> ClothingFeatures:
    """Features of regions.

    Args:
        network: The landmark network.
        image: (B, 3, 256, 256) RGB in [0, 1].
    """
    at_2, at_4, at_8, at_16, at_32 = network.encoder(image)
    coarse_16 = doubled(network.from_32(at_32)) + network.lateral_16(at_16)
    coarse_8 = doubled(coarse_16) + network.lateral_8(at_8)
    coarse_4 = doubled(coarse_8) + network.lateral_4(at_4)
    mask = network.mask_1(doubled(network.mask_2(doubled(network.mask_4(coarse_4)) + network.lateral_2(at_2))))
    averaged = [F.avg_pool2d(at_2, 2), F.avg_pool2d(mask.sigmoid(), 4), F.avg_pool2d(image, 4)]
    return ClothingFeatures(torch.cat([at_4, *averaged], 1), torch.cat([at_8, coarse_8], 1), at_16, at_32)


class Standardized(nn.Module):
    """Features less their mean over training crops, in units of their standard deviation, channel by channel."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))

    def fit(self, features: Float[Tensor, "n c h w"]) -> None:
        """Takes mean and standard deviation from features of training crops."""
        deviation, mean = torch.std_mean(features.float(), dim=(0, 2, 3))
        self.mean.copy_(mean)
        self.deviation.copy_(deviation.clamp(min=LEAST_DEVIATION))

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return (features - self.mean[:, None, None]) / self.deviation[:, None, None]


class NormalizedSeparable(nn.Sequential):
    """1 × 1 convolution, depthwise 3 × 3 and 1 × 1 again, each with batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        layers: list[nn.Module] = []
        for count, kernel, groups in ((inputs, 1, 1), (outputs, 3, outputs), (outputs, 1, 1)):
            convolution = nn.Conv2d(count, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
            layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        super().__init__(*layers)


class ClothingDecoder(nn.Module):
    """Decoder of clothing labels: coarse maps are enlarged and joined with finer ones."""

    def __init__(self) -> None:
        super().__init__()
        self.standard_32, self.standard_16 = Standardized(864), Standardized(88)
        self.standard_8, self.standard_4 = Standardized(80), Standardized(44)
        self.from_32 = NormalizedSeparable(864, 96)
        self.from_16 = NormalizedSeparable(96 + 88, 96)
        self.from_8 = NormalizedSeparable(96 + 80, 64)
        self.from_4 = NormalizedSeparable(64 + 44, 48)
        self.labels = nn.Conv2d(48, len(SPACE), 1)

    def standardize(self, features: ClothingFeatures) -> None:
        """Takes the scale of each channel from features of training crops."""
        self.standard_32.fit(features.at_32)
        self.standard_16.fit(features.at_16)
        self.standard_8.fit(features.at_8)
        self.standard_4.fit(features.at_4)

    def forward(self, features: ClothingFeatures) -> Float[Tensor, "b l 64 64"]:
        """(B, 18, 64, 64) logits of the labels of `SPACE`."""
        x = self.from_32(self.standard_32(features.at_32))
        x = self.from_16(torch.cat([doubled(x), self.standard_16(features.at_16)], 1))
        x = self.from_8(torch.cat([doubled(x), self.standard_8(features.at_8)], 1))
        return self.labels(self.from_4(torch.cat([doubled(x), self.standard_4(features.at_4)], 1)))


def label_probabilities(logits: Float[Tensor, "b l 64 64"]) -> Float[Tensor, "b l 256 256"]:
    """Probabilities of labels at the resolution of the network's input."""
    size = (INPUT_SIDE_PX, INPUT_SIDE_PX)
    return F.interpolate(logits, size, mode="bilinear", align_corners=False).softmax(1)


def write_decoder(decoder: ClothingDecoder, path: Path, note: str) -> None:
    """Writes a decoder in float16, atomically, with a note on its training."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = {
        name: value.half().contiguous() for name, value in decoder.state_dict().items() if value.is_floating_point()
    }
    write_bytes(path, save(half, metadata={"training": note}))


def read_decoder(path: Path = ASSET) -> ClothingDecoder:
    """Reads a decoder, for evaluation, in float32 on the CPU."""
    decoder = ClothingDecoder()
    decoder.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=False)
    return decoder.requires_grad_(False).eval()
