"""Timed cases of the renderer R: one image forward and backward, and the hard z-buffer pass as lower bound."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.bodies import REST, Placed
from benchmarks.measure import Seconds, Spread, spread, take_turns
from render_fit.core.cameras import Camera
from render_fit.renderers.base import NEAR_M, Renderer, RenderSettings
from render_fit.renderers.kernels.rasterize import hard_pass, orient

HARD_PASS = "hard pass"


@dataclass(frozen=True)
class Picture:
    """Settings and outputs that are timed together.

    Attributes:
        settings: Softness of the outputs.
        outputs: Names of the rendered outputs.
    """

    settings: RenderSettings
    outputs: tuple[str, ...] = ("silhouette",)

    @property
    def name(self) -> str:
        """Name in tables."""
        what = self.settings.silhouette if "silhouette" in self.outputs else ""
        if "parts" in self.outputs:
            what += " + parts" + (" (softmax)" if self.settings.part_borders == "softmax" else "")
        hard = [name for name in self.outputs if name not in ("silhouette", "parts")]
        return ", ".join([*([f"{what}, σ {self.settings.sigma_px:g} px"] if what else []), *hard])


def picture(silhouette: str, sigma_px: float, parts: bool = False, borders: str = "contour") -> Picture:
    """Settings for a silhouette of one kind, with or without part map."""
    settings = RenderSettings(silhouette=silhouette, sigma_px=sigma_px, part_borders=borders)  # pyright: ignore[reportArgumentType]
    return Picture(settings, ("silhouette", "parts") if parts else ("silhouette",))


def draw(renderer: Renderer, vertices: Tensor, one: Placed, camera: Camera, what: Picture) -> Tensor:
    """All rendered outputs of one body, flattened and joined: (n,)."""
    drawn = renderer(
        vertices, one.mesh.faces, camera, what.settings, face_parts=one.mesh.face_parts, outputs=what.outputs
    )
    return torch.cat([getattr(drawn, name).flatten() for name in what.outputs])


def forward_and_backward(renderer: Renderer, bodies: Sequence[Placed], what: Picture) -> Callable[[], Seconds]:
    """A case for ``take_turns``: seconds forward and backward of a batch of bodies, per body."""
    vertices = torch.cat([one.vertices for one in bodies]).requires_grad_()
    camera = bodies[0].camera

    def run() -> Seconds:
        begin = time.perf_counter()
        drawn = renderer(
            vertices,
            bodies[0].mesh.faces,
            camera,
            what.settings,
            face_parts=bodies[0].mesh.face_parts,
            outputs=what.outputs,
        )
        middle = time.perf_counter()
        images = [getattr(drawn, name) for name in what.outputs]
        slopes = [torch.ones_like(image) for image in images]
        ready = time.perf_counter()
        torch.autograd.grad(images, vertices, slopes)
        end = time.perf_counter()
        return (middle - begin) / len(bodies), (end - ready) / len(bodies)

    return run


def hard_pass_of(one: Placed) -> Callable[[], Seconds]:
    """A case for ``take_turns``: seconds of the z-buffer alone, from projected vertices to the nearest face per pixel.

    Uses as many threads as the last call of the renderer.
    """
    xy = one.camera.project(one.vertices).double().numpy()
    z = np.ascontiguousarray(one.vertices[..., 2].double().numpy())
    faces = one.mesh.faces.numpy()
    height, width = one.camera.height, one.camera.width

    def run() -> Seconds:
        begin = time.perf_counter()
        hard_pass(xy, z, faces, orient(xy, z, faces, NEAR_M), height, width)
        return (time.perf_counter() - begin,)

    return run


@dataclass(frozen=True)
class Timings:
    """Seconds of interleaved cases over the bodies.

    Attributes:
        bodies: Timed bodies: the rest pose first, then the posed ones.
        seconds: Seconds of each case, (runs, bodies, pieces).
    """

    bodies: Sequence[Placed]
    seconds: Mapping[str, np.ndarray]

    def per_run(self, case: str, posed: bool, piece: int | None = None) -> np.ndarray:
        """Seconds per body (runs,): of the rest pose, or the mean over the posed ones; of one piece or their sum."""
        values = self.seconds[case].sum(-1) if piece is None else self.seconds[case][..., piece]
        chosen = [k for k, one in enumerate(self.bodies) if (one.view is not REST) == posed]
        return values[:, chosen].mean(1)

    def milliseconds(self, case: str, posed: bool, piece: int | None = None) -> Spread:
        """Spread of ``per_run``, milliseconds."""
        return spread(1000 * self.per_run(case, posed, piece), "ms")

    def slowest(self, case: str) -> tuple[str, Spread]:
        """Name and time of the slowest posed body."""
        values = 1000 * self.seconds[case].sum(-1)
        k = max(range(1, len(self.bodies)), key=lambda index: float(np.median(values[:, index])))
        return self.bodies[k].view.name, spread(values[:, k], "ms")


def time_pictures(renderer: Renderer, bodies: Sequence[Placed], pictures: Sequence[Picture], runs: int) -> Timings:
    """Time the rendering of single bodies and the hard pass, interleaved."""
    cases: dict[str, Callable[[], Seconds]] = {}
    for k, one in enumerate(bodies):
        for what in pictures:
            cases[f"{what.name}|{k}"] = forward_and_backward(renderer, [one], what)
        cases[f"{HARD_PASS}|{k}"] = hard_pass_of(one)
    times = take_turns(cases, runs)
    names = [*(what.name for what in pictures), HARD_PASS]
    return Timings(bodies, {name: np.stack([times[f"{name}|{k}"] for k in range(len(bodies))], 1) for name in names})
