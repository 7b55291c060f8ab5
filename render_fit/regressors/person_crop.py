"""Person crop: a virtual camera that is rotated towards the person, for the inputs of a regressor.

The image of a person depends on the position in the photo: near the edge a pinhole camera shows the side of the person.
A plain crop keeps this effect, so that a network has to learn every pose for every position. Instead, the camera is
rotated until the person is in the centre of the image. A homography warps the photo to this camera, and the pose is
predicted in its axes.

The warps are written here and not kornia's, which shows what is behind the camera as a mirror image.

Source: perspective crop layers, Yu et al., CVPR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from render_fit.core.cameras import PERSON_MARGIN, Camera
from render_fit.core.rotations import roma
from render_fit.observations.observation import Box


@dataclass(frozen=True)
class PersonCrop:
    """Crop cameras of N people.

    Attributes:
        camera: N square cameras with the principal point in the centre.
        rotation: (N, 3, 3) rotations from the axes of the photo's camera to those of the crop camera.
    """

    camera: Camera
    rotation: Float[Tensor, "n 3 3"]

    def __getitem__(self, rows: Tensor) -> PersonCrop:
        return PersonCrop(self.camera[rows], self.rotation[rows])

    @property
    def focal(self) -> Float[Tensor, "n"]:
        """Focal length over the side of the crop; determines the strength of the perspective."""
        return self.camera.K[:, 0, 0] / self.camera.width

    def homography(self, photo: Camera) -> Float[Tensor, "n 3 3"]:
        """Homography from pixels of the photo (or of any crop of it, with the camera of that crop) to this crop."""
        return self.camera.K @ self.rotation @ torch.linalg.inv(photo.K)

    def project_points(self, points_px: Float[Tensor, "n k 2"], photo: Camera) -> Float[Tensor, "n k 2"]:
        """Transforms pixels of the photo to pixels of the crop.

        Differentiability: smooth for points in front of the crop camera; others are mapped far outside of the crop.
        """
        homogeneous = torch.cat([points_px, torch.ones_like(points_px[..., :1])], -1) @ self.homography(photo).mT
        return homogeneous[..., :2] / homogeneous[..., 2:].clamp(min=1e-3)

    def warp_image(self, image: Float[Tensor, "n c h w"], photo: Camera) -> Float[Tensor, "n c s s"]:
        """Warps images of the camera ``photo`` to the crop: bilinear samples, zero outside.

        The resolution of the images should be close to that of the crop; otherwise the result is aliased.
        """
        size = self.camera.width
        centres = torch.arange(size, dtype=image.dtype, device=image.device) + 0.5
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        rays = torch.stack([x, y, torch.ones_like(x)], -1).flatten(0, 1)
        source = rays @ torch.linalg.inv(self.homography(photo)).mT
        source_px = source[..., :2] / source[..., 2:].clamp(min=1e-6)
        height, width = image.shape[-2:]
        grid = 2 * source_px / source_px.new_tensor([width, height]) - 1
        return grid_sample(image, grid.view(-1, size, size, 2), padding_mode="zeros", align_corners=False)


def person_crop(photo: Camera, box: Box, size: int, margin: float = PERSON_MARGIN) -> PersonCrop:
    """Computes the crop camera that is directed at the centre of a box.

    Args:
        photo: Camera of the photo (N = 1).
        box: Box of the person, pixels of the photo.
        size: Side of the crop, pixels.
        margin: Side of the crop over the side of the square that contains the box.

    Returns:
        Person crop (N = 1).
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
    turned = rays[1:] @ turn.mT
    reach = (turned[:, :2] / turned[:, 2:].clamp(min=1e-3)).abs().amax().clamp(min=1e-6)
    focal = size / (2 * margin * float(reach))
    K = photo.K.new_tensor([[[focal, 0.0, size / 2], [0.0, focal, size / 2], [0.0, 0.0, 1.0]]])
    return PersonCrop(Camera(K, size, size), turn[None])
