"""Meshes that explain a fit: skeleton, ellipsoids of joints, camera, and the plane of the photo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Float, Int

from render_fit.export.tapes import tube

BONE_M = 0.011
"""Radius of a bone, metres."""

JOINT_M = 0.02
"""Radius of a joint, metres."""

RADIUS = 2.5003
"""Half axes of an ellipsoid of 90 % in standard deviations: the root of χ²'s quantile for three dimensions."""

STRAIGHT = np.inf
"""Longest piece of a straight tube."""

BEHIND = 1.35
"""Distance of the photo's plane, in distances of the person: behind the person, who is seen in front of it."""


@dataclass(frozen=True)
class Shape:
    """A triangle mesh.

    Attributes:
        vertices: (V, 3) metres.
        faces: (F, 3) vertex indices.
    """

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]


@dataclass(frozen=True)
class Plane:
    """Where a photo lies in camera coordinates, such that it is seen from the camera as it was taken.

    Attributes:
        centre: (3,) its middle, metres.
        width: Metres.
        height: Metres.
    """

    centre: Float[np.ndarray, "3"]
    width: float
    height: float

    @property
    def corners(self) -> Float[np.ndarray, "4 3"]:
        """Its corners in order, the photo's top left first."""
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
        return self.centre + np.concatenate([signs * [self.width, self.height], np.zeros((4, 1))], 1)


def joined(shapes: Iterable[Shape]) -> Shape:
    """Several meshes as one."""
    vertices, faces, count = [], [], 0
    for shape in shapes:
        vertices.append(shape.vertices)
        faces.append(shape.faces + count)
        count += len(shape.vertices)
    return Shape(np.concatenate(vertices).astype(np.float32), np.concatenate(faces).astype(np.int64))


def _ball() -> Shape:
    """A sphere of radius 1 about the origin."""
    sphere = trimesh.creation.icosphere(subdivisions=2)
    return Shape(np.asarray(sphere.vertices), np.asarray(sphere.faces))


BALL = _ball()


def skeleton(joints: Float[np.ndarray, "j 3"], parents: Sequence[int]) -> Shape:
    """Bones between joints and their parents, and a ball at each joint.

    Args:
        joints: (J, 3) metres.
        parents: Parent of each joint; below 0 for the root.
    """
    balls = [Shape(joint + JOINT_M * BALL.vertices, BALL.faces) for joint in joints]
    bones = [
        Shape(*tube(np.stack([joints[parent], joint]), False, BONE_M, STRAIGHT))
        for joint, parent in zip(joints, parents, strict=True)
        if parent >= 0
    ]
    return joined([*balls, *bones])


def ellipsoids(joints: Float[np.ndarray, "j 3"], covariance: Float[np.ndarray, "j 3 3"]) -> Shape:
    """The ellipsoid of every joint but the first that contains it with a probability of 90 %.

    Args:
        joints: (J, 3) metres, the pelvis first.
        covariance: (J, 3, 3) squared metres.
    """
    values, vectors = np.linalg.eigh(covariance[1:].astype(np.float64))
    axes = vectors * (RADIUS * np.sqrt(values.clip(0)))[:, None, :]
    turns = np.sign(np.linalg.det(vectors))  # of a reflection faces would look inwards
    axes[:, :, 0] *= turns[:, None]
    return joined(
        Shape(joint + BALL.vertices @ axis.T, BALL.faces) for joint, axis in zip(joints[1:], axes, strict=True)
    )


def photo_plane(K: Float[np.ndarray, "3 3"], image_size: tuple[int, int], depth_m: float) -> Plane:
    """The plane at a depth that the photo fills, seen from the camera.

    Args:
        K: (3, 3) intrinsics, pixels; the principal point may be anywhere.
        image_size: (H, W) pixels.
        depth_m: Metres.
    """
    height, width = image_size
    (fx, _, cx), (_, fy, cy), _ = K.tolist()
    centre = np.array([(width / 2 - cx) / fx, (height / 2 - cy) / fy, 1.0]) * depth_m
    return Plane(centre, width / fx * depth_m, height / fy * depth_m)


def frustum(plane: Plane, thickness_m: float = 0.006) -> Shape:
    """Rays from the camera to the corners of the photo, and its frame."""
    corners = plane.corners
    small = 0.05 * corners

    def line(start: np.ndarray, end: np.ndarray, radius_m: float) -> Shape:
        return Shape(*tube(np.stack([start, end]), False, radius_m, STRAIGHT))

    rays = [line(np.zeros(3), corner, thickness_m) for corner in corners]
    frame = [line(corners[side], corners[(side + 1) % 4], thickness_m) for side in range(4)]
    housing = [line(small[side], small[(side + 1) % 4], 2 * thickness_m) for side in range(4)]
    return joined([Shape(0.03 * BALL.vertices, BALL.faces), *rays, *frame, *housing])
