"""The cpu renderer beside silhouettes and gradients that PyTorch3D computed (scripts/make_pytorch3d_fixtures.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from render_fit.cameras import Camera
from render_fit.renderers import CpuRenderer, RenderSettings

FIXTURES = np.load(Path(__file__).with_name("pytorch3d_silhouettes.npz"))
CASES = sorted({tuple(key.split("/")[:2]) for key in FIXTURES.files if key.endswith("/alpha")})


def test_the_fixtures_say_how_they_were_made():
    about = str(FIXTURES["about"])
    assert all(word in about for word in ("PyTorch3D", "torch", "clip_barycentric_coords", "seed", "scripts/"))
    assert len(CASES) == 14


@pytest.mark.parametrize(("name", "sigma"), CASES, ids=[" ".join(case) for case in CASES])
def test_alpha_and_gradient_are_pytorch3ds(name: str, sigma: str):
    alpha, weight, expected = (FIXTURES[f"{name}/{sigma}/{what}"] for what in ("alpha", "weight", "gradient"))
    vertices = torch.from_numpy(FIXTURES[f"{name}/vertices"]).double()[None].requires_grad_()
    camera = Camera(torch.from_numpy(FIXTURES[f"{name}/K"]).double()[None], *alpha.shape)
    settings = RenderSettings(silhouette="softras", sigma_px=float(sigma.split()[1]))
    faces = torch.from_numpy(FIXTURES[f"{name}/faces"]).long()
    drawn = CpuRenderer()(vertices, faces, camera, settings).silhouette
    assert drawn is not None
    assert float((drawn[0].detach() - torch.from_numpy(alpha)).abs().max()) < 1e-5
    (gradient,) = torch.autograd.grad((drawn[0] * torch.from_numpy(weight)).sum(), vertices)
    found, given = gradient[0].flatten(), torch.from_numpy(expected).double().flatten()
    assert float(found @ given / (found.norm() * given.norm())) >= 0.9999
    assert float((found - given).norm() / given.norm()) <= 1e-4
