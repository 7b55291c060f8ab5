"""Sparse Jacobian of soft images with respect to projected vertices, for second-order optimisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

LEAST_SHARE = 0.1
"""Least curvature of a row, as a share of Gauss–Newton's: used where no observed edge is near. Fits of photos with
0, 0.1 and 0.3 were about equally fast."""


@dataclass(frozen=True)
class Motion:
    """The Jacobian of a batch of soft images, row by row.

    A row is one pixel and one mesh edge that is nearest to it, on the outline or on a border between parts. Moving
    the edge changes a sigmoid, and this the pixel's values. Pixels with negligible change have no row.

    Attributes:
        image: (N,) index of the image in the batch.
        pixel: (N,) row-major index of the pixel in its image.
        vertices: (N, 2) indices of the edge's vertices.
        slopes: (N, 2, 2) derivative of the sigmoid by x and y of each vertex, per pixel.
        silhouette: (N,) derivative of alpha by the sigmoid.
        parts: (N, 24) derivative of the parts' probabilities by the sigmoid; None if they were not rendered.
    """

    image: Int64[Tensor, "n"]
    pixel: Int64[Tensor, "n"]
    vertices: Int64[Tensor, "n 2"]
    slopes: Float[Tensor, "n 2 2"]
    silhouette: Float[Tensor, "n"]
    parts: Float[Tensor, "n p"] | None = None

    def __len__(self) -> int:
        return len(self.pixel)

    def of(self, image: int) -> Motion:
        """The rows of one image."""
        mine = self.image == image
        return Motion(**{name: rows[mine] for name, rows in vars(self).items() if rows is not None})

    def values(self, picture: Shaped[Tensor, "b h w"]) -> Shaped[Tensor, "n"]:
        """Values of images (B, H, W) at the rows' pixels; a batch of one is used for all."""
        flat = picture.flatten(1)
        return flat[self.image if len(flat) > 1 else torch.zeros_like(self.image), self.pixel]

    def beside(self, picture: Shaped[Tensor, "b h w"]) -> Shaped[Tensor, "4 n"]:
        """Values of images at the pixels right of, left of, below and above the rows' pixels; clamped at the border."""
        right = torch.cat([picture[..., 1:], picture[..., -1:]], dim=2)
        left = torch.cat([picture[..., :1], picture[..., :-1]], dim=2)
        below = torch.cat([picture[:, 1:], picture[:, -1:]], dim=1)
        above = torch.cat([picture[:, :1], picture[:, :-1]], dim=1)
        return torch.stack([self.values(moved) for moved in (right, left, below, above)])

    def curvature(self, pulls: Float[Tensor, "4 n"], gauss_newton: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        """Second derivative of a loss along each row's sigmoid, summed over the pixels across a line.

        Moving the line by a pixel is equivalent to moving the observation back by one. So the derivative of the loss
        changes as if the observation were that of the neighbouring pixel. Gauss–Newton's products of slopes agree
        where rendered line and observed edge coincide. Where they are apart, the loss is linear in their distance,
        without curvature, and Gauss–Newton's steps are too short.

        Args:
            pulls: (4, N) derivative of the loss by each row's sigmoid, with the observation at the pixel replaced by
                those ``beside`` it.
            gauss_newton: (N,) Gauss–Newton's second derivative; a tenth of it is the lower bound.

        Returns:
            (N,) second derivatives, ≥ 0.

        Source: after the second-order minimisation of image differences by Benhimane & Malis, Real-time image-based
            tracking of planes using efficient second-order minimization, IROS 2004.
        """
        x, y = self.slopes.sum(dim=1).unbind(dim=1)
        across = 0.5 * (x * (pulls[0] - pulls[1]) + y * (pulls[2] - pulls[3])) / (x * x + y * y)
        return torch.maximum(across, LEAST_SHARE * gauss_newton)

    def edge_tensors(self, weights: Float[Tensor, "n"]) -> tuple[Int64[Tensor, "e 2"], Float[Tensor, "e 4 4"]]:
        """Curvature of each edge: Σ weight · slopes slopesᵀ over its rows in one image.

        Args:
            weights: (N,) curvature of the loss along each row's sigmoid, ≥ 0.

        Returns:
            (E, 2) vertices of the edges; (E, 4, 4) curvature in their (x₀, y₀, x₁, y₁), per squared pixel. A pixel
            nearest to the crossing of two edges has a row with each of them; the coupling of these is ignored.
        """
        n = int(self.vertices.max()) + 1 if len(self) else 1
        keys, row_edge = torch.unique(self.vertices[:, 0] * n + self.vertices[:, 1], return_inverse=True)
        slopes = self.slopes.flatten(1)
        products = weights[:, None, None] * slopes[:, :, None] * slopes[:, None, :]
        tensors = slopes.new_zeros(len(keys), 16).index_add_(0, row_edge, products.flatten(1))
        return torch.stack([keys // n, keys % n], dim=1), tensors.unflatten(1, (4, 4))
