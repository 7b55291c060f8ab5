"""The surface of a result, which a conversion fits another body to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies import Body, load_body_or_fail
from render_fit.core.errors import InputError
from render_fit.core.rotations import roma
from render_fit.exchange.anny_body import shared_vertices
from render_fit.exchange.nearest_surface import TargetMesh
from render_fit.exchange.posed_points import BodySurface, Posed, posed_vertices
from render_fit.exchange.result import BodyResult

MESHES: Mapping[int, str] = {6890: "smpl", 10475: "smplx"}
"""Meshes that are known by their number of vertices; SMPL-H has SMPL's."""


@dataclass(frozen=True)
class SourceSurface:
    """A posed surface in space.

    Attributes:
        mesh: Name of the mesh that its vertices are of: ``open``, ``smpl``, ``smplx``, or ``other``.
        vertices: (v, 3) metres.
        faces: (f, 3) triangles, or None.
        pose: Joint → local rotation in SMPL's meaning; None if there is no such pose.
        keypoints: Landmark → position, metres.
        betas: Shape coefficients of the body ``mesh``, where they are known.
        notes: What is to be told, sentences.
    """

    mesh: str
    vertices: Float[Tensor, "v 3"]
    faces: np.ndarray | None
    pose: Mapping[str, Tensor] | None
    keypoints: Mapping[str, np.ndarray]
    betas: Tensor | None = None
    notes: tuple[str, ...] = ()

    @property
    def target(self) -> TargetMesh:
        """The surface to find nearest points of."""
        return TargetMesh(self.vertices.numpy(), self.faces)


def source_surface(result: BodyResult, model: str | None = None) -> SourceSurface:
    """The surface of a result, posed by its own body model or as its file has it.

    Args:
        result: One person.
        model: Path of the model file of the result's parameters, for files with parameters alone.

    Raises:
        InputError: if the file has no mesh, and the body of its parameters is not known.
    """
    own = result.family is not None and result.system == "render-fit"
    if result.pose is not None and (model is not None or own):
        body = load_body_or_fail(model or str(result.family), 10 if result.betas is None else len(result.betas))
        return _posed_source(result, body)
    if result.vertices is None:
        raise InputError(
            f"{result.system}: the file has parameters of {result.family or 'a body'} and no mesh; give the model file "
            "that they are of with --from"
        )
    vertices, faces, mesh = result.vertices, result.faces, MESHES.get(len(result.vertices), "other")
    if result.base_mesh is not None:
        vertices, faces, mesh = vertices[shared_vertices(result.base_mesh).numpy()], None, "open"
    pose = None
    if result.pose is not None:
        turns = roma.rotvec_to_rotmat(torch.from_numpy(result.pose))
        pose = dict(zip(result.joint_names, turns, strict=True))
    return SourceSurface(mesh, torch.from_numpy(vertices), faces, pose, dict(result.keypoints or {}))


def _posed_source(result: BodyResult, body: Body) -> SourceSurface:
    assert result.pose is not None
    names = result.joint_names or body.joint_names
    if len(names) != len(result.pose):
        raise InputError(f"{result.system}: the pose is for {len(result.pose)} joints; {body.name} has {len(names)}")
    given = dict(zip(names, roma.rotvec_to_rotmat(torch.from_numpy(result.pose)), strict=True))
    eye = torch.eye(3, dtype=torch.float64)
    rotations = torch.stack([given.get(name, eye) for name in body.joint_names])
    betas = torch.zeros(body.n_betas, dtype=torch.float64)
    if result.betas is not None:
        count = min(len(result.betas), body.n_betas)
        betas[:count] = torch.from_numpy(result.betas[:count])
    transl = torch.zeros(3) if result.transl is None else torch.from_numpy(result.transl)
    vertices = posed_vertices(BodySurface(body), Posed(rotations, betas, transl.double()))
    mesh = {"smplh": "smpl"}.get(body.name, body.name)
    notes = () if result.offsets is None else ("the clothes (offsets) are not converted, the body under them is",)
    rows = body.landmark_regressor.double() @ vertices
    keypoints = {name: rows[i].numpy() for i, name in enumerate(body.landmark_names)}
    return SourceSurface(mesh, vertices, body.faces.numpy(), given, keypoints, betas, notes)


def model_path(text: str) -> str:
    """Path of a model file, of ``smpl:FILE`` or ``FILE``.

    Raises:
        InputError: if there is no such file.
    """
    family, colon, path = text.partition(":")
    path = path if colon and family in ("smpl", "smplh", "smplx") else text
    if path != "open" and not Path(path).exists():
        raise InputError(f"{path}: no such model file")
    return path
