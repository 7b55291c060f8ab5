"""Readers of results that are meshes: SAM 3D Body, whose body is MHR, and files of meshes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from render_fit.core.errors import InputError
from render_fit.exchange.checked_arrays import UNITS, numbers, unit_of
from render_fit.exchange.result import BodyResult, PinholeView

MHR_KEYPOINTS: Mapping[int, str] = {
    0: "nose", 1: "left_eye", 2: "right_eye", 3: "left_ear", 4: "right_ear",
    5: "coco_left_shoulder", 6: "coco_right_shoulder", 7: "coco_left_elbow", 8: "coco_right_elbow",
    9: "coco_left_hip", 10: "coco_right_hip", 11: "coco_left_knee", 12: "coco_right_knee",
    13: "coco_left_ankle", 14: "coco_right_ankle", 15: "left_big_toe", 16: "left_small_toe", 17: "left_heel",
    18: "right_big_toe", 19: "right_small_toe", 20: "right_heel", 41: "coco_right_wrist", 62: "coco_left_wrist",
}  # fmt: skip
"""Landmarks among the 70 keypoints of SAM 3D Body (sam_3d_body/metadata/mhr70.py); the others are fingers and points of
the elbows and shoulders that our bodies do not have."""

MESHES = (".obj", ".ply", ".stl", ".glb")
"""Endings of files of meshes."""


def sam_3d_body(values: Mapping[str, Any], path: Path) -> list[BodyResult]:
    """A person of SAM 3D Body (sam_3d_body/sam_3d_body_estimator.py, process_one_image).

    ``pred_vertices`` and ``pred_keypoints_3d`` are in the axes of the camera (x right, y down, z forward);
    ``pred_cam_t`` is added to both, and ``focal_length`` is in pixels of the photo.
    """
    points = numbers(values, "pred_vertices", path, (None, 3))
    notes: list[str] = []
    unit = unit_of(points)
    if unit != "metres":
        notes.append(f"pred_vertices is in {unit}; converted to metres")
    points = points / UNITS[unit]
    shift = numbers(values, "pred_cam_t", path, (3,)) / UNITS[unit]
    keypoints = None
    if values.get("pred_keypoints_3d") is not None:
        given = numbers(values, "pred_keypoints_3d", path, (None, 3)) / UNITS[unit]
        if len(given) != 70:
            raise InputError(f"{path}: pred_keypoints_3d has {len(given)} keypoints; SAM 3D Body writes 70")
        keypoints = {name: given[index] for index, name in MHR_KEYPOINTS.items()}
    if shift[2] < 0:  # OpenGL: y up, and the camera looks along −z
        flip = np.array([1.0, -1.0, -1.0])
        points, shift = points * flip, shift * flip
        keypoints = None if keypoints is None else {name: flip * point for name, point in keypoints.items()}
        notes.append("the camera looks along −z (OpenGL, y up); turned to y down")
    if "focal_length" not in values:
        view, told = None, ["it has no focal_length: the body is placed by keypoints or mask"]
    else:
        focal = float(numbers(values, "focal_length", path).ravel()[0])
        middle = points.mean(0) if keypoints is None else (keypoints["coco_left_hip"] + keypoints["coco_right_hip"]) / 2
        view, told = PinholeView(middle + shift, focal), []
    faces = numbers(values, "faces", path, (None, 3)).astype(int) if values.get("faces") is not None else None
    if faces is not None and (faces.min(initial=0) < 0 or faces.max(initial=0) >= len(points)):
        raise InputError(f"{path}: faces name vertices up to {faces.max()}; there are {len(points)}")
    return [
        BodyResult(
            "SAM 3D Body", vertices=points + shift, faces=faces, view=view, notes=(*notes, *told),
            keypoints=None if keypoints is None else {name: point + shift for name, point in keypoints.items()},
        )
    ]  # fmt: skip


def anny(values: Mapping[str, Any], path: Path) -> list[BodyResult]:
    """A body of Anny as `render-fit convert --to anny` writes it: its mesh, and MakeHuman's number of each vertex."""
    vertices = numbers(values, "vertices", path, (None, 3))
    faces = numbers(values, "faces", path, (None, 3)).astype(int)
    base = numbers(values, "base_mesh_vertex_indices", path, (len(vertices),)).astype(int)
    return [BodyResult("Anny", "anny", vertices=vertices, faces=faces, base_mesh=base)]


def mesh_file(path: Path) -> list[BodyResult]:
    """A mesh, such as those that SMPLify-X and SAM 3D Body write beside their results: y up, or the camera's y down.

    Raises:
        InputError: if it cannot be read.
    """
    import trimesh

    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        mesh: Any = trimesh.load(path, force="mesh", process=False)
        points, faces = np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int64)
    except Exception as error:  # trimesh reports what is wrong with a file in many ways
        raise InputError(f"{path}: cannot be read as a mesh ({str(error)[:200] or type(error).__name__})") from None
    if points.ndim != 2 or len(points) < 100 or len(faces) < 100 or not np.isfinite(points).all():
        raise InputError(f"{path}: has {len(points)} vertices and {len(faces)} faces; expected the mesh of a person")
    unit = unit_of(points)
    told = () if unit == "metres" else (f"the mesh is in {unit}; converted to metres",)
    return [BodyResult("mesh", vertices=points / UNITS[unit], faces=faces, direction_known=False, notes=told)]
