"""What a data set knows about one person in one image, whatever format it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from render_fit.core.errors import InputError
from render_fit.core.skeletons import Skeleton

GENDERS = {"m": "male", "f": "female", "n": "neutral", "male": "male", "female": "female", "neutral": "neutral"}
"""Genders as files have them, and the names of the model files."""


@dataclass(frozen=True)
class SmplTruth:
    """True parameters of a body model.

    Attributes:
        poses: (J, 3) axis-angle, radians; the first is the global rotation.
        betas: (S,) shape coefficients of the model of that gender.
        gender: ``male``, ``female`` or ``neutral``.
        transl: (3,) metres, added after posing, camera coordinates; None where only the pose is known.
        in_camera: Whether the global rotation is in the frame of the camera; else it is not compared.
    """

    poses: Float[np.ndarray, "j 3"]
    betas: Float[np.ndarray, "s"]
    gender: str = "neutral"
    transl: Float[np.ndarray, "3"] | None = None
    in_camera: bool = True


@dataclass(frozen=True)
class MaskSource:
    """Where the person's mask is: a file, polygons, or run lengths.

    Attributes:
        path: Image whose pixels above zero are the person's, or None.
        polygons: Polygons (N, 2), pixels, whose union is the person, or None.
        labels: Image of part labels, or None; 255 is unlabelled.
    """

    path: Path | None = None
    polygons: tuple[Float[np.ndarray, "_ 2"], ...] | None = None
    labels: Path | None = None


@dataclass(frozen=True)
class AnnotatedPerson:
    """One annotated person in one image; what the data set does not have is None.

    Attributes:
        image: Name of the image as the data set has it: a relative path.
        image_path: File of the image, or None if it is not on this disk.
        person: Number of the person in the image, from 0.
        image_size: (height, width), pixels.
        box_xywh: (4,) box of the person, pixels.
        keypoint_set: Skeleton of the 2D keypoints.
        keypoints_px: (K, 2) pixels.
        keypoints_known: (K,) whether each is annotated.
        joint_set: Skeleton of the 3D joints.
        joints: (K, 3) metres, in the axes of the camera (x right, y down, z forward); often relative to the pelvis.
        joints_known: (K,) whether each is annotated.
        K: (3, 3) intrinsics, pixels of the image.
        smpl: True parameters of a body model.
        mask: Where the mask is.
        sequence: Name of the motion that the image is a frame of.
        frame: Number of the frame in the motion.
    """

    image: str
    image_path: Path | None = None
    person: int = 0
    image_size: tuple[int, int] | None = None
    box_xywh: Float[np.ndarray, "4"] | None = None
    keypoint_set: Skeleton | None = None
    keypoints_px: Float[np.ndarray, "k 2"] | None = None
    keypoints_known: Bool[np.ndarray, "k"] | None = None
    joint_set: Skeleton | None = None
    joints: Float[np.ndarray, "j 3"] | None = None
    joints_known: Bool[np.ndarray, "j"] | None = None
    K: Float[np.ndarray, "3 3"] | None = None
    smpl: SmplTruth | None = None
    mask: MaskSource | None = None
    sequence: str | None = None
    frame: int | None = None

    @property
    def name(self) -> str:
        """Name of image and person, unique within the data set."""
        return self.image if not self.person else f"{self.image} #{self.person}"


def found_image(folder: Path, *names: str) -> Path | None:
    """The first of some relative paths that exists in a folder or in one of the two above it."""
    for place in (folder, *folder.absolute().parents[:2]):
        for name in names:
            if (place / name).is_file():
                return place / name
    return None


def gender_named(value: object) -> str:
    """Gender in the model files' words; ``neutral`` for anything unknown."""
    text = value.decode() if isinstance(value, bytes) else str(value)
    return GENDERS.get(text.lower(), "neutral")


def box_of_points(points: Float[np.ndarray, "k 2"], known: Bool[np.ndarray, "k"]) -> Float[np.ndarray, "4"] | None:
    """(4,) smallest box around the known points, pixels; None without any."""
    if not known.any():
        return None
    low, high = points[known].min(axis=0), points[known].max(axis=0)
    return np.concatenate([low, high - low]).astype(np.float64)


def checked_rows(path: Path, kind: str, n: int, **arrays: np.ndarray | None) -> None:
    """Checks that arrays have one row for each image.

    Raises:
        InputError: if one has another number.
    """
    for name, array in arrays.items():
        if array is not None and (array.ndim == 0 or len(array) != n):
            raise InputError(f"{path}: not {kind}; {name} has the shape {array.shape} for {n} images")
