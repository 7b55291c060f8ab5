"""Small meshes in front of small cameras, for comparing renderers, float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import trimesh
from torch import Tensor

from render_fit.core.cameras import Camera, camera_from_focal

HEIGHT, WIDTH = 22, 26


@dataclass(frozen=True)
class Scene:
    vertices: Tensor  # (1, V, 3) camera coordinates, metres
    faces: Tensor
    parts: Tensor
    camera: Camera


def _placed(mesh: trimesh.Trimesh, x: float, y: float, z: float) -> trimesh.Trimesh:
    mesh.apply_translation([x, y, z])
    return mesh


def _ball(x: float = 0.05, y: float = 0.02, z: float = 3.0, radius: float = 0.4) -> trimesh.Trimesh:
    return _placed(trimesh.creation.icosphere(subdivisions=1, radius=radius), x, y, z)


def _rod(x: float, y: float, z: float, length: float = 1.0) -> trimesh.Trimesh:
    rod = trimesh.creation.capsule(height=length, radius=0.1, count=[6, 6])
    rod.apply_transform(trimesh.transformations.rotation_matrix(1.2, [0.3, 1, 0.1]))
    return _placed(rod, x, y, z)


def _torus() -> trimesh.Trimesh:
    ring = trimesh.creation.torus(0.35, 0.12, major_sections=12, minor_sections=6)
    ring.apply_transform(trimesh.transformations.rotation_matrix(0.7, [1, 0.4, 0]))
    return _placed(ring, 0.03, 0.01, 3.0)


def _slivers() -> trimesh.Trimesh:
    """A ball with faces 1e-6 m wide, zero-area faces and an unused vertex."""
    ball = _ball()
    n = len(ball.vertices)
    extra = np.array([[-0.7, -0.3, 3.0], [0.5, 0.3, 3.1], [0.5, 0.300001, 3.1], [9.0, 9.0, 1.0]])
    faces = [[n, n + 1, n + 2], [n, n, n + 1], [n, n, n], [0, 1, 1]]
    return trimesh.Trimesh(np.concatenate([ball.vertices, extra]), np.concatenate([ball.faces, faces]), process=False)


def _fan() -> trimesh.Trimesh:
    """Three walls that share one edge: more than two faces at an edge, and open borders."""
    vertices = [[0, -0.4, 3], [0.02, 0.4, 3], [-0.5, 0.1, 3.2], [0.5, 0.0, 3.1], [0.3, 0.45, 2.6]]
    return trimesh.Trimesh(vertices, [[0, 1, 2], [1, 0, 3], [0, 1, 4]], process=False)


def _crumpled() -> trimesh.Trimesh:
    """A closed surface that cuts itself everywhere, so that its back is seen in places."""
    ball = _ball()
    ball.vertices += 0.25 * np.random.default_rng(5).standard_normal(ball.vertices.shape)
    return ball


def _inside_out() -> trimesh.Trimesh:
    ball = _ball()
    ball.invert()
    return ball


def _one_face_turned() -> trimesh.Trimesh:
    """A closed surface one of whose faces has its outside inside."""
    ball = _ball()
    faces = np.array(ball.faces)
    faces[7] = faces[7, ::-1]
    return trimesh.Trimesh(ball.vertices, faces, process=False)


MESHES = {
    "one ball": _ball,
    "a rod in front of a ball": lambda: _ball() + _rod(0.1, 0.05, 2.4),
    "two balls side by side that overlap": lambda: _ball(-0.25) + _ball(0.35, -0.1, 3.9),
    "a ring that hides itself": _torus,
    "partly outside the image": lambda: _ball(0.62, 0.5) + _rod(-0.7, 0.0, 3.0, 2.5),
    "slivers and faces without area": _slivers,
    "three faces at an edge": _fan,
    "a ball turned inside out": _inside_out,
    "a ball with one face turned": _one_face_turned,
    "an open bowl": lambda: trimesh.Trimesh(_ball().vertices, _ball().faces[:50], process=False),
    "partly behind the camera": lambda: _ball() + _rod(0.0, 0.1, -0.2, 0.8),
}

CUT_THEMSELVES = {"a crumpled ball": _crumpled}
"""Surfaces in which the visible part changes where there is no edge: for silhouettes only."""


def scene(name: str) -> Scene:
    """A mesh by name, its vertices displaced by up to 5 mm so that no two edges lie on one line."""
    mesh = (MESHES | CUT_THEMSELVES)[name]()
    generator = torch.Generator().manual_seed(3)
    vertices = torch.tensor(np.array(mesh.vertices))
    if name != "slivers and faces without area":
        vertices = vertices + 0.005 * torch.randn(vertices.shape, generator=generator, dtype=torch.float64)
    faces = torch.tensor(np.array(mesh.faces), dtype=torch.int64)
    # Parts in lumps, as on a body: by the x of the face's centre.
    parts = ((vertices[faces].mean(1)[:, 0] + 0.5) * 6).long().clamp(0, 23)
    return Scene(vertices[None], faces, parts, camera_from_focal(38.0, HEIGHT, WIDTH))


def part_weights(n_parts: int, height: int, width: int) -> np.ndarray:
    """(n_parts, height, width) weights of a loss on part maps; ``RandomState``'s numbers never change."""
    return np.random.RandomState(5).standard_normal((n_parts, height, width))
