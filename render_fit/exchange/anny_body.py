"""Anny (NAVER) as a body whose surface can be fitted, and its vertices that the open body has too.

The open body's vertices are a subset of MakeHuman's, as Anny's are: the two meshes have 6,999 points in common. Anny's
shape is a set of phenotypes and local changes between bounds; its mesh is not linear in them.

Source: Brégier et al. 2025, Human Mesh Modeling for Anny Body.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.bodies.kinematics import Tree
from render_fit.core.errors import MissingDependencyError
from render_fit.exchange.posed_points import Posed, Shaped

CORRESPONDENCE = files("render_fit.bodies") / "assets" / "open_body_makehuman.npz"
"""MakeHuman's vertex of each vertex of the open body (made by `bodies.building`; MakeHuman's assets are CC0)."""

CONFIG = {"rig": "cmu_mb", "topology": "anny", "local_changes": "default", "phenotypes": "all",
          "extrapolate_phenotypes": True}  # fmt: skip
"""Arguments of ``anny.Anny`` for the bodies that conversion makes."""

ADULT_AGE = 0.7
"""Age of an average adult on Anny's axis: 2/3 is young, 1 old."""

PHENOTYPE_SIGMA, CHANGE_SIGMA = 0.25, 0.25
"""Standard deviations of phenotypes (their axes run from 0 to 1) and local changes (−1 to 1) among adults."""

BODY_CHANGES = (
    "arm", "leg", "hip", "torso", "stomach", "buttocks", "breast", "neck", "pelvis-tone", "measure", "head-fat",
    "head-scale", "foot-scale", "hand-scale", "hand-fingers", "chin-width", "cheek-volume", "nose-scale",
)  # fmt: skip
"""Words in the names of the local changes that are used: those that change the body. Both sides change alike."""

STEP = 1e-4
"""Step of the finite differences by phenotypes and local changes."""


@lru_cache(maxsize=1)
def load_anny() -> Any:
    """Builds Anny with `CONFIG`, which takes about a minute the first time.

    Raises:
        MissingDependencyError: if the package is not installed.
    """
    try:
        import anny
    except ImportError:
        raise MissingDependencyError(
            "Anny needs the package anny: pip install anny (or 'render-fit[open-body]')"
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a faster package for skinning is not installed
        return anny.Anny(**CONFIG)


def shared_vertices(base_mesh: Sequence[int] | np.ndarray) -> Int64[Tensor, "v"]:
    """Vertex of Anny for each vertex of the open body.

    Args:
        base_mesh: MakeHuman's vertex of each vertex of Anny (its ``base_mesh_vertex_indices``).

    Raises:
        ValueError: if Anny's mesh lacks one of them, as its reduced topologies do.
    """
    with CORRESPONDENCE.open("rb") as file, np.load(file) as data:
        wanted = data["vertices"].astype(np.int64)
    base = np.asarray(base_mesh, dtype=np.int64)
    place = np.full(max(int(base.max()), int(wanted.max())) + 1, -1)
    place[base] = np.arange(len(base))
    if (place[wanted] < 0).any():
        raise ValueError(f"this mesh of {len(base)} vertices lacks {int((place[wanted] < 0).sum())} of the open body's")
    return torch.from_numpy(place[wanted])


class AnnySurface:
    """Some vertices of Anny as a `SkinnedSurface`; its shape coefficients are phenotypes, then local changes."""

    def __init__(self, model: Any, vertices: Int64[Tensor, "n"], faces: Int64[Tensor, "f 3"]) -> None:
        """Takes the arrays of these vertices in float64; ``faces`` are triangles between them."""
        double = torch.float64
        self.model, self.faces = model, faces
        self.tree = Tree(model.bone_parents).to(torch.zeros((), dtype=double))
        self.template = model.template_vertices[vertices].to(double)
        self.blendshapes = model.blendshapes[:, vertices].to(double).flatten(1)
        self.heads = model.template_bone_heads.to(double)
        self.head_blendshapes = model.bone_heads_blendshapes.to(double).flatten(1)
        self.weights = torch.zeros(len(vertices), len(model.bone_labels), dtype=double)
        index, weight = model.vertex_bone_indices[vertices].long(), model.vertex_bone_weights[vertices].to(double)
        self.weights.scatter_add_(1, index, weight)
        self.phenotypes = list(model.phenotype_labels)
        names = [name for name in model.local_change_labels if any(word in name for word in BODY_CHANGES)]
        sides = [name for name in names if "-trans-" not in name and not name.startswith("r-")]
        self.changes = [[name, "r-" + name[2:]] if name.startswith("l-") else [name] for name in sides]
        mean = [ADULT_AGE if name == "age" else 0.5 for name in self.phenotypes] + [0.0] * len(self.changes)
        self.shape_mean = torch.tensor(mean, dtype=double)
        sigma = [PHENOTYPE_SIGMA] * len(self.phenotypes) + [CHANGE_SIGMA] * len(self.changes)
        self.shape_sigma = torch.tensor(sigma, dtype=double)

    def arguments(self, shape: Float[Tensor, "b s"]) -> dict[str, Any]:
        """Phenotypes and local changes of shapes, as Anny takes them."""
        count = len(self.phenotypes)
        phenotypes = {name: shape[:, i] for i, name in enumerate(self.phenotypes)}
        changes = {name: shape[:, count + i] for i, names in enumerate(self.changes) for name in names}
        return {"phenotype_kwargs": phenotypes, "local_changes_kwargs": changes}

    def coefficients(self, shape: Float[Tensor, "b s"]) -> Float[Tensor, "b k"]:
        """Coefficients of Anny's blend shapes."""
        given = self.arguments(shape.to(self.model.dtype))
        coefficients = self.model.get_phenotype_blendshape_coefficients(
            **given["phenotype_kwargs"], local_changes=given["local_changes_kwargs"]
        )
        return coefficients.double()

    def shaped(self, state: Posed, vertices: Int64[Tensor, "n"] | None = None) -> Shaped:
        """See `SkinnedSurface`; derivatives by finite differences, forwards."""
        chosen = torch.arange(len(self.template)) if vertices is None else vertices
        n = len(state.shape) if vertices is not None else 0  # all vertices are posed for their places alone
        steps = STEP * torch.eye(len(state.shape), dtype=torch.float64)[:n]
        coefficients = self.coefficients(torch.cat([state.shape[None], state.shape + steps]))
        slopes = (coefficients[1:] - coefficients[:1]) / STEP
        shapes = self.blendshapes.unflatten(1, (-1, 3))[:, chosen].flatten(1)
        points = self.template[chosen] + (coefficients[0] @ shapes).reshape(-1, 3)
        joints = self.heads + (coefficients[0] @ self.head_blendshapes).reshape(-1, 3)
        directions = (slopes @ shapes).reshape(n, len(chosen), 3).permute(1, 2, 0)
        joint_directions = (slopes @ self.head_blendshapes).reshape(n, len(self.heads), 3).permute(1, 2, 0)
        return Shaped(points, directions, joints, joint_directions)

    @torch.no_grad()
    def pose_parameters(self, state: Posed) -> tuple[Float[Tensor, "j 4 4"], Float[Tensor, "v 3"]]:
        """Pose parameters of a state in Anny's default parameterisation, and all vertices as Anny poses them."""
        model, given = self.model, self.arguments(state.shape[None].to(self.model.dtype))
        shaped = self.shaped(state)
        world, joints = (value[0] for value in self.tree.pose(state.rotations[None], shaped.joints[None]))
        rest = model(**given)["rest_bone_poses"][0].double()
        bones = rest.clone()
        bones[:, :3, :3] = world @ rest[:, :3, :3]
        bones[:, :3, 3] = joints + state.transl
        posed = model(pose_parameters=bones[None].to(model.dtype), pose_parameterization="world", **given)
        own = model.get_pose_parameterization(posed, model.pose_parameterization)
        again = model(pose_parameters=own, **given)["vertices"][0]
        return own[0].double(), again.double()
