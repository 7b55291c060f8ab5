"""``stages.npz``: the hypotheses that each stage of a fit handed on, for the viewer and for plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from render_fit.bodies import BodyParameters
from render_fit.core.array_files import read_arrays, write_arrays
from render_fit.core.errors import InputError
from render_fit.fitting.result import StageResult

STAGES = "stages.npz"

MOST_HYPOTHESES = 12
"""Hypotheses of a stage that are written, best first."""

SHAPES = {"names": 1, "stage": 1, "losses": 1, "poses": 2, "betas": 2, "trans": 2, "offsets": 3}
"""Arrays of the file and their numbers of axes; only offsets may be missing."""


def write_stages(path: Path | str, stages: Sequence[StageResult]) -> Path:
    """Writes ``stages.npz`` atomically (compressed; float32).

    A row is one hypothesis: ``poses`` (R, 3 J), ``betas`` (R, B), ``trans`` (R, 3), ``losses`` (R,), ``offsets``
    (R, V, 3) if a stage has clothes, and ``stage`` (R,), its place in ``names`` (S,). The rows of a stage are
    best first.

    Args:
        path: Output file.
        stages: What each stage handed on; of each the first `MOST_HYPOTHESES` are written.
    """
    rows = [(place, stage, row) for place, stage in enumerate(stages) for row in range(len(stage.losses))]
    rows = [(place, stage, row) for place, stage, row in rows if row < MOST_HYPOTHESES]
    poses = [stage.parameters.pose.flatten(1) for stage in stages]
    arrays = {
        "names": np.array([stage.name for stage in stages], dtype=np.str_),
        "stage": np.array([place for place, _, _ in rows], dtype=np.int64),
        "losses": np.array([float(stage.losses[row]) for _, stage, row in rows], dtype=np.float32),
        "poses": _stacked([poses[place][row] for place, _, row in rows]),
        "betas": _stacked([stage.parameters.betas[row] for _, stage, row in rows]),
        "trans": _stacked([stage.parameters.transl[row] for _, stage, row in rows]),
    }
    dressed = next((stage.parameters.offsets for stage in stages if stage.parameters.offsets is not None), None)
    if dressed is not None:
        none = torch.zeros_like(dressed[0])
        offsets = [stage.parameters.offsets for stage in stages]
        found = [none if (one := offsets[place]) is None else one[row] for place, _, row in rows]
        arrays["offsets"] = _stacked(found)
    return write_arrays(path, **arrays)


def read_stages(path: Path | str) -> tuple[StageResult, ...]:
    """Reads ``stages.npz``.

    Raises:
        InputError: if the file is missing or damaged, or lacks an array.
    """
    path = Path(path)
    arrays = read_arrays(path, SHAPES)
    missing = SHAPES.keys() - arrays.keys() - {"offsets"}
    if missing:
        raise InputError(f"{path}: not the stages of a fit; it lacks {', '.join(sorted(missing))}")
    names = [str(name) for name in arrays.pop("names").ravel()]
    try:
        stage = arrays.pop("stage").astype(np.int64)
        values = {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}
    except (TypeError, ValueError):
        raise InputError(f"{path}: not the stages of a fit; its entries are of other types") from None
    for name, value in values.items():
        sound = name == "losses" or bool(value.isfinite().all())  # of a hypothesis that diverged the loss is not finite
        if value.ndim != SHAPES[name] or len(value) != len(stage) or stage.ndim != 1 or not sound:
            raise InputError(f"{path}: not the stages of a fit; {name} is of another shape, or not finite")
    if len(stage) and not 0 <= stage.min() <= stage.max() < len(names):
        raise InputError(f"{path}: not the stages of a fit; it has {len(names)} stages, not {stage.max() + 1}")
    if values["poses"].shape[1] % 3 or values["trans"].shape[1] != 3:
        raise InputError(f"{path}: not the stages of a fit; poses or trans is of another shape")
    found = []
    for place, name in enumerate(names):
        rows = torch.from_numpy(np.flatnonzero(stage == place))
        offsets = values["offsets"][rows] if "offsets" in values else None
        parameters = BodyParameters.from_rotvec(
            values["poses"][rows].reshape(len(rows), -1, 3),
            values["betas"][rows],
            values["trans"][rows],
            offsets if offsets is not None and bool(offsets.any()) else None,
        )
        found.append(StageResult(name, parameters, values["losses"][rows]))
    return tuple(found)


def _stacked(rows: Sequence[torch.Tensor]) -> np.ndarray:
    """Rows as one float32 array."""
    return torch.stack(list(rows)).detach().cpu().numpy().astype(np.float32)
