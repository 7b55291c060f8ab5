"""View of a person head up: a second camera at the place of a crop camera, turned and zoomed to the person.

A camera that is rotated about its centre sees the same rays. So a prediction in the axes of the turned camera holds in
those of the crop camera after one rotation, and a network that sees turned views alone is equivariant to roll, and to
the person's place and size in the crop.

Source: regions of interest of MediaPipe Pose; perspective crop layers, Yu et al., CVPR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from render_fit.core.batch import Batch
from render_fit.observations.blazepose.regions import MARGIN

SMALLEST, LARGEST = 0.4, 3.0
"""Limits of the side of a view, as multiples of the crop's side: landmarks of no person can be anywhere."""

MIRROR = (-1.0, 1.0, 1.0)
"""Signs of x, y and z in a mirror image."""


@dataclass(frozen=True)
class TurnedView(Batch):
    """Cameras of N people, turned from their crop cameras.

    Attributes:
        rotation: (N, 3, 3) rotations from the axes of the crop camera to those of the turned one.
        focal: (N,) focal length over the side of the view.
    """

    rotation: Float[Tensor, "n 3 3"]
    focal: Float[Tensor, "n"]

    def __len__(self) -> int:
        return len(self.focal)

    @staticmethod
    def around(alignment: Float[Tensor, "n 2 2"], focal: Float[Tensor, "n"]) -> TurnedView:
        """Views from BlazePose's alignment points, of the size that its landmark network expects.

        Args:
            alignment: (N, 2, 2) middle of the hips, and the point of the circle around the person above the head, in
                units of half the crop's side from its centre.
            focal: (N,) focal length of the crop camera over the crop's side.

        Differentiability: smooth where the two points differ.
        """
        places = torch.cat([alignment[:, :1].clamp(-1, 1), alignment[:, 1:]], 1) / (2 * focal[:, None, None])
        rays = torch.cat([places, torch.ones_like(places[..., :1])], 2)
        ahead = normalize(rays[:, 0], dim=1)
        along = (rays[:, 1] * ahead).sum(1, keepdim=True)
        up = rays[:, 1] - along * ahead + 1e-6 * ahead.new_tensor([0.0, -1.0, 0.0])
        down = -normalize(up - (up * ahead).sum(1, keepdim=True) * ahead, dim=1)
        rotation = torch.stack([torch.linalg.cross(down, ahead), down, ahead], 1)
        side = 2 * MARGIN * up.norm(dim=1) / along[:, 0].clamp(min=1e-3) * focal
        return TurnedView(rotation, focal / side.clamp(SMALLEST, LARGEST))

    def warp(
        self, photo: Float[Tensor, "n c s s"], focal: Float[Tensor, "n"], size: int
    ) -> Float[Tensor, "n c size size"]:
        """The crops as the turned cameras see them: bilinear, outermost pixels repeated outside.

        Args:
            photo: (N, C, S, S) crops.
            focal: (N,) focal length of the crop camera over the crop's side.
            size: Side of the views, pixels.
        """
        centres = (torch.arange(size, dtype=photo.dtype, device=photo.device) + 0.5) / size - 0.5
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        places = torch.stack([x, y], -1).flatten(0, 1) / self.focal[:, None, None]
        rays = torch.cat([places, torch.ones_like(places[..., :1])], 2) @ self.rotation
        grid = 2 * focal[:, None, None] * rays[..., :2] / rays[..., 2:].clamp(min=1e-3)
        grid = grid.unflatten(1, (size, size))
        return grid_sample(photo, grid, mode="bilinear", padding_mode="border", align_corners=False)

    def mirrored(self) -> TurnedView:
        """The views of the mirror images of the crops."""
        signs = self.rotation.new_tensor(MIRROR)
        return TurnedView(signs[:, None] * self.rotation * signs, self.focal)


@dataclass(frozen=True)
class PersonFeatures(Batch):
    """What the backbone gives for each of N people.

    Attributes:
        view: The turned cameras.
        own: (N, F) features of the turned views.
        mirrored: (N, F) features of the mirror images of the turned views.
    """

    view: TurnedView
    own: Float[Tensor, "n f"]
    mirrored: Float[Tensor, "n f"]

    def __len__(self) -> int:
        return len(self.own)

    def joined_numbers(self) -> Float[Tensor, "n _"]:
        """All numbers in one row per person, for caches; `split_numbers` is the inverse."""
        return torch.cat([self.own, self.mirrored, self.view.rotation.flatten(1), self.view.focal[:, None]], 1)

    @staticmethod
    def split_numbers(numbers: Float[Tensor, "n _"]) -> PersonFeatures:
        """The people of `joined_numbers`."""
        count = (numbers.shape[1] - 10) // 2
        own, mirrored, rotation, focal = numbers.split([count, count, 9, 1], 1)
        return PersonFeatures(TurnedView(rotation.unflatten(1, (3, 3)), focal[:, 0]), own, mirrored)

    def of_mirror_images(self) -> PersonFeatures:
        """The features of the mirror images of the crops."""
        return PersonFeatures(self.view.mirrored(), self.mirrored, self.own)
