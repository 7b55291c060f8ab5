"""Parameters of another body for the same surface, with what is left between the two surfaces."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies import Body, load_body_or_fail
from render_fit.core.errors import InputError
from render_fit.core.rotations import roma
from render_fit.exchange.anny_body import AnnySurface, load_anny, shared_vertices
from render_fit.exchange.nearest_surface import TargetMesh
from render_fit.exchange.posed_points import BodySurface, Posed, SkinnedSurface, posed_vertices
from render_fit.exchange.registration import fitted_to_points, zero_pose
from render_fit.exchange.sources import SourceSurface, model_path
from render_fit.exchange.surface_fit import KEYPOINT_SIGMA_M, fit_surface, keypoint_pairs, nearest_pairs
from render_fit.fitting.initialisation import DEFAULT_POSES

FAMILIES = ("smpl", "smplh", "smplx")
"""Bodies that are given with their model file: ``smpl:FILE``."""

REACHES_M = ((0.1, 10), (0.03, 12), (0.015, 10))
"""Reach of nearness, metres, and steps at it, one after the other."""

COMPARED = 4000
"""Points of each surface whose distances to the other one are taken, at most."""

UPS = {"y down": (np.pi, 0.0, 0.0), "y up": (0.0, 0.0, 0.0), "z up": (np.pi / 2, 0.0, 0.0)}
"""Turns (axis-angle) of an upright body in a mesh of unknown axes."""


@dataclass(frozen=True)
class Converted:
    """A surface as parameters of a body.

    Attributes:
        target: Name of the body: ``open``, ``anny``, ``smpl``, ``smplh`` or ``smplx``.
        state: Pose, shape and place.
        body: The body, unless it is Anny.
        anny: Anny's surface and model, if it is Anny.
        mean_mm: Mean distance between the two surfaces, millimetres: of points that belong together where the meshes
            correspond, else of each surface's points to the other surface.
        max_mm: Largest distance, millimetres.
        corresponding: Whether it is the distance of points that belong together.
    """

    target: str
    state: Posed
    body: Body | None
    anny: AnnySurface | None
    mean_mm: float
    max_mm: float
    corresponding: bool


def convert(source: SourceSurface, to: str, n_betas: int = 10) -> Converted:
    """Fits a body to a surface: by points that belong together where the meshes have some, else by nearness.

    Args:
        source: The surface.
        to: ``open``, ``anny``, or ``smpl:FILE``, ``smplh:FILE``, ``smplx:FILE``.
        n_betas: Number of shape coefficients, except of Anny.

    Raises:
        InputError: if there is no such body, or the file is of another family.
        MissingDependencyError: if ``anny`` is not installed.
    """
    if to == "anny":
        return _to_anny(source)
    name, body = target_body(to, n_betas)
    surface = BodySurface(body)
    pairs = _pairs(source, {"smplh": "smpl"}.get(name, name), body.n_vertices)
    state = fitted_to(source, body)
    if pairs is not None:
        distances = (posed_vertices(surface, state)[pairs[0]] - pairs[1]).norm(dim=1)
    else:
        distances = both_ways(surface, state, source)
    mean, largest = 1000 * float(distances.mean()), 1000 * float(distances.max())
    return Converted(name, state, body, None, mean, largest, pairs is not None)


def target_body(to: str, n_betas: int = 10) -> tuple[str, Body]:
    """Name and body of ``open`` or ``smpl:FILE`` and its sisters.

    Raises:
        InputError: if there is none, or the file is of another family.
    """
    family, colon, _ = to.partition(":")
    if to == "open":
        return "open", load_body_or_fail("open", n_betas)
    if not colon or family not in FAMILIES:
        raise InputError(f"--to {to}: expected open, anny, smpl:FILE, smplh:FILE or smplx:FILE")
    path = model_path(to)
    body = load_body_or_fail(path, n_betas)
    if body.name != family:
        raise InputError(f"--to {to}: {path} is a {body.name} model; give --to {body.name}:{path}")
    return family, body


def _pairs(source: SourceSurface, mesh: str, count: int) -> tuple[Tensor, Tensor] | None:
    """Vertices of a mesh and the points of the source that belong to them; None if the two have none."""
    if source.mesh == mesh and len(source.vertices) == count:
        return torch.arange(count), source.vertices
    return None


def _landmarks(body: Body) -> dict[str, Tensor]:
    return {name: body.landmark_regressor[i] for i, name in enumerate(body.landmark_names)}


def start_state(source: SourceSurface, body: Body, surface: BodySurface) -> Posed:
    """A state near a surface: by the source's pose if it has one, by keypoints, or the best of many tries."""
    zero = zero_pose(surface)
    if source.pose is not None:
        turns = [source.pose.get(name, torch.eye(3, dtype=torch.float64)) for name in body.joint_names]
        return _moved_to(surface, Posed(torch.stack(turns).double(), zero.shape, zero.transl), source.vertices)
    shared = [name for name in source.keypoints if name in body.landmark_names]
    if len(shared) >= 6:
        rows = torch.stack([_landmarks(body)[name] for name in shared]).double()
        points = torch.from_numpy(np.stack([source.keypoints[name] for name in shared]))
        turn = roma.rigid_points_registration((rows @ posed_vertices(surface, zero))[None], points[None])[0]
        rotations = zero.rotations.clone()
        rotations[0] = turn[0]
        start = Posed(rotations, zero.shape, zero.transl)
        start = Posed(rotations, zero.shape, points.mean(0) - (rows @ posed_vertices(surface, start)).mean(0))
        known = keypoint_pairs(_landmarks(body), source.keypoints, KEYPOINT_SIGMA_M)
        return fit_surface(surface, start, lambda state, posed: known)
    return _best_try(source, body, surface, zero)


def _moved_to(surface: SkinnedSurface, state: Posed, vertices: Float[Tensor, "v 3"]) -> Posed:
    """The state with the middle of its surface on the middle of a surface."""
    middle = (vertices.amax(0) + vertices.amin(0)) / 2
    own = posed_vertices(surface, state)
    return Posed(state.rotations, state.shape, state.transl + middle - (own.amax(0) + own.amin(0)) / 2)


def _best_try(source: SourceSurface, body: Body, surface: BodySurface, zero: Posed) -> Posed:
    """Of several axes, sides and poses the one from which a short fit comes nearest."""
    generator, tries = np.random.default_rng(0), []
    for up in UPS.values():
        for yaw in (0.0, np.pi / 2, np.pi, -np.pi / 2):
            for pose in ("zero", "standing"):
                rotations = zero.rotations.clone()
                for name, rotvec in DEFAULT_POSES[pose].items():
                    turn = torch.tensor(rotvec, dtype=torch.float64)
                    rotations[body.joint_names.index(name)] = roma.rotvec_to_rotmat(turn)
                tilt, turn = (torch.tensor(axis, dtype=torch.float64) for axis in (up, (0.0, yaw, 0.0)))
                rotations[0] = roma.rotvec_to_rotmat(tilt) @ roma.rotvec_to_rotmat(turn)
                state = _moved_to(surface, Posed(rotations, zero.shape, zero.transl), source.vertices)
                tries.append(state)

    def near(state: Posed) -> float:
        own = TargetMesh(posed_vertices(surface, state).numpy())
        return float(np.minimum(own.tree.query(source.target.vertices[::20])[0], 0.3).mean())

    best = sorted(tries, key=near)[:6]
    pairs = nearest_pairs(source.target, surface.faces, 0.2, generator)
    fitted = [fit_surface(surface, state, pairs, steps=6) for state in best]
    last = [by_nearness(surface, state, source, {}) for state in sorted(fitted, key=near)[:2]]
    return min(last, key=lambda state: float(both_ways(surface, state, source).mean()))


def by_nearness(surface: BodySurface, start: Posed, source: SourceSurface, landmarks: dict[str, Tensor]) -> Posed:
    """Fits a body to a surface without points that belong together, but for keypoints."""
    generator, state, target = np.random.default_rng(0), start, source.target
    shared = [name for name in source.keypoints if name in landmarks]
    known = keypoint_pairs(landmarks, source.keypoints, KEYPOINT_SIGMA_M) if shared else []
    for reach_m, steps in REACHES_M:
        near = nearest_pairs(target, surface.faces, reach_m, generator)
        state = fit_surface(surface, state, lambda at, posed, near=near: [*near(at, posed), *known], steps=steps)
    return state


def both_ways(surface: SkinnedSurface, state: Posed, source: SourceSurface) -> Float[Tensor, "n"]:
    """Distances of the source's points to the body's surface, and of the body's vertices to the source's surface."""
    own = posed_vertices(surface, state).numpy()
    there = source.vertices.numpy()
    found = [TargetMesh(own, surface.faces.numpy()).nearest(there[:: 1 + len(there) // COMPARED]).distances]
    if source.faces is not None:
        found.append(source.target.nearest(own[:: 1 + len(own) // COMPARED]).distances)
    return torch.from_numpy(np.concatenate(found))


def _to_anny(source: SourceSurface) -> Converted:
    """By the vertices that Anny and the open body share; of other meshes, the open body is fitted first."""
    model = load_anny()
    if source.mesh == "open":
        targets = source.vertices
    else:
        first = convert(source, "open", 16)
        assert first.body is not None
        targets = posed_vertices(BodySurface(first.body), first.state)
    shared = shared_vertices(model.base_mesh_vertex_indices.numpy())
    surface = AnnySurface(model, shared, load_body_or_fail("open").faces)
    state = fitted_to_points(surface, torch.arange(len(targets)), targets)
    if source.mesh == "open":
        distances = (posed_vertices(surface, state) - targets).norm(dim=1)
    else:
        distances = both_ways(surface, state, source)
    mean, largest = 1000 * float(distances.mean()), 1000 * float(distances.max())
    return Converted("anny", state, None, surface, mean, largest, source.mesh == "open")


def fitted_to(source: SourceSurface, body: Body) -> Posed:
    """A body fitted to a surface; pose, shape and place.

    Args:
        source: The surface; points that belong together are used if its mesh is the body's.
        body: Body in SMPL's form.
    """
    surface = BodySurface(body)
    pairs = _pairs(source, {"smplh": "smpl"}.get(body.name, body.name), body.n_vertices)
    if pairs is None and source.pose is None and body.name != "open":
        # the open body has the landmarks that find the pose, and its rotations mean the same
        first = load_body_or_fail("open")
        state = fitted_to(source, first)
        source = replace(source, pose=dict(zip(first.joint_names, state.rotations, strict=True)))
    if pairs is not None:
        posed = None if source.pose is None else start_state(source, body, surface)
        return fitted_to_points(surface, *pairs, posed)
    return by_nearness(surface, start_state(source, body, surface), source, _landmarks(body))
