"""Meshes as OBJ, PLY and GLB.

All three formats contain the same numbers: camera coordinates (x right, y down, z forward), metres, vertices in the
body's order. In glTF y points up: there the root node turns them by 180° about x, so that viewers show an upright
person upright and importers apply the turn.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float, Integer, UInt8

from render_fit.core.deferred_imports import deferred
from render_fit.core.errors import InputError
from render_fit.core.files import write_bytes

MESH_FORMATS = ("obj", "ply", "glb")

UPRIGHT = np.diag([1.0, -1.0, -1.0, 1.0])
"""From the camera's axes to glTF's: x right, y up, z towards the viewer (glTF 2.0, section 3.4)."""

DULL = {"baseColorFactor": [0.66, 0.77, 0.92, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.9}
"""Material of a body in glTF, whose default is a polished metal; light blue as in the images."""


def mesh_kinds(text: str | Sequence[str], also: Sequence[str] = ()) -> tuple[str, ...]:
    """Kinds of files to write, checked before any work.

    Args:
        text: Kinds with commas, or one by one; capitals and leading dots are accepted.
        also: Kinds beside `MESH_FORMATS` that the caller writes.

    Returns:
        The kinds in small letters, each once.

    Raises:
        InputError: if one is not known.
    """
    words = text.split(",") if isinstance(text, str) else text
    kinds = tuple(dict.fromkeys(word.strip().lower().lstrip(".") for word in words if word.strip()))
    known = (*MESH_FORMATS, *also)
    unknown = [kind for kind in kinds if kind not in known]
    if unknown:
        raise InputError(f"--save {','.join(words)}: unknown {unknown[0]!r}; known are {', '.join(known)}")
    return kinds


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
    if file_type == "glb":
        return write_bytes(path, _glb(vertices, faces, vertex_colours))
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
    """Reads vertices (V, 3) and faces (F, 3) of a mesh file, in the order of the file and in camera coordinates."""
    path, trimesh = Path(path), _trimesh()
    file_type = path.suffix.lower().lstrip(".")
    content = io.BytesIO(path.read_bytes())
    loaded = trimesh.load(content, file_type=file_type, process=False, maintain_order=True)
    # the numbers of a glTF, without the turn of its root node
    mesh = next(iter(loaded.geometry.values())) if isinstance(loaded, trimesh.Scene) else loaded
    assert isinstance(mesh, trimesh.Trimesh)
    return np.asarray(mesh.vertices, dtype=np.float32), np.asarray(mesh.faces, dtype=np.int64)


def _trimesh() -> ModuleType:
    """trimesh, imported when a mesh is written or read, and without networkx, which only its graphs need."""
    with deferred("networkx", Graph="networkx.Graph"):  # the class is used in annotations only
        import trimesh
    return trimesh


def _glb(
    vertices: Float[np.ndarray, "v 3"],
    faces: Integer[np.ndarray, "f 3"],
    vertex_colours: Integer[np.ndarray, "v 3"] | None,
) -> bytes:
    """A binary glTF of one mesh: normals, a dull material, and y up by the node's matrix."""
    trimesh = _trimesh()
    colours = None if vertex_colours is None else linear_colours(vertex_colours)
    mesh = trimesh.Trimesh(vertices, faces, vertex_colors=colours, process=False)
    scene = trimesh.Scene()
    scene.add_geometry(mesh, node_name="person", geom_name="body", transform=UPRIGHT)

    def finish(tree: dict[str, Any]) -> None:
        factor = DULL if colours is None else {**DULL, "baseColorFactor": [1.0, 1.0, 1.0, 1.0]}
        tree["materials"] = [{"name": "body", "pbrMetallicRoughness": factor}]
        for one in tree["meshes"]:
            for primitive in one["primitives"]:
                primitive["material"] = 0

    export = trimesh.exchange.gltf.export_glb
    return export(scene, include_normals=True, unitize_normals=True, tree_postprocessor=finish)


def linear_colours(colours: Integer[np.ndarray, "v 3"]) -> UInt8[np.ndarray, "v 4"]:
    """sRGB bytes as linear ones with alpha, which glTF's ``COLOR_0`` holds (IEC 61966-2-1)."""
    srgb = colours[:, :3].astype(np.float64) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.concatenate([np.round(255 * linear), np.full((len(linear), 1), 255.0)], axis=1).astype(np.uint8)
