"""Meshes as OBJ, PLY and GLB.

All three formats contain the same numbers: camera coordinates (x right, y down, z forward), metres, vertices in the
body's order. In glTF y points up, so viewers show a GLB of an upright person upside down; rotate it by 180° about x.
"""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType

import numpy as np
from jaxtyping import Float, Integer

from render_fit.core.deferred_imports import deferred
from render_fit.core.errors import InputError
from render_fit.core.files import write_bytes

MESH_FORMATS = ("obj", "ply", "glb")


def write_mesh(
    path: Path | str,
    vertices: Float[np.ndarray, "v 3"],
    faces: Integer[np.ndarray, "f 3"],
    *,
    vertex_colours: Integer[np.ndarray, "v 3"] | None = None,
) -> Path:
    """Writes one mesh in the format of the suffix.

    Args:
        path: Output file, ``.obj``, ``.ply`` or ``.glb``; written atomically.
        vertices: (V, 3) metres, any frame; order and number are kept.
        faces: (F, 3) vertex indices.
        vertex_colours: (V, 3) RGB 0–255, e.g. ``parts.colours[vertex_parts]``; no colours if None.

    Returns:
        Path of the file.

    Raises:
        InputError: if the suffix is another one.

    Example:
        >>> import tempfile
        >>> triangle = np.eye(3, dtype=np.float32)
        >>> folder = Path(tempfile.mkdtemp())
        >>> vertices, faces = read_mesh(write_mesh(folder / "mesh.ply", triangle, np.array([[0, 1, 2]])))
        >>> bool((vertices == triangle).all())
        True
    """
    path = Path(path)
    file_type = path.suffix.lower().lstrip(".")
    if file_type not in MESH_FORMATS:
        raise InputError(f"{path}: meshes are written as {', '.join(MESH_FORMATS)}, not {path.suffix!r}")
    mesh = _trimesh().Trimesh(vertices, faces, vertex_colors=vertex_colours, process=False)
    # 8 decimals of a metre: the resolution of float32 at the distance of a body, and well below 1e-5 m
    options = (
        {"digits": 8, "include_normals": False, "header": "render-fit: camera coordinates, metres"}
        if file_type == "obj"
        else {}
    )
    content = mesh.export(file_type=file_type, **options)
    assert isinstance(content, (str, bytes))
    return write_bytes(path, content.encode() if isinstance(content, str) else content)


def read_mesh(path: Path | str) -> tuple[Float[np.ndarray, "v 3"], Integer[np.ndarray, "f 3"]]:
    """Reads vertices (V, 3) and faces (F, 3) of a mesh file, in the order and frame of the file."""
    path, trimesh = Path(path), _trimesh()
    file_type = path.suffix.lower().lstrip(".")
    mesh = trimesh.load(
        io.BytesIO(path.read_bytes()), file_type=file_type, force="mesh", process=False, maintain_order=True
    )
    assert isinstance(mesh, trimesh.Trimesh)
    return np.asarray(mesh.vertices, dtype=np.float32), np.asarray(mesh.faces, dtype=np.int64)


def _trimesh() -> ModuleType:
    """trimesh, imported when a mesh is written or read, and without networkx, which only its graphs need."""
    with deferred("networkx", Graph="networkx.Graph"):  # the class is used in annotations only
        import trimesh
    return trimesh
