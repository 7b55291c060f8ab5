"""Scenes made by hand: a body at a known place, pictures painted instead of rendered, observations of one kind."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from render_fit.bodies import Body, BodyParameters, open_body
from render_fit.core.cameras import Camera, camera_from_focal
from render_fit.core.skeletons import COCO_17
from render_fit.losses.fit_state import FitState
from render_fit.losses.targets import FitTargets, targets_from
from render_fit.renderers import CpuRenderer, RenderSettings
from render_fit.renderers.base import RenderOutput
from render_fit.synthesis import SyntheticScene as Drawn
from render_fit.synthesis import everyday_pose, synthetic_scene

SIZE = 64


@dataclass(frozen=True)
class Painter:
    """A renderer that draws the same pictures whatever the body does."""

    silhouette: Tensor | None = None
    parts: Tensor | None = None
    name: str = "painter"

    def __call__(self, vertices_camera, faces, camera, settings, *, face_parts=None, outputs=("silhouette",)):
        return RenderOutput(silhouette=self.silhouette, parts=self.parts)


def standing(n: int = 1, transl: tuple[float, float, float] = (0.0, 0.3, 4.0)) -> BodyParameters:
    """n people in the zero pose, upright, facing the camera."""
    pose = torch.zeros(n, 24, 3)
    pose[:, 0, 0] = math.pi
    return BodyParameters.from_rotvec(pose, torch.zeros(n, 10), torch.tensor(transl).expand(n, 3).clone())


def camera(size: int = SIZE) -> Camera:
    return camera_from_focal(1.5 * size, size, size)


def targets(size: int = SIZE, person_size_px: float = 40.0, **seen) -> FitTargets:
    """Observations of one image, all pixels valid unless said otherwise."""
    seen.setdefault("valid", torch.ones(1, size, size, dtype=torch.bool))
    return FitTargets(camera=camera(size), person_size_px=torch.tensor([person_size_px]), **seen)


def painted(observed: FitTargets, **pictures) -> FitState:
    """A standing body whose picture is painted: what terms on pixels compute, without a renderer."""
    return FitState(open_body(), standing(), observed, Painter(**pictures))


def at(observed: FitTargets, parameters: BodyParameters, sigma_px: float = 1.0) -> FitState:
    """A rendered scene."""
    return FitState(open_body(), parameters, observed, CpuRenderer(), RenderSettings(sigma_px=sigma_px))


@lru_cache(maxsize=4)
def drawn(pose: str = "a_pose", seed: int = 1) -> Drawn:
    """A synthetic person, drawn by code that shares nothing with the renderers."""
    return synthetic_scene(open_body(), everyday_pose(pose), seed, yaw_rad=0.2, jitter=0.0)


@lru_cache(maxsize=4)
def seen(pose: str = "a_pose", size: int = SIZE) -> FitTargets:
    """What was seen of that person, in a crop."""
    scene = drawn(pose)
    return targets_from(scene.observation(), scene.camera, size, 0.15)


def moved(parameters: BodyParameters, by_m: tuple[float, float, float]) -> BodyParameters:
    shift = torch.tensor(by_m).to(parameters.transl)
    return BodyParameters(parameters.rotations, parameters.betas, parameters.transl + shift, parameters.offsets)


def joined(*parameters: BodyParameters) -> BodyParameters:
    return BodyParameters(*(torch.cat([getattr(p, k) for p in parameters]) for k in ("rotations", "betas", "transl")))


def leaves(parameters: BodyParameters) -> tuple[BodyParameters, list[Tensor]]:
    """The same parameters as leaves of a graph, and those leaves."""
    pose = parameters.pose.detach().requires_grad_(True)
    betas = parameters.betas.detach().clone().requires_grad_(True)
    transl = parameters.transl.detach().clone().requires_grad_(True)
    return BodyParameters.from_rotvec(pose, betas, transl), [pose, betas, transl]


@lru_cache(maxsize=1)
def body64() -> Body:
    """The open body in float64, for gradient checks."""
    return copy.deepcopy(open_body()).double()


def targets64(**seen) -> FitTargets:
    """Observations without pictures in float64, seen by COCO's skeleton."""
    made = targets(skeleton=COCO_17, **{name: value.double() for name, value in seen.items()})
    return FitTargets(
        **{**made.__dict__, "camera": made.camera.to(torch.float64), "person_size_px": torch.tensor([40.0]).double()}
    )


def gradients_agree(term, observed: FitTargets, n_joints: int = 24) -> bool:
    """Gradcheck of a term in pose, shape and place, at a pose without symmetry."""
    generator = torch.Generator().manual_seed(0)
    pose = 0.3 * torch.randn(1, n_joints, 3, generator=generator, dtype=torch.float64)
    pose[:, 0] = torch.tensor([3.0, 0.1, 0.2])
    betas = torch.randn(1, 10, generator=generator, dtype=torch.float64)
    transl = torch.tensor([[0.1, 0.3, 4.0]], dtype=torch.float64)

    def value(pose, betas, transl):
        parameters = BodyParameters.from_rotvec(pose, betas, transl)
        return term(FitState(body64(), parameters, observed, pose_rotvec=pose))

    inputs = tuple(x.requires_grad_(True) for x in (pose, betas, transl))
    return torch.autograd.gradcheck(value, inputs, eps=1e-6, atol=1e-5, rtol=1e-4)


def finite_gradient(term, scene: FitState, wanted: list[Tensor]) -> list[Tensor]:
    """The term's gradients, having checked that value and gradients are finite and the graph was kept."""
    value = term(scene)
    assert value.shape == (len(scene.parameters),)
    assert value.isfinite().all(), value
    gradients = torch.autograd.grad(value.sum(), wanted, allow_unused=True, materialize_grads=True)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    return list(gradients)
