"""People to draw: shapes, clothes, and where the camera stands."""

from __future__ import annotations

import math
from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import PERSON_MARGIN, Camera, view_camera
from render_fit.core.config import StrictModel

NEAREST_M = 0.3
"""Nobody's nearest point is closer to the camera than this, whatever fills the picture."""


class PeopleDistribution(StrictModel):
    """What people wear and how they are seen. Shares are probabilities.

    Attributes:
        beta_scale: Standard deviation of the shape coefficients.
        beta_limit: Largest one.
        dressed: Share of people with clothing offsets.
        clothing_cm: Standard deviation of the coarsest clothing coefficient; finer ones get less.
        loose_cm: Mean of how far clothes stand off, added to the coarsest.
        focal: Smallest and largest focal length over the view's side, evenly in the logarithm: a person who fills the
            height of a wide-angle photo (26 mm) has 0.8, one of a quarter of a portrait lens's (85 mm) height 12.
        facing_rad: Largest angle by which people turn away from facing the camera; π: they turn every way.
        pitch_rad: Standard deviation of the camera's pitch; positive looks down.
        roll_rad: Of its roll.
        truncated: Share of people cut off by the photo's edge.
        zoom: Standard deviation of the logarithm of the box's size: detectors' boxes are not exact.
        shift: Of its place, share of half the view's side.
    """

    beta_scale: float = 1.1
    beta_limit: float = 2.5
    dressed: float = 0.6
    clothing_cm: float = 1.2
    loose_cm: float = 0.6
    focal: tuple[float, float] = (0.8, 12.0)
    facing_rad: float = math.pi
    pitch_rad: float = 0.25
    roll_rad: float = 0.1
    truncated: float = 0.15
    zoom: float = 0.05
    shift: float = 0.04


@dataclass(frozen=True)
class People:
    """N people before their cameras.

    Attributes:
        parameters: In the view's axes, clothing among the offsets.
        clothing: (N, M) coefficients of the clothing basis, centimetres; M is 0 without one.
        vertices: (N, V, 3) metres.
        joints: (N, J, 3) metres.
        camera: N square cameras that look at their person.
        inside: (N, 4) left, top, right, bottom of the photo in the view, pixels; beyond it nothing was photographed.
    """

    parameters: BodyParameters
    clothing: Float[Tensor, "n m"]
    vertices: Float[Tensor, "n v 3"]
    joints: Float[Tensor, "n j 3"]
    camera: Camera
    inside: Float[Tensor, "n 4"]


@torch.no_grad()
def sample_people(
    body: Body,
    pose: Float[Tensor, "n 24 3"],
    size: int,
    mix: PeopleDistribution,
    generator: torch.Generator,
    basis: ClothingBasis | None = None,
) -> People:
    """Gives poses a shape, clothes and a camera.

    Args:
        body: M.
        pose: (N, 24, 3) axis-angle, upright axes (see `PoseBank.draw`).
        size: Side of the view, pixels.
        mix: How.
        generator: Source of randomness.
        basis: Clothes; nobody wears any without it.
    """
    count = len(pose)

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator)

    betas = (mix.beta_scale * normal(body.n_betas)).clamp(-mix.beta_limit, mix.beta_limit)
    clothing, offsets = torch.zeros(count, 0), None
    if basis is not None:
        fineness = (basis.eigenvalues / basis.eigenvalues[0]).sqrt()
        clothing = mix.clothing_cm * normal(len(fineness)) / fineness
        clothing[:, 0] += mix.loose_cm
        clothing = clothing * (uniform(1) < mix.dressed)
        offsets = basis(clothing)
    rotations = roma.rotvec_to_rotmat(pose)
    zero = torch.zeros(count, 1)
    yaw = mix.facing_rad * (2 * uniform(1) - 1)
    turn = _about(0, math.pi + mix.pitch_rad * normal(1)) @ _about(1, yaw)
    turn = _about(2, mix.roll_rad * normal(1)) @ turn
    rotations = torch.cat([turn[:, None] @ rotations[:, :1], rotations[:, 1:]], 1)
    parameters = BodyParameters(rotations, betas, zero.expand(count, 3), offsets)
    output = body(parameters)

    low, high = (math.log(limit) for limit in mix.focal)
    focal = (low + (high - low) * uniform()).exp()
    camera = view_camera(focal, size)
    cut = _cuts(count, mix, generator)
    fill = (mix.zoom * normal()).exp() / PERSON_MARGIN
    middle = mix.shift * normal(2)
    transl, box = _placed(output.vertices, camera, cut, fill, middle)
    far = 10.0 * size
    inside = torch.where(cut > 0, box, torch.tensor([-far, -far, far, far]))
    parameters = BodyParameters(rotations, betas, transl, offsets)
    shift = transl[:, None]
    return People(parameters, clothing, output.vertices + shift, output.joints + shift, camera, inside)


def _about(axis: int, angle: Float[Tensor, "n 1"]) -> Float[Tensor, "n 3 3"]:
    """Rotations about a coordinate axis."""
    rotvec = torch.zeros(len(angle), 3)
    rotvec[:, axis] = angle[:, 0]
    return roma.rotvec_to_rotmat(rotvec)


def _cuts(count: int, mix: PeopleDistribution, generator: torch.Generator) -> Float[Tensor, "n 4"]:
    """Shares of the person's box that the photo's left, top, right and bottom edges cut off; mostly the bottom's."""
    which = torch.multinomial(torch.tensor([0.12, 0.08, 0.12, 0.68]), count, replacement=True, generator=generator)
    share = 0.1 + 0.5 * torch.rand(count, generator=generator)
    share = share * torch.tensor([0.6, 0.5, 0.6, 1.0])[which]
    cut = torch.rand(count, generator=generator) < mix.truncated
    return torch.nn.functional.one_hot(which, 4) * (share * cut)[:, None]


def _placed(
    vertices: Float[Tensor, "n v 3"],
    camera: Camera,
    cut: Float[Tensor, "n 4"],
    fill: Float[Tensor, "n"],
    middle: Float[Tensor, "n 2"],
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 4"]]:
    """Translations that make what the photo shows of a person fill the view, and that part's box in pixels."""
    size, focal = camera.width, camera.K[:, 0, 0]
    points = vertices[:, ::7]
    extent = points.amax(1) - points.amin(1)
    depth = focal * extent[:, :2].amax(1) / (fill * size) + extent[:, 2] / 2
    centre = (points.amax(1) + points.amin(1)) / 2
    transl = torch.cat([-centre[:, :2], (depth - centre[:, 2])[:, None]], 1)
    target = size / 2 * (1 + middle)
    nearest = NEAREST_M - points[..., 2].amin(1)
    box = points.new_zeros(len(points), 4)
    for _ in range(14):
        seen = camera.project(points + transl[:, None])
        low, high = seen.amin(1), seen.amax(1)
        extent_px = high - low
        low, high = low + cut[:, :2] * extent_px, high - cut[:, 2:] * extent_px
        box = torch.cat([low, high], 1)
        ratio = ((high - low) / (fill * size)[:, None]).amax(1)
        z = (centre[:, 2] + transl[:, 2]).clamp(min=0.1)
        shift = (target - (low + high) / 2) / focal[:, None] * z[:, None]
        ahead = torch.maximum(transl[:, 2] + z * (ratio.clamp(0.5, 2.0) - 1), nearest)
        transl = torch.cat([transl[:, :2] + shift, ahead[:, None]], 1)
    return transl, box
