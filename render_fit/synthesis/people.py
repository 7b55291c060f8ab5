"""Shape, clothing and camera of synthetic people, sampled for given poses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import PERSON_MARGIN, Camera, view_camera
from render_fit.core.config import StrictModel
from render_fit.core.rotations import roma

NEAREST_M = 0.3
"""Smallest depth of a person's nearest point, even if the person then does not fill the view."""


class PeopleDistribution(StrictModel):
    """Distribution of shape, clothing and camera. Shares are probabilities.

    Attributes:
        beta_scale: Standard deviation of the shape coefficients.
        beta_limit: Largest absolute value of a shape coefficient.
        clothed: Share of people with clothing offsets.
        clothing_cm: Standard deviation of the coarsest clothing coefficient; finer ones have less.
        clothing_mean_cm: Mean of the coarsest clothing coefficient: clothes stand off the body.
        focal: Smallest and largest focal length over the view's side, log-uniform: a person who fills the height of a
            wide-angle photo (26 mm) has 0.8, one of a quarter of a portrait lens's (85 mm) height 12.
        facing_rad: Largest yaw away from facing the camera; π covers all directions.
        pitch_rad: Standard deviation of the camera's pitch; positive pitch has the camera above the person.
        roll_rad: Standard deviation of the camera's roll.
        truncated: Share of people cut off by the photo's edge.
        zoom: Standard deviation of the logarithm of the person's size in the view: boxes of detectors are not exact.
        shift: Standard deviation of the person's position in the view, share of half its side.
    """

    renamed: ClassVar[Mapping[str, str]] = {"dressed": "clothed", "loose_cm": "clothing_mean_cm"}

    beta_scale: float = 1.1
    beta_limit: float = 2.5
    clothed: float = 0.6
    clothing_cm: float = 1.2
    clothing_mean_cm: float = 0.6
    focal: tuple[float, float] = (0.8, 12.0)
    facing_rad: float = math.pi
    pitch_rad: float = 0.25
    roll_rad: float = 0.1
    truncated: float = 0.15
    zoom: float = 0.05
    shift: float = 0.04


@dataclass(frozen=True)
class People:
    """N people in camera coordinates.

    Attributes:
        parameters: Body parameters, with clothing as vertex offsets.
        clothing: (N, M) coefficients of the clothing basis, centimetres; M is 0 without a basis.
        vertices: (N, V, 3) mesh vertices, metres.
        joints: (N, J, 3) joints, metres.
        camera: N square cameras, each centred on its person.
        image_bounds: (N, 4) left, top, right and bottom edge of the photo in the view, pixels; edges that do not cut
            the person lie far outside the view.
    """

    parameters: BodyParameters
    clothing: Float[Tensor, "n m"]
    vertices: Float[Tensor, "n v 3"]
    joints: Float[Tensor, "n j 3"]
    camera: Camera
    image_bounds: Float[Tensor, "n 4"]


@torch.no_grad()
def sample_people(
    body: Body,
    pose: Float[Tensor, "n 24 3"],
    size: int,
    distribution: PeopleDistribution,
    generator: torch.Generator,
    basis: ClothingBasis | None = None,
) -> People:
    """Samples a shape, clothing and a camera for each pose.

    Args:
        body: Body model.
        pose: (N, 24, 3) axis-angle; the pelvis in the body's own upright axes (see `PoseBank.sample`).
        size: Side of the view, pixels.
        distribution: Distribution of shape, clothing and camera.
        generator: Source of randomness.
        basis: Clothing basis; None: all people are unclothed.
    """
    count = len(pose)

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator)

    betas = (distribution.beta_scale * normal(body.n_betas)).clamp(-distribution.beta_limit, distribution.beta_limit)
    clothing, offsets = torch.zeros(count, 0), None
    if basis is not None:
        fineness = (basis.eigenvalues / basis.eigenvalues[0]).sqrt()
        clothing = distribution.clothing_cm * normal(len(fineness)) / fineness
        clothing[:, 0] += distribution.clothing_mean_cm
        clothing = clothing * (uniform(1) < distribution.clothed)
        offsets = basis(clothing)
    rotations = roma.rotvec_to_rotmat(pose)
    yaw = distribution.facing_rad * (2 * uniform(1) - 1)
    turn = _rotate_about(0, math.pi + distribution.pitch_rad * normal(1)) @ _rotate_about(1, yaw)
    turn = _rotate_about(2, distribution.roll_rad * normal(1)) @ turn
    rotations = torch.cat([turn[:, None] @ rotations[:, :1], rotations[:, 1:]], 1)
    parameters = BodyParameters(rotations, betas, torch.zeros(count, 3), offsets)
    output = body(parameters)

    low, high = (math.log(limit) for limit in distribution.focal)
    focal = (low + (high - low) * uniform()).exp()
    camera = view_camera(focal, size)
    cut = _sample_truncation(count, distribution.truncated, generator)
    fill = (distribution.zoom * normal()).exp() / PERSON_MARGIN
    offset = distribution.shift * normal(2)
    transl, box = _place_people(output.vertices, camera, cut, fill, offset)
    far = 10.0 * size
    image_bounds = torch.where(cut > 0, box, torch.tensor([-far, -far, far, far]))
    parameters = BodyParameters(rotations, betas, transl, offsets)
    shift = transl[:, None]
    return People(parameters, clothing, output.vertices + shift, output.joints + shift, camera, image_bounds)


def _rotate_about(axis: int, angle: Float[Tensor, "n 1"]) -> Float[Tensor, "n 3 3"]:
    """(N, 3, 3) rotations by angles (radians) about a coordinate axis."""
    rotvec = torch.zeros(len(angle), 3)
    rotvec[:, axis] = angle[:, 0]
    return roma.rotvec_to_rotmat(rotvec)


def _sample_truncation(count: int, truncated: float, generator: torch.Generator) -> Float[Tensor, "n 4"]:
    """Shares of a person's box cut off by the photo's left, top, right and bottom edge; mostly by the bottom edge."""
    which = torch.multinomial(torch.tensor([0.12, 0.08, 0.12, 0.68]), count, replacement=True, generator=generator)
    share = 0.1 + 0.5 * torch.rand(count, generator=generator)
    share = share * torch.tensor([0.6, 0.5, 0.6, 1.0])[which]
    cut = torch.rand(count, generator=generator) < truncated
    return torch.nn.functional.one_hot(which, 4) * (share * cut)[:, None]


def _place_people(
    vertices: Float[Tensor, "n v 3"],
    camera: Camera,
    cut: Float[Tensor, "n 4"],
    fill: Float[Tensor, "n"],
    offset: Float[Tensor, "n 2"],
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 4"]]:
    """Translations that make the part of a person inside the photo fill the view, and the box of that part, pixels."""
    size, focal = camera.width, camera.K[:, 0, 0]
    points = vertices[:, ::7]
    extent = points.amax(1) - points.amin(1)
    depth = focal * extent[:, :2].amax(1) / (fill * size) + extent[:, 2] / 2
    centre = (points.amax(1) + points.amin(1)) / 2
    transl = torch.cat([-centre[:, :2], (depth - centre[:, 2])[:, None]], 1)
    target = size / 2 * (1 + offset)
    nearest = NEAREST_M - points[..., 2].amin(1)
    box = points.new_zeros(len(points), 4)
    for _ in range(14):
        pixels = camera.project(points + transl[:, None])
        low, high = pixels.amin(1), pixels.amax(1)
        extent_px = high - low
        low, high = low + cut[:, :2] * extent_px, high - cut[:, 2:] * extent_px
        box = torch.cat([low, high], 1)
        ratio = ((high - low) / (fill * size)[:, None]).amax(1)
        z = (centre[:, 2] + transl[:, 2]).clamp(min=0.1)
        shift = (target - (low + high) / 2) / focal[:, None] * z[:, None]
        ahead = torch.maximum(transl[:, 2] + z * (ratio.clamp(0.5, 2.0) - 1), nearest)
        transl = torch.cat([transl[:, :2] + shift, ahead[:, None]], 1)
    return transl, box
