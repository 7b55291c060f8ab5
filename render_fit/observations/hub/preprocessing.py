"""What a network's input is made of: its ``preprocessor_config.json``, applied with Pillow and torch.

The image processors of transformers do the same, but most of them need torchvision, which torch's CPU build cannot
load from every package index.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from render_fit.core.errors import InputError
from render_fit.core.text_files import read_json

FILES = ("preprocessor_config.json", "processor_config.json")
"""Files with the configuration; in the second it is a section."""

KEYS_OF_SIZE = (
    {"height", "width"},
    {"shortest_edge"},
    {"shortest_edge", "longest_edge"},
    {"max_height", "max_width"},
)
"""Ways in which image processors of transformers say a size."""


@dataclass(frozen=True)
class Preprocessing:
    """How images become a network's input.

    Attributes:
        size: Size of the input: ``height`` and ``width``; ``shortest_edge``, and ``longest_edge`` as its limit; or
            ``max_height`` and ``max_width``. Pixels.
        resample: Pillow's number of the interpolation.
        scale: Factor of 8-bit values.
        mean: Subtracted from each channel after that.
        std: Divisor of each channel after that.
        padded: (H, W) to which zeros are added at the right and the bottom, pixels; None: nothing is added.
    """

    size: Mapping[str, int]
    resample: int = Image.Resampling.BILINEAR
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    padded: tuple[int, int] | None = None

    @classmethod
    def read(cls, folder: Path) -> Preprocessing:
        """Reads the configuration in the folder of a model.

        Raises:
            InputError: if there is none, or it asks for something that is not done here.
        """
        path = next((folder / name for name in FILES if (folder / name).is_file()), folder / FILES[0])
        data = read_json(path, "the configuration of an image processor")
        if isinstance(data, dict) and isinstance(data.get("image_processor"), dict):
            data = data["image_processor"]
        if not isinstance(data, dict) or data.get("size") is None:
            raise InputError(f"{path}: expected the configuration of an image processor, with a size")
        if data.get("do_center_crop") or data.get("do_resize") is False:
            raise InputError(f"{path}: expected whole images, resized; do_center_crop would cut people off")
        try:
            return cls._of(data)
        except (TypeError, ValueError, KeyError) as error:
            raise InputError(f"{path}: not the configuration of an image processor: {error}") from error

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> Preprocessing:
        mean, std = data.get("image_mean"), data.get("image_std")
        if not data.get("do_normalize", True) or mean is None or std is None:
            mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        if len(mean) != 3 or len(std) != 3 or min(map(float, std)) <= 0:
            raise ValueError("expected three values above zero in image_std, and three in image_mean")
        padded = data.get("pad_size") if data.get("do_pad") else None
        return cls(
            size=_size(data["size"]),
            resample=int(data.get("resample", Image.Resampling.BILINEAR)),
            scale=float(data.get("rescale_factor") or 1 / 255) if data.get("do_rescale", True) else 1.0,
            mean=tuple(map(float, mean)),
            std=tuple(map(float, std)),
            padded=None if padded is None else (int(padded["height"]), int(padded["width"])),
        )

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width to which an image is resized, pixels; rounded as transformers does."""
        size = self.size
        if "height" in size:
            return size["height"], size["width"]
        if "max_height" in size:
            scale = min(size["max_height"] / height, size["max_width"] / width)
            return max(1, int(height * scale)), max(1, int(width * scale))
        short: float = size["shortest_edge"]
        edge = size["shortest_edge"]
        longest = size.get("longest_edge")
        if longest is not None and max(height, width) / min(height, width) * edge > longest:
            short = longest * min(height, width) / max(height, width)
            edge = round(short)
        if min(height, width) == edge:
            return height, width
        return (int(short * height / width), edge) if width < height else (edge, int(short * width / height))

    def pixels(self, image: Float[Tensor, "3 h w"]) -> tuple[Float[Tensor, "1 3 h2 w2"], tuple[float, float]]:
        """Input of the network for an image.

        Args:
            image: (3, H, W) RGB in [0, 1].

        Returns:
            The input, and the shares of its height and width that show the image; the rest is padding.
        """
        height, width = self.resized(*image.shape[1:])
        eight_bit = (image * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        if (height, width) != eight_bit.shape[:2]:
            eight_bit = np.asarray(Image.fromarray(eight_bit).resize((width, height), Image.Resampling(self.resample)))
        values = self.normalised(torch.from_numpy(np.array(eight_bit)).permute(2, 0, 1)[None].float())
        if self.padded is None:
            return values, (1.0, 1.0)
        down, right = max(0, self.padded[0] - height), max(0, self.padded[1] - width)
        values = torch.nn.functional.pad(values, (0, right, 0, down))
        return values, (height / (height + down), width / (width + right))

    def normalised(self, values: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """8-bit values (0 to 255) scaled, without the mean, divided by the standard deviation."""
        mean, std = (torch.tensor(each)[:, None, None] for each in (self.mean, self.std))
        return (values * self.scale - mean) / std


def _size(given: Any) -> dict[str, int]:
    """A size in one of the ways of `KEYS_OF_SIZE`; older files have a number or two instead."""
    if isinstance(given, int):
        given = {"shortest_edge": given}
    elif isinstance(given, list | tuple):
        given = dict(zip(("height", "width"), given, strict=True))
    size = {key: int(value) for key, value in given.items() if value is not None}
    if set(size) not in KEYS_OF_SIZE or not all(0 < value < math.inf for value in size.values()):
        ways = "; ".join(" and ".join(sorted(keys)) for keys in KEYS_OF_SIZE)
        raise ValueError(f"size {given}: expected {ways}")
    return size
