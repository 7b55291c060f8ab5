"""Measuring tapes on a posed body: where they lie in the measuring pose, carried along by the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from render_fit.bodies.body import Body
from render_fit.core.errors import InputError
from render_fit.export.tapes import tube
from render_fit.export.viewer.shapes import Shape
from render_fit.measurements.definitions import MEASUREMENTS
from render_fit.measurements.girths import GIRTHS
from render_fit.measurements.measure import tapes
from render_fit.measurements.uncertainty import intervals, measurement_covariance, values_and_jacobian

COVERAGE = 0.9
"""Probability of the intervals."""

LIFT_M = 0.004
"""Radius of a drawn tape, metres."""


@dataclass(frozen=True)
class Girth:
    """One girth of a shape.

    Attributes:
        title: Its name in words.
        value_m: Metres, in the measuring pose.
        interval_m: Ends of its 90 % interval, metres; None without a covariance of the shape.
        ends: (N, 2) the vertices between which each point of the tape lies.
        shares: (N,) how far, from the first to the second.
    """

    title: str
    value_m: float
    interval_m: tuple[float, float] | None
    ends: Int[np.ndarray, "n 2"]
    shares: Float[np.ndarray, "n"]

    @property
    def text(self) -> str:
        """Title, value and interval, centimetres."""
        value = f"{self.title} {100 * self.value_m:.1f} cm"
        if self.interval_m is None:
            return value
        low, high = (100 * end for end in self.interval_m)
        return f"{value} ({low:.1f} to {high:.1f})"

    def points(self, vertices: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "n 3"]:
        """The tape's points on a posed body without clothes.

        Its length there is not the girth, which is that of the measuring pose.
        """
        first, second = vertices[self.ends[:, 0]], vertices[self.ends[:, 1]]
        return first + self.shares[:, None] * (second - first)

    def tape(self, vertices: Float[np.ndarray, "v 3"]) -> Shape:
        """The tape on a posed body, as a mesh."""
        return Shape(*tube(self.points(vertices).astype(np.float64), True, LIFT_M))


def girths_of(
    body: Body, betas: Float[np.ndarray, "s"], covariance: Float[np.ndarray, "s s"] | None = None
) -> tuple[Girth, ...]:
    """The girths of a shape; none if the body has not SMPL's joints.

    Args:
        body: Body model.
        betas: (S,) shape coefficients.
        covariance: (S, S) of the shape, for intervals.
    """
    names, shape = list(GIRTHS), torch.from_numpy(betas)
    try:
        found, vertices = tapes(body, shape, names)
    except InputError:
        return ()
    told: list[tuple[float, float] | None] = [None] * len(names)
    if covariance is not None:
        values, jacobian = values_and_jacobian(body, shape[None].double(), names)
        spread = measurement_covariance(values[0], jacobian[0], torch.from_numpy(covariance).double(), names)
        told = [(each.low, each.high) for each in intervals(values[0], spread, COVERAGE)]
    rest, edges = vertices.detach().numpy(), _edges(body.faces.numpy())
    return tuple(
        Girth(
            MEASUREMENTS[name].title,
            float(tape.length),
            interval,
            *_on_edges(tape.points.detach().numpy(), rest, edges),
        )
        for (name, tape), interval in zip(found.items(), told, strict=True)
    )


def _edges(faces: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, "e 2"]:
    """The edges of a mesh, each once."""
    return np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)


def _on_edges(
    points: Float[np.ndarray, "n 3"], vertices: Float[np.ndarray, "v 3"], edges: Int[np.ndarray, "e 2"]
) -> tuple[Int[np.ndarray, "n 2"], Float[np.ndarray, "n"]]:
    """The edge on which each point of a tape lies, and where: a tape touches a mesh where its plane cuts edges."""
    start = vertices[edges[:, 0]]
    along = vertices[edges[:, 1]] - start
    lengths = (along**2).sum(1).clip(1e-12)
    chosen, shares = np.empty(len(points), int), np.empty(len(points))
    for index, point in enumerate(points):
        share = (((point - start) * along).sum(1) / lengths).clip(0, 1)
        chosen[index] = ((start + share[:, None] * along - point) ** 2).sum(1).argmin()
        shares[index] = share[chosen[index]]
    return edges[chosen], shares
