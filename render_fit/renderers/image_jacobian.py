"""How a picture moves with the mesh, pixel by pixel: what second-order steps need and gradients do not tell."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

LEAST_SHARE = 0.1
"""Of Gauss–Newton's curvature that a row keeps where the observation has no edge for it to fall on: fits of photos
whose curvature was 0, 0.1 and 0.3 of it there were about as fast."""


@dataclass(frozen=True)
class Motion:
    """The Jacobian of a soft picture, row by row.

    A row is one pixel and one mesh edge that is nearest to it, on the outline or on a border between parts. The
    edge's point there moves a sigmoid, and the sigmoid the pixel's values. Pixels that hardly move have no row.

    Attributes:
        image: (N,) which of the batch.
        pixel: (N,) row-major index of the pixel in its image.
        vertices: (N, 2) the edge's.
        slopes: (N, 2, 2) change of the sigmoid per pixel (x, y) of each vertex.
        silhouette: (N,) change of alpha per change of the sigmoid.
        parts: (N, 24) change of the parts' probabilities per change of the sigmoid; None if they were not drawn.
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
        """One image's rows."""
        mine = self.image == image
        parts = None if self.parts is None else self.parts[mine]
        return Motion(
            self.image[mine],
            self.pixel[mine],
            self.vertices[mine],
            self.slopes[mine],
            self.silhouette[mine],
            parts,
        )

    def values(self, picture: Shaped[Tensor, "b h w"]) -> Shaped[Tensor, "n"]:
        """A picture's (B, H, W) values at the rows' pixels; a batch of one serves all images."""
        flat = picture.flatten(1)
        return flat[self.image if len(flat) > 1 else torch.zeros_like(self.image), self.pixel]

    def beside(self, picture: Shaped[Tensor, "b h w"]) -> Shaped[Tensor, "4 n"]:
        """A picture's values at the pixels right of, left of, below and above the rows' pixels, or at its border."""
        right = torch.cat([picture[..., 1:], picture[..., -1:]], dim=2)
        left = torch.cat([picture[..., :1], picture[..., :-1]], dim=2)
        below = torch.cat([picture[:, 1:], picture[:, -1:]], dim=1)
        above = torch.cat([picture[:, :1], picture[:, :-1]], dim=1)
        return torch.stack([self.values(moved) for moved in (right, left, below, above)])

    def curvature(self, pulls: Float[Tensor, "4 n"], gauss_newton: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        """Second derivative of a loss along each row's sigmoid, summed over the pixels across a line.

        Moving the line by a pixel is moving the observation back by one. So the loss's pull on the sigmoid changes as
        much as it would if the neighbouring pixel's observation were seen here. Gauss–Newton's products of slopes
        say the same where line and observed edge lie on each other. Where they are apart, the loss grows in
        proportion to their distance and does not bend, and Gauss–Newton's steps are too short.

        Args:
            pulls: (4, N) derivative of the loss by each row's sigmoid, with what is observed ``beside`` the pixel in
                the place of what is observed there.
            gauss_newton: (N,) the same second derivative by Gauss–Newton, of which a tenth is kept at the least.

        Returns:
            (N,) ≥ 0.

        Source: after the second-order minimisation of image differences by Benhimane & Malis, Real-time image-based
            tracking of planes using efficient second-order minimization, IROS 2004.
        """
        x, y = self.slopes.sum(dim=1).unbind(dim=1)
        across = 0.5 * (x * (pulls[0] - pulls[1]) + y * (pulls[2] - pulls[3])) / (x * x + y * y)
        return torch.maximum(across, LEAST_SHARE * gauss_newton)

    def edge_tensors(self, weights: Float[Tensor, "n"]) -> tuple[Int64[Tensor, "e 2"], Float[Tensor, "e 4 4"]]:
        """Σ weight · slopes slopesᵀ over the rows of one image, edge by edge.

        Args:
            weights: (N,) curvature of the loss along each row's sigmoid, ≥ 0.

        Returns:
            (E, 2) vertices of the edges; (E, 4, 4) curvature in their (x₀, y₀, x₁, y₁), per squared pixel. A pixel
            nearest to the crossing of two edges has a row with each of them; what couples these is left out.
        """
        n = int(self.vertices.max()) + 1 if len(self) else 1
        keys, row_edge = torch.unique(self.vertices[:, 0] * n + self.vertices[:, 1], return_inverse=True)
        slopes = self.slopes.flatten(1)
        products = weights[:, None, None] * slopes[:, :, None] * slopes[:, None, :]
        tensors = slopes.new_zeros(len(keys), 16).index_add_(0, row_edge, products.flatten(1))
        return torch.stack([keys // n, keys % n], dim=1), tensors.unflatten(1, (4, 4))
