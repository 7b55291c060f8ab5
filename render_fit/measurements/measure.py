"""Measurements of bodies, with gradients to betas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.core.config import nearest
from render_fit.core.errors import InputError
from render_fit.measurements.definitions import DENSITY_KG_M3, MEASUREMENTS
from render_fit.measurements.girths import GIRTHS, Surface, Tape, tape_around
from render_fit.measurements.lengths import LEFT_LENGTHS, LENGTHS
from render_fit.measurements.pose import measured_body
from render_fit.measurements.volume import enclosed_volume

MOST_BETA = 50.0
"""Largest |β| of a shape that is measured; no fit comes near it, and such meshes are no bodies."""


def measure(
    body: Body,
    betas: Float[Tensor, "b s"],
    names: Iterable[str] | None = None,
    side: Literal["left", "right"] = "right",
) -> dict[str, Float[Tensor, "b"]]:
    """Measures bodies without clothes, standing with lowered arms.

    Args:
        body: Body model with SMPL's joints.
        betas: (B, S) shape coefficients; S may be smaller than the body's.
        names: Measurements to take, see `definitions.MEASUREMENTS`; all if None.
        side: Side on which limbs are measured; the standard has the right one.

    Returns:
        (B,) of each measurement by name, of the dtype and on the device of ``betas``: metres, kilograms, cubic metres.

    Raises:
        InputError: if a name is not known, a shape is none of a body, or the body has not SMPL's joints.

    Differentiability: in betas. A tape's way over the body is held fixed (which edges of the mesh it touches), its
    points are not; lengths are continuous where the way changes, and their gradients are exact between.

    Example:
        >>> import torch
        >>> from render_fit.bodies import open_body
        >>> values = measure(open_body(), torch.zeros(1, 10), ["stature", "waist"])
        >>> [round(100 * float(value)) for value in values.values()]  # cm
        [170, 86]
    """
    chosen = checked_names(names)
    check_betas(body, betas)
    measured, rows = measured_body(body), betas.double().cpu()
    columns: dict[str, list[Tensor]] = {name: [] for name in chosen}
    for row in rows:
        surface = Surface(measured, row)
        for name in chosen:
            columns[name].append(_value(surface, name, side))
    empty = rows.new_zeros(0)
    return {name: (torch.stack(values) if values else empty).to(betas) for name, values in columns.items()}


def tapes(
    body: Body,
    betas: Float[Tensor, "s"],
    names: Iterable[str] | None = None,
    side: Literal["left", "right"] = "right",
) -> tuple[dict[str, Tape], Float[Tensor, "v 3"]]:
    """The tapes of all measurements that have one on one body, and the body's vertices, metres, y up.

    Args:
        body: Body model with SMPL's joints.
        betas: (S,) shape coefficients.
        names: As in `measure`.
        side: As in `measure`.
    """
    chosen = checked_names(names)
    check_betas(body, betas[None])
    surface = Surface(measured_body(body), betas.double().cpu())
    found = {name: _tape(surface, name, side) for name in chosen if name in GIRTHS or name in LENGTHS}
    return found, surface.body.vertices(surface.betas)


def checked_names(names: Iterable[str] | None) -> list[str]:
    """Names of measurements, all of them if None.

    Raises:
        InputError: if there is none of a name; the message has the nearest one.
    """
    chosen = list(MEASUREMENTS) if names is None else list(names)
    for name in chosen:
        if name not in MEASUREMENTS:
            raise InputError(f"measurement {name!r}: {nearest(name, list(MEASUREMENTS))}")
    return chosen


def check_betas(body: Body, betas: Float[Tensor, "b s"]) -> None:
    """Raises InputError if shapes have too many coefficients, or values that no body has."""
    if betas.shape[1] > body.n_betas:
        raise InputError(f"betas: expected at most {body.n_betas} for body {body.name!r}, got {betas.shape[1]}")
    largest = float(betas.detach().abs().max()) if betas.numel() else 0.0
    if not largest <= MOST_BETA:  # not a number fails too
        raise InputError(f"betas: expected values up to ±{MOST_BETA:g} standard deviations, got {largest:g}")


def _value(surface: Surface, name: str, side: str) -> Tensor:
    if name in ("volume", "mass"):
        volume = enclosed_volume(surface.body.vertices(surface.betas), surface.body.faces)
        return volume if name == "volume" else DENSITY_KG_M3 * volume
    return _tape(surface, name, side).length


def _tape(surface: Surface, name: str, side: str) -> Tape:
    if name in GIRTHS:
        return tape_around(surface, GIRTHS[name] if side == "right" else GIRTHS[name].mirrored())
    lengths: Mapping = LENGTHS if side == "right" else {**LENGTHS, **LEFT_LENGTHS}
    return lengths[name](surface)
