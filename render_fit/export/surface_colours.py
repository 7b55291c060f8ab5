"""Colours of a body's surface: a texture, and the same for vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from scipy.ndimage import map_coordinates

from render_fit.export.atlas import Atlas


@dataclass(frozen=True)
class SurfaceColours:
    """Colours of a body's surface.

    Attributes:
        atlas: Where the surface lies in the texture.
        texture: (side, side, 3) sRGB 0–255; texels beside the charts continue them.
        vertices: (V, 3) sRGB 0–255, means of the texture around each vertex.
        seen: (V,) whether a photo shows the vertex.
    """

    atlas: Atlas
    texture: UInt8[np.ndarray, "side side 3"]
    vertices: UInt8[np.ndarray, "v 3"]
    seen: Bool[np.ndarray, "v"]

    def at(self, faces: Int64[np.ndarray, "n"], weights: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """The texture at points of the surface, linear between texels.

        Args:
            faces: (N,) face of each point.
            weights: (N, 3) its barycentric weights.

        Returns:
            (N, 3) RGB 0–1.
        """
        places = np.einsum("nk,nkc->nc", weights, self.atlas.uv_px[self.atlas.faces[faces]])[:, ::-1].T - 0.5
        return np.stack(
            [map_coordinates(self.texture[..., channel] / 255, places, order=1, mode="nearest") for channel in range(3)], 1
        )
