"""Photos of the user's own as backgrounds of training images: random crops, mirrored or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

from render_fit.core.errors import InputError

SIDE_PX = 256
"""Side of the squares that are kept of every photo, pixels."""

SQUARES = 3
"""Most squares that are kept of a photo: wide and tall ones show more than one."""

SHARE = 0.8
"""Share of the images with a photo behind the person; the others keep their synthetic background."""

SMALLEST_CROP = 0.4
"""Smallest side of a random crop, share of a square's side."""


@dataclass(frozen=True)
class BackgroundPhotos:
    """Squares of photos.

    Attributes:
        squares: (K, 3, 256, 256) sRGB, 0 to 255.
    """

    squares: UInt8[Tensor, "k 3 256 256"]

    @staticmethod
    def read(photos: Sequence[Path]) -> BackgroundPhotos:
        """Reads squares along the longer side of every photo.

        Raises:
            InputError: if there is no photo, or one cannot be read.
        """
        if not photos:
            raise InputError("backgrounds: no photo; expected a folder with photos of places without people")
        return BackgroundPhotos(torch.cat([_squares(path) for path in photos]))

    def replace(self, images: Float[Tensor, "n 3 s s"], generator: torch.Generator) -> Float[Tensor, "n 3 s s"]:
        """Images of which most are replaced by random crops of the photos.

        Args:
            images: (N, 3, S, S) synthetic backgrounds, sRGB in [0, 1].
            generator: Source of randomness.
        """
        count, _, size, _ = images.shape
        chosen = torch.rand(count, generator=generator) < SHARE
        which = torch.randint(len(self.squares), (count,), generator=generator)
        mirrored = torch.rand(count, generator=generator) < 0.5
        shares = SMALLEST_CROP + (1 - SMALLEST_CROP) * torch.rand(count, generator=generator)
        corners = torch.rand(count, 2, generator=generator)
        result = images.clone()
        for row in chosen.nonzero()[:, 0].tolist():
            side = round(float(shares[row]) * SIDE_PX)
            top, left = ((SIDE_PX - side) * corners[row]).long().tolist()
            crop = self.squares[which[row], :, top : top + side, left : left + side].float() / 255
            crop = crop.flip(2) if mirrored[row] else crop
            result[row] = interpolate(crop[None], (size, size), mode="bilinear", align_corners=False, antialias=True)[0]
        return result


def _squares(path: Path) -> UInt8[Tensor, "k 3 256 256"]:
    """(K, 3, 256, 256) squares of a photo, evenly spaced along its longer side."""
    try:
        with Image.open(path) as file:
            file.draft("RGB", (2 * SIDE_PX, 2 * SIDE_PX))
            photo = ImageOps.exif_transpose(file).convert("RGB")
    except Exception as error:  # Pillow reports damaged files in many ways
        raise InputError(
            f"{path}: cannot be read as a background photo ({' '.join(str(error).split())[:200]})"
        ) from None
    width, height = photo.size
    short = min(width, height)
    count = min(SQUARES, max(width, height) // short)
    found = []
    for number in range(count):
        start = 0 if count == 1 else round(number * (max(width, height) - short) / (count - 1))
        left, top = (start, 0) if width > height else (0, start)
        square = photo.resize((SIDE_PX, SIDE_PX), box=(left, top, left + short, top + short))
        found.append(torch.from_numpy(np.array(square)).movedim(-1, 0))
    return torch.stack(found)
