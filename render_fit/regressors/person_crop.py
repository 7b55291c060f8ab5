"""The camera that looks straight at a person: every regressor sees people through it.

What a person looks like depends on where in the photo they stand: at the edge a pinhole camera shows their side. A crop
keeps that, so a network would have to learn every pose once for every place. Instead the camera is turned until the
person is in its middle; what it sees then follows from the photo by a homography, and the pose is told in its axes.

Source: perspective crop layers, Yu et al., CVPR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from render_fit.core.cameras import PERSON_MARGIN, Camera
from render_fit.observations.observation import Box


@dataclass(frozen=True)
class PersonCrop:
    """N cameras that look straight at their person.

    Attributes:
        camera: Square, the principal point in the middle.
        rotation: (N, 3, 3) takes the photo's camera axes to the view's.
    """

    camera: Camera
    rotation: Float[Tensor, "n 3 3"]

    def __getitem__(self, rows: Tensor) -> PersonCrop:
        return PersonCrop(self.camera[rows], self.rotation[rows])

    @property
    def focal(self) -> Float[Tensor, "n"]:
        """Focal length over the side of the picture: how strong perspective is."""
        return self.camera.K[:, 0, 0] / self.camera.width

    def homography(self, photo: Camera) -> Float[Tensor, "n 3 3"]:
        """Takes homogeneous pixels of the photo (or of any crop of it, by the crop's camera) to the view's."""
        return self.camera.K @ self.rotation @ torch.linalg.inv(photo.K)

    def project_points(self, points_px: Float[Tensor, "n k 2"], photo: Camera) -> Float[Tensor, "n k 2"]:
        """Brings pixels of the photo into the view.

        Differentiability: smooth for points before the view's camera; others are put far outside.
        """
        homogeneous = torch.cat([points_px, torch.ones_like(points_px[..., :1])], -1) @ self.homography(photo).mT
        return homogeneous[..., :2] / homogeneous[..., 2:].clamp(min=1e-3)

    def warp_image(self, picture: Float[Tensor, "n c h w"], photo: Camera) -> Float[Tensor, "n c s s"]:
        """Brings pictures taken by ``photo`` into the view: bilinear samples, zero outside.

        Source resolution should be about the view's, or the picture aliases.
        """
        size = self.camera.width
        centres = torch.arange(size, dtype=picture.dtype, device=picture.device) + 0.5
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        rays = torch.stack([x, y, torch.ones_like(x)], -1).flatten(0, 1)
        source = rays @ torch.linalg.inv(self.homography(photo)).mT
        source_px = source[..., :2] / source[..., 2:].clamp(min=1e-6)
        height, width = picture.shape[-2:]
        grid = 2 * source_px / source_px.new_tensor([width, height]) - 1
        return grid_sample(picture, grid.view(-1, size, size, 2), padding_mode="zeros", align_corners=False)


def person_crop(photo: Camera, box: Box, size: int, margin: float = PERSON_MARGIN) -> PersonCrop:
    """The camera that looks at the middle of a box.

    Args:
        photo: One camera.
        box: The person's box, pixels of the photo.
        size: Side of the view, pixels.
        margin: Side of the view over the longer side of the box.

    Returns:
        One view, in which the box's corners fit into the square that ``margin`` leaves.
    """
    left, top, width, height = box
    corners = torch.tensor([[left, top], [left + width, top], [left, top + height], [left + width, top + height]])
    middle = torch.tensor([[left + width / 2, top + height / 2]])
    points = torch.cat([middle, corners]).to(photo.K)
    rays = torch.cat([points, torch.ones_like(points[:, :1])], -1) @ torch.linalg.inv(photo.K[0]).mT
    ahead = normalize(rays[0], dim=0)
    across = torch.linalg.cross(ahead, ahead.new_tensor([0.0, 0.0, 1.0]))
    angle = torch.atan2(across.norm(), ahead[2])
    turn = roma.rotvec_to_rotmat(normalize(across, dim=0, eps=1e-12) * angle)
    seen = rays[1:] @ turn.mT
    reach = (seen[:, :2] / seen[:, 2:].clamp(min=1e-3)).abs().amax().clamp(min=1e-6)
    focal = size / (2 * margin * float(reach))
    K = photo.K.new_tensor([[[focal, 0.0, size / 2], [0.0, focal, size / 2], [0.0, 0.0, 1.0]]])
    return PersonCrop(Camera(K, size, size), turn[None])
