"""Files of converted bodies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from render_fit.core.array_files import write_arrays
from render_fit.core.rotations import roma
from render_fit.exchange.anny_body import AnnySurface
from render_fit.exchange.conversion import Converted
from render_fit.exchange.posed_points import BodySurface, Posed
from render_fit.exchange.result import BodyResult, PinholeView
from render_fit.export.parameters import read_params


def write_converted(path: Path, converted: Converted, result: BodyResult, source: Path) -> Path:
    """Writes a converted body.

    A fit of ours on a body in SMPL's form becomes a ``params.npz`` of the other body, which every command takes. Others
    get smplx's names, or Anny's arguments, and ``K`` where the result has a camera.

    Args:
        path: File to write.
        converted: The body.
        result: What was converted.
        source: Its file.
    """
    arrays = parameters_of(converted)
    if isinstance(result.view, PinholeView) and result.view.centre_px is not None:
        focal, (x, y) = result.view.focal_px, result.view.centre_px
        arrays["K"] = np.array([[focal, 0, x], [0, focal, y], [0, 0, 1]], np.float32)
    file = source / "params.npz" if source.is_dir() else source
    if result.system != "render-fit" or converted.body is None:
        return write_arrays(path, **arrays)
    saved, state = read_params(file), converted.state
    index = 0 if len(saved.poses) == 1 else _index(saved.trans, result)
    surface = BodySurface(converted.body)
    _, joints = surface.tree.pose(state.rotations[None], surface.shaped(state).joints[None])
    pose = roma.rotmat_to_rotvec(state.rotations).reshape(1, -1)
    changed = replace(
        saved.frame(index),
        poses=pose.numpy().astype(np.float32),
        betas=state.shape.numpy().astype(np.float32),
        trans=arrays["transl"],
        joints=(joints + state.transl).numpy().astype(np.float32),
        body=converted.body.origin,
        offsets=None,
        betas_covariance=None,
        joints_covariance=None,
    )
    content = {key: np.asarray(value) for key, value in vars(changed).items() if value is not None}
    return write_arrays(path, **content, residual_mm=arrays["residual_mm"], residual_max_mm=arrays["residual_max_mm"])


def _index(trans: np.ndarray, result: BodyResult) -> int:
    """Frame of a fit of several that a result was read from."""
    return int(np.abs(trans - result.transl).sum(1).argmin())


def parameters_of(converted: Converted) -> dict[str, Any]:
    """Arrays of a converted body under smplx's names, or Anny's.

    Returns:
        For bodies in SMPL's form ``global_orient``, ``body_pose``, ``betas``, ``transl`` (and hands and face), each of
        one body; for Anny the arguments of its call. All have ``residual_mm`` and ``body``.
    """
    residual = {
        "residual_mm": np.array(converted.mean_mm, np.float32),
        "residual_max_mm": np.array(converted.max_mm, np.float32),
        "body": np.array(converted.target if converted.body is None else converted.body.origin),
    }  # fmt: skip
    state = converted.state
    if converted.anny is not None:
        return {**_anny_arrays(converted.anny, state), **residual}
    pose = roma.rotmat_to_rotvec(state.rotations).numpy().astype(np.float32)
    slices = _smplx_slices(len(pose))
    named = {name: pose[one].reshape(1, -1) for name, one in slices.items()}
    shape, transl = state.shape.numpy().astype(np.float32), state.transl.numpy().astype(np.float32)
    return {**named, "betas": shape[None], "transl": transl[None], **residual}


def _smplx_slices(count: int) -> dict[str, slice]:
    """smplx's names of the parts of a pose."""
    if count == 24:
        return {"global_orient": slice(0, 1), "body_pose": slice(1, 24)}
    body = {"global_orient": slice(0, 1), "body_pose": slice(1, 22)}
    if count == 52:
        return {**body, "left_hand_pose": slice(22, 37), "right_hand_pose": slice(37, 52)}
    face = {"jaw_pose": slice(22, 23), "leye_pose": slice(23, 24), "reye_pose": slice(24, 25)}
    return {**body, **face, "left_hand_pose": slice(25, 40), "right_hand_pose": slice(40, 55)}


def _anny_arrays(surface: AnnySurface, state: Posed) -> dict[str, Any]:
    pose, vertices = surface.pose_parameters(state)
    given = surface.arguments(state.shape[None])
    phenotypes, changes = given["phenotype_kwargs"], given["local_changes_kwargs"]
    return {
        "pose_parameters": pose.numpy()[None],
        "bone_labels": _texts(surface.model.bone_labels),
        "phenotype_labels": _texts(phenotypes),
        "phenotypes": np.array([float(value) for value in phenotypes.values()]),
        "local_change_labels": _texts(changes),
        "local_changes": np.array([float(value) for value in changes.values()]),
        "vertices": vertices.numpy().astype(np.float32),
        "faces": surface.model.get_triangular_faces().numpy(),
        "base_mesh_vertex_indices": surface.model.base_mesh_vertex_indices.numpy(),
    }


def _texts(names: Sequence[str] | dict[str, Any]) -> np.ndarray:
    return np.array([str(name) for name in names])
