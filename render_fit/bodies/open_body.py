"""The open body: a free body in SMPL's form, with SMPL's joints, included in the package (docs/open_body.md)."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import torch

from render_fit.bodies.body import Body
from render_fit.core.skeletons import SMPL_24

ASSET = files("render_fit.bodies") / "assets" / "open_body.npz"
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)


def open_body(n_betas: int = 10) -> Body:
    """Loads the open body: 24 SMPL joints, 6,999 vertices, no pose correctives.

    Args:
        n_betas: Shape components to use, at most 16; each has unit variance over adults.

    Returns:
        The body. Zero betas are the mean adult of both sexes.

    Raises:
        ValueError: If ``n_betas`` is out of range.
    """
    with ASSET.open("rb") as file, np.load(file) as data:
        arrays = {name: data[name] for name in data.files}
    available = arrays["shapedirs"].shape[-1]
    if not 1 <= n_betas <= available:
        raise ValueError(f"n_betas must be 1 to {available} for the open body, got {n_betas}")
    n_vertices = len(arrays["v_template"])

    def dense(name: str, n_rows: int) -> torch.Tensor:
        full = np.zeros((n_rows, n_vertices), np.float32)
        full[arrays[f"{name}_rows"], arrays[f"{name}_columns"]] = arrays[f"{name}_values"]
        return torch.from_numpy(full)

    names = [str(name) for name in arrays["landmark_names"]]
    return Body(
        name="open",
        joint_names=SMPL_24.joints,
        parents=PARENTS,
        v_template=torch.from_numpy(arrays["v_template"]),
        shapedirs=torch.from_numpy(arrays["shapedirs"][..., :n_betas].astype(np.float32)),
        J_regressor=dense("J_regressor", len(PARENTS)),
        weights=dense("weights", len(PARENTS)).T.contiguous(),
        faces=torch.from_numpy(arrays["faces"].astype(np.int64)),
        landmark_names=names,
        landmark_regressor=dense("landmarks", len(names)),
    )
