"""Pinhole cameras, and how cropping and resizing the image changes them.

Frame: OpenCV's, x right, y down, z forward, metres. ``K`` maps camera coordinates to pixels of the stated
image; the centre of the top left pixel is at (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.errors import InputError
from render_fit.core.plausibility import ASPECTS, FOCAL_35MM, is_focal_35mm

FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
"""Diagonal of 35 mm film (36 × 24 mm), to which "35 mm equivalent" focal lengths refer (CIPA DCG-001)."""


@dataclass(frozen=True)
class Camera:
    """A batch of pinhole cameras that share one image size.

    Attributes:
        K: (B, 3, 3) intrinsics in pixels of an image of ``height`` × ``width``.
        height: Image height, pixels.
        width: Image width, pixels.
    """

    K: Float[Tensor, "b 3 3"]
    height: int
    width: int

    def __len__(self) -> int:
        return self.K.shape[0]

    def project(self, points_camera: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 2"]:
        """Project points to pixels.

        Args:
            points_camera: (B, N, 3) camera coordinates, metres.

        Returns:
            (B, N, 2) pixels (x, y).

        Differentiability:
            Smooth in points and K for z ≠ 0; depths below a millimetre are clamped to one, where the gradient
            with respect to z is zero, so values and gradients stay finite behind the camera.
        """
        depth = points_camera[..., 2:].clamp(min=1e-3)
        homogeneous = points_camera[..., :2] / depth
        return homogeneous @ self.K[:, :2, :2].mT + self.K[:, None, :2, 2]

    def unproject(self, points_px: Float[Tensor, "b n 2"], depth: Float[Tensor, "b n"]) -> Float[Tensor, "b n 3"]:
        """Camera coordinates (B, N, 3), metres, of pixels at given depths (z, metres): the inverse of ``project``."""
        rays = (points_px - self.K[:, None, :2, 2]) @ torch.linalg.inv(self.K[:, :2, :2]).mT
        return torch.cat([rays * depth[..., None], depth[..., None]], dim=-1)

    def crop(self, boxes_xywh: Float[Tensor, "b 4"], height: int, width: int) -> Camera:
        """The camera of a crop of the image, resized to ``height`` × ``width``.

        Args:
            boxes_xywh: (B, 4) left, top, width, height of the crop in this image's pixels; may exceed the image.
            height: Height of the resized crop, pixels.
            width: Width of the resized crop, pixels.

        Returns:
            A camera whose projections are crop pixels. Points in camera coordinates do not change.
        """
        scale = torch.stack([width / boxes_xywh[:, 2], height / boxes_xywh[:, 3]], dim=-1).to(self.K)
        K = self.K.clone()
        K[:, :2, 2] -= boxes_xywh[:, :2].to(self.K)
        K[:, :2, :] *= scale[:, :, None]
        return Camera(K, height, width)

    def resize(self, height: int, width: int) -> Camera:
        """The camera of the whole image resized to ``height`` × ``width``."""
        whole = torch.tensor([[0.0, 0.0, self.width, self.height]]).expand(len(self), 4)
        return self.crop(whole, height, width)

    def zoomed(self, ratio: Float[Tensor, "b"]) -> Camera:
        """The cameras with focal lengths multiplied by ``ratio``; principal points stay.

        Differentiability: linear in the ratio.
        """
        ones = torch.ones_like(ratio)
        scale = torch.stack([torch.stack([ratio, ratio, ones], -1)] * 2 + [torch.ones(*ratio.shape, 3).to(ratio)], -2)
        return Camera(self.K * scale, self.height, self.width)

    def expand(self, n: int) -> Camera:
        """One camera repeated ``n`` times (a view, no copy)."""
        return Camera(self.K.expand(n, 3, 3), self.height, self.width)

    def __getitem__(self, index: slice | Tensor) -> Camera:
        return Camera(self.K[index], self.height, self.width)

    def to(self, *args, **kwargs) -> Camera:
        """Move or cast K, as ``torch.Tensor.to``."""
        return Camera(self.K.to(*args, **kwargs), self.height, self.width)


def camera_from_focal(focal_px: float, height: int, width: int, centre_px: tuple[float, float] | None = None) -> Camera:
    """One camera with square pixels.

    Args:
        focal_px: Focal length, pixels.
        height: Image height, pixels.
        width: Image width, pixels.
        centre_px: Principal point (x, y); the image centre if None.

    Returns:
        A batch of one camera.

    Raises:
        ValueError: if the focal length is not a positive finite number.
    """
    if not (math.isfinite(focal_px) and focal_px > 0):
        raise ValueError(f"focal_px: expected a positive number of pixels, got {focal_px}")
    cx, cy = centre_px if centre_px is not None else (width / 2, height / 2)
    K = torch.tensor([[[focal_px, 0.0, cx], [0.0, focal_px, cy], [0.0, 0.0, 1.0]]])
    return Camera(K, height, width)


def check_camera(camera: Camera, name: str) -> None:
    """Checks intrinsics against the image that they belong to.

    Args:
        camera: Camera of any batch size.
        name: Argument or file that it comes from, for the message.

    Raises:
        InputError: if K is not finite, is no pinhole camera's, or its focal lengths are no plausible number of pixels.
    """
    K, diagonal = camera.K.detach(), math.hypot(camera.height, camera.width)
    if not bool(K.isfinite().all()):
        raise InputError(f"{name}: K is not finite")
    last = K.new_tensor([0.0, 0.0, 1.0])
    if not bool((K[:, 2] == last).all()) or bool((K[:, 1, 0] != 0).any()):
        raise InputError(f"{name}: expected K = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels")
    for fx, fy in K[:, (0, 1), (0, 1)].tolist():
        equivalents = [f / diagonal * FULL_FRAME_DIAGONAL_MM for f in (fx, fy)]
        if not all(map(is_focal_35mm, equivalents)) or not ASPECTS[0] <= fy / fx <= ASPECTS[1]:
            low, high = (limit / FULL_FRAME_DIAGONAL_MM * diagonal for limit in FOCAL_35MM)
            raise InputError(
                f"{name}: focal lengths of {fx:g} and {fy:g} are no plausible number of pixels for an image of "
                f"{camera.width}×{camera.height} px (expected {low:.0f} to {high:.0f}, nearly equal); "
                f"{_likely_unit(fx)}"
            )


def _likely_unit(fx: float) -> str:
    if fx <= 0:
        return "focal lengths are above zero"
    if fx < 3:
        return "is K normalised by the image's size? Multiply it by the width and height"
    if fx < 60:
        return "is K in millimetres? Convert it to pixels"
    return "is K about an image of another size? State it with width and height in the file"


def focal_px_from_35mm(focal_35mm: float, height: int, width: int) -> float:
    """Focal length in pixels from a 35 mm equivalent one (EXIF ``FocalLengthIn35mmFilm``), by the diagonal."""
    return focal_35mm / FULL_FRAME_DIAGONAL_MM * math.hypot(height, width)


def default_focal_px(height: int, width: int) -> float:
    """Focal length in pixels assumed for an unknown camera: the image diagonal, about a 43 mm lens on 35 mm film.

    The field of view is then 53° across the diagonal, between a phone's main lens (26 mm) and a portrait
    lens (85 mm). CLIFF uses the same (Li et al., ECCV 2022, sec. 3.2).
    """
    return math.hypot(height, width)


def weak_perspective_to_transl(
    scale: Float[Tensor, "b"], centre_px: Float[Tensor, "b 2"], camera: Camera
) -> Float[Tensor, "b 3"]:
    """Translation under a pinhole camera that corresponds to a weak-perspective camera.

    Args:
        scale: (B,) pixels per metre at the person's depth.
        centre_px: (B, 2) projection of the body's origin, pixels.
        camera: The pinhole camera.

    Returns:
        (B, 3) metres: depth is focal / scale, and the origin projects to ``centre_px``.
    """
    depth = camera.K[:, 0, 0] / scale
    return camera.unproject(centre_px[:, None], depth[:, None])[:, 0]


PERSON_MARGIN = 1.2
"""Side of the square view relative to the longer side of the person's box."""


def view_camera(focal: Float[Tensor, "n"], size: int) -> Camera:
    """Cameras of square images, the principal point in the middle.

    Args:
        focal: (N,) focal lengths, as multiples of the image's side.
        size: Side of the image, pixels.
    """
    K = focal.new_zeros(len(focal), 3, 3)
    K[:, 0, 0] = K[:, 1, 1] = focal * size
    K[:, :2, 2] = size / 2
    K[:, 2, 2] = 1
    return Camera(K, size, size)
