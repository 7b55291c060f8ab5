"""Inspection of an objective on one image: its value, its gradient in image space, its loss landscape.

Example:
    >>> import torch
    >>> from render_fit.bodies import open_body
    >>> from render_fit.synthesis import everyday_pose, synthetic_scene
    >>> from render_fit.fitting.variables import Variables
    >>> scene = synthetic_scene(open_body(), everyday_pose("walking"), seed=1)
    >>> problem = compose(scene.observation(), {"silhouette_l2": 200.0, "keypoints": 1.0}, size=64)
    >>> truth = Variables.from_parameters(problem.body, scene.parameters)
    >>> walk = landscape(problem, truth, (joint_turn(problem.body, "left_knee"), torch.linspace(-0.5, 0.5, 5)))
    >>> walk.total.shape
    torch.Size([5])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies import load_body
from render_fit.bodies.body import Body
from render_fit.core.cameras import Camera
from render_fit.fitting.problem import Problem
from render_fit.fitting.variables import SKELETAL, Variables
from render_fit.losses.registry import Number, weighted_terms
from render_fit.losses.targets import targets_from
from render_fit.losses.term import Objective, Term
from render_fit.observations.camera_source import assumed_camera
from render_fit.observations.observation import Observation
from render_fit.renderers import checked_renderer, make_renderer
from render_fit.renderers.base import Renderer, RenderSettings

Direction = Mapping[str, Tensor]
"""How fast each variable changes along a walk: name → one row of it per unit of the walk."""

BATCH = 16
"""States evaluated at once: more does not make a CPU faster, only its memory fuller."""


def compose(
    observation: Observation,
    terms: Mapping[str, Number | tuple[Number, Term]],
    *,
    body: Body | None = None,
    renderer: Renderer | None = None,
    camera: Camera | None = None,
    settings: RenderSettings | None = None,
    size: int = 128,
    margin: float = 0.1,
) -> Problem:
    """An objective on one image.

    Args:
        observation: Mask, keypoints and parts, in pixels of the photo.
        terms: Name → weight, for a registered term with its default options, or name → (weight, term).
        body: Body model M; the open body if None.
        renderer: Renderer R; that of ``make_renderer("auto")`` if None.
        camera: Camera of the photo; if None the observation's, or an assumed one.
        settings: Softness of renderings.
        size: Side of the crop in which pixels are compared, pixels.
        margin: Room on each side of the person's box, as a share of its longer side.

    Returns:
        The problem: ``loss``, ``breakdown``, ``minimise``.

    Raises:
        InputError: for the name of a term that is not known, or an object that cannot be used as a term or renderer.
    """
    if camera is None:
        camera = observation.camera
    if camera is None:
        camera = assumed_camera(*observation.image_size)
    return Problem(
        body if body is not None else load_body("open"),
        targets_from(observation, camera, size, margin),
        Objective(weighted_terms(terms)),
        checked_renderer(renderer) if renderer is not None else make_renderer("auto"),
        settings if settings is not None else RenderSettings(),
    )


def joint_turn(body: Body, joint: str, axis: tuple[Number, Number, Number] = (1.0, 0.0, 0.0)) -> Direction:
    """The direction that adds to a joint's axis-angle: one radian about ``axis`` per unit.

    Args:
        body: Body model M.
        joint: Name of a joint other than the root.
        axis: In the joint's own rest frame (x to the person's left, y up, z forward).
    """
    index = body.joint_names.index(joint)
    if index == 0:
        raise ValueError(f"joint: {joint!r} is the global rotation; walk along the variable 'orient'")
    turn = torch.zeros(len(body.joint_names) - 1, 3)
    turn[index - 1] = torch.nn.functional.normalize(torch.tensor(axis, dtype=torch.float32), dim=0)
    return {"pose": turn}


def shift(at: Variables, direction: tuple[Number, Number, Number]) -> Direction:
    """The direction that moves the body by one metre along ``direction`` (camera axes) per unit, to first order.

    Args:
        at: One state (B = 1), whose depth gives the size of a metre in the image.
        direction: x right, y down, z away.
    """
    x, y, log_depth = at.position[0]
    depth = log_depth.exp()
    dx, dy, dz = torch.nn.functional.normalize(torch.tensor(direction, dtype=torch.float32), dim=0)
    return {"position": torch.stack([(dx - x * dz) / depth, (dy - y * dz) / depth, dz / depth])}


def moved(at: Variables, *moves: tuple[Direction, Number | Float[Tensor, "b"]]) -> Variables:
    """The states after moves along directions, all added up.

    Args:
        at: B states.
        moves: Pairs of a direction and how far along it, for all states or for each.
    """
    for direction, distance in moves:
        far = torch.as_tensor(distance, dtype=torch.float32).expand(len(at))
        for name, rate in direction.items():
            at = at.with_values({name: getattr(at, name) + torch.einsum("n,...->n...", far, rate)})
    return at


@dataclass(frozen=True)
class Landscape:
    """An objective over one or two walks.

    Attributes:
        terms: name → weighted value, one axis per walk.
    """

    terms: Mapping[str, Float[Tensor, "..."]]

    @property
    def total(self) -> Float[Tensor, "..."]:
        """The sum of all terms."""
        return torch.stack(list(self.terms.values())).sum(dim=0)


@torch.no_grad()
def landscape(problem: Problem, at: Variables, *walks: tuple[Direction, Float[Tensor, "_"]]) -> Landscape:
    """Every term's value along a walk through the variables, or on the plane of two.

    Args:
        problem: Problem to evaluate.
        at: State at which the walks start (B = 1).
        walks: One or more of (direction, how far along it).

    Returns:
        Values of shape (n,), (n, m), … with one axis per walk.
    """
    grids = torch.meshgrid(*(steps for _, steps in walks), indexing="ij")
    distances = torch.stack([grid.flatten() for grid in grids], dim=1)
    states = at[torch.zeros(len(distances), dtype=torch.long)]
    directions = [direction for direction, _ in walks]
    states = moved(states, *zip(directions, distances.unbind(dim=1), strict=True))
    parts = [problem.breakdown(states[i : i + BATCH]) for i in range(0, len(distances), BATCH)]
    shape = grids[0].shape
    return Landscape({name: torch.cat([part[name] for part in parts]).reshape(shape) for name in parts[0]})


@dataclass(frozen=True)
class Pull:
    """Negative gradient of a term in image space.

    Attributes:
        points_px: (N, 2) pixels of the crop.
        pull: (N, 2) −∂ term / ∂ position there, weighted term per pixel.
    """

    points_px: Float[Tensor, "n 2"]
    pull: Float[Tensor, "n 2"]


def pull(problem: Problem, at: Variables, term: str, cell_px: float = 4.0) -> Pull:
    """A term's negative gradient in the positions of projected vertices and keypoints.

    Args:
        problem: Problem with the term.
        at: One state (B = 1).
        term: Name of the term in the objective.
        cell_px: Vertices are gathered in square cells of this side, and their gradients summed: a mesh has several
            vertices per pixel.

    Returns:
        One arrow for each cell with a gradient. Depth is held fixed; a prior has no arrows.
    """
    with torch.enable_grad():
        skeleton = at.with_values({"pose": at.pose}).free(SKELETAL)
        moving = {name: value.detach().requires_grad_(True) for name, value in skeleton.items()}
        state = problem.state(at.with_values(moving))
        weighted = problem.objective.terms[term]
        # A term may depend on nothing that moves: adding zero times something that does keeps the graph whole.
        value = weighted.weight * weighted.term(state).sum() + 0 * state.parameters.transl.sum()
        vertices = state.output.vertices
        placed = [vertices] if state.targets.skeleton is None else [vertices, state.keypoints]
        gradients = torch.autograd.grad(value, placed, allow_unused=True, materialize_grads=True)
    points, gradient = torch.cat(placed, dim=1)[0].detach(), torch.cat(gradients, dim=1)[0]
    focal = problem.targets.camera.K[0, [0, 1], [0, 1]]
    points_px = problem.targets.camera.project(points[None])[0]
    # With depth fixed, a pixel is depth / focal metres.
    per_pixel = -gradient[:, :2] * points[:, 2:] / focal
    cells, member = torch.floor(points_px / cell_px).unique(dim=0, return_inverse=True)
    summed = torch.zeros(len(cells), 2).index_add_(0, member, per_pixel)
    centres = torch.zeros(len(cells), 2).index_add_(0, member, points_px) / member.bincount()[:, None]
    felt = summed.norm(dim=1) > 0
    return Pull(centres[felt], summed[felt])
