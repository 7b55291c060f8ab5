"""What another system found of one person, in one form for all systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Placement:
    """Where a person is in an image, whatever the camera model was.

    Attributes:
        pelvis_px: (2,) image of the pelvis joint, pixels (x, y).
        px_per_m: Scale of the image at the pelvis, pixels a metre.
    """

    pelvis_px: Float[np.ndarray, "2"]
    px_per_m: float


@dataclass(frozen=True)
class PinholeView:
    """A person seen by a pinhole camera.

    Attributes:
        pelvis: (3,) pelvis joint in camera coordinates (x right, y down, z forward), metres.
        focal_px: Focal length, pixels of the photo's file.
        centre_px: (2,) principal point; None: the middle of the photo.
        per_side: Whether the focal length is a share of the photo's longer side rather than in pixels.
    """

    pelvis: Float[np.ndarray, "3"]
    focal_px: float
    centre_px: Float[np.ndarray, "2"] | None = None
    per_side: bool = False

    def placed(self, image_size: tuple[int, int]) -> Placement:
        """Place in a photo of a size (height, width)."""
        middle = np.array([image_size[1] / 2, image_size[0] / 2])
        centre = middle if self.centre_px is None else self.centre_px
        px_per_m = self.focal_px * (max(image_size) if self.per_side else 1) / self.pelvis[2]
        return Placement(px_per_m * self.pelvis[:2] + centre, float(px_per_m))


@dataclass(frozen=True)
class WeakView:
    """A person seen by a weak-perspective camera: the image is ``scale · (x + shift)`` in a square from −1 to 1.

    Attributes:
        pelvis: (3,) pelvis joint in the axes of the camera, before the shift, metres.
        scale: Half squares a metre.
        shift: (2,) metres.
        square: Centre x, centre y and side of the square, pixels of the photo's file; None: the photo, padded to one.
    """

    pelvis: Float[np.ndarray, "3"]
    scale: float
    shift: Float[np.ndarray, "2"]
    square: tuple[float, float, float] | None = None

    def placed(self, image_size: tuple[int, int]) -> Placement:
        """Place in a photo of a size (height, width)."""
        height, width = image_size
        x, y, side = self.square or (width / 2, height / 2, float(max(image_size)))
        px_per_m = self.scale * side / 2
        return Placement(px_per_m * (self.pelvis[:2] + self.shift) + np.array([x, y]), float(px_per_m))


@dataclass(frozen=True)
class BodyResult:
    """One person in a result of another system.

    A result has pose parameters, a mesh, or both. Both are in the axes of the camera (x right, y down, z forward).

    Attributes:
        system: Name of the system, for notes.
        family: Body that ``betas`` belong to: ``smpl``, ``smplh``, ``smplx``, or the name or path of one of ours.
        joint_names: Names of the J joints of ``pose``.
        pose: (J, 3) local axis-angle rotations in SMPL's meaning, global rotation first, radians.
        betas: (S,) shape coefficients of that body.
        offsets: (V, 3) displacements of the vertices in the zero pose (SMPL+D), metres.
        transl: (3,) translation added after posing, metres; for conversion, which keeps it.
        vertices: (V, 3) posed mesh, metres.
        faces: (F, 3) triangles, or None for points without a surface.
        keypoints: Landmark → (3,) position in the frame of ``vertices``, metres.
        view: How the person was seen; None if the file has no camera.
        direction_known: Whether the global rotation is one about the camera's axes, or only the vertical is known.
        base_mesh: (V,) MakeHuman's vertex of each of ``vertices``, for Anny.
        notes: What was recognised or changed while reading, sentences.
    """

    system: str
    family: str | None = None
    joint_names: tuple[str, ...] = ()
    pose: Float[np.ndarray, "j 3"] | None = None
    betas: Float[np.ndarray, "s"] | None = None
    offsets: Float[np.ndarray, "v 3"] | None = None
    transl: Float[np.ndarray, "3"] | None = None
    vertices: Float[np.ndarray, "v 3"] | None = None
    faces: Int[np.ndarray, "f 3"] | None = None
    keypoints: Mapping[str, Float[np.ndarray, "3"]] | None = None
    view: PinholeView | WeakView | None = None
    direction_known: bool = True
    base_mesh: Int[np.ndarray, "v"] | None = None
    notes: tuple[str, ...] = ()
