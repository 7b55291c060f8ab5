"""Colours of a body's surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, UInt8
from scipy.ndimage import distance_transform_edt, map_coordinates

from render_fit.export.atlas import Atlas


@dataclass(frozen=True)
class SurfaceColours:
    """A texture of a body.

    Attributes:
        atlas: Where the surface lies in the texture.
        texture: (side, side, 3) sRGB 0–255.
    """

    atlas: Atlas
    texture: UInt8[np.ndarray, "side side 3"]

    @classmethod
    def of_texels(cls, atlas: Atlas, colours: UInt8[np.ndarray, "p 3"]) -> SurfaceColours:
        """The texture with (P, 3) sRGB colours of the covered texels; all others continue the nearest one."""
        texture = np.zeros((*atlas.covered.shape, 3), dtype=np.uint8)
        texture[atlas.covered] = colours
        nearest = np.asarray(distance_transform_edt(~atlas.covered, return_distances=False, return_indices=True))
        return cls(atlas, texture[tuple(nearest)])

    @property
    def vertices(self) -> UInt8[np.ndarray, "v 3"]:
        """(V, 3) sRGB 0–255: the mean of the texture around each vertex."""
        around = self.atlas.around_vertices()
        total = around @ self.texture[self.atlas.covered].astype(np.float64)
        return np.round(total / np.asarray(around.sum(axis=1)).clip(1e-6)).astype(np.uint8)

    def at(self, faces: Int64[np.ndarray, "n"], weights: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """The texture at points of the surface, linear between texels.

        Args:
            faces: (N,) face of each point.
            weights: (N, 3) its barycentric weights.

        Returns:
            (N, 3) RGB 0–1.
        """
        places = np.einsum("nk,nkc->nc", weights, self.atlas.uv_px[self.atlas.faces[faces]])[:, ::-1].T - 0.5
        channels = (self.texture[..., channel] / 255 for channel in range(3))
        return np.stack([map_coordinates(channel, places, order=1, mode="nearest") for channel in channels], axis=1)
