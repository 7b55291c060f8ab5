"""The cpu renderer against images and gradients that PyTorch3D computed (scripts/make_pytorch3d_fixtures.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from render_fit.core.cameras import Camera
from render_fit.renderers import CpuRenderer, RenderSettings
from tests.renderers.scenes import part_weights

SILHOUETTES, PARTS = (np.load(Path(__file__).with_name(f"pytorch3d_{name}.npz")) for name in ("silhouettes", "parts"))
CASES, PART_CASES = (
    sorted({tuple(key.split("/")[:2]) for key in fixtures.files if key.endswith("/gradient")})
    for fixtures in (SILHOUETTES, PARTS)
)


def the_scene(fixtures, name: str, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor, Camera]:
    vertices = torch.from_numpy(fixtures[f"{name}/vertices"]).double()[None].requires_grad_()
    camera = Camera(torch.from_numpy(fixtures[f"{name}/K"]).double()[None], height, width)
    return vertices, torch.from_numpy(fixtures[f"{name}/faces"]).long(), camera


def assert_parity(
    drawn: torch.Tensor, image: np.ndarray, vertices: torch.Tensor, weight: np.ndarray, expected: np.ndarray
) -> None:
    """Values to 1e-5; the gradient of Σ weight · image to a cosine of 0.9999 and 1e-4 relative."""
    assert float((drawn.detach() - torch.from_numpy(image)).abs().max()) < 1e-5
    (gradient,) = torch.autograd.grad((drawn * torch.from_numpy(weight)).sum(), vertices)
    found, given = gradient[0].flatten(), torch.from_numpy(expected).double().flatten()
    assert float(found @ given / (found.norm() * given.norm())) >= 0.9999
    assert float((found - given).norm() / given.norm()) <= 1e-4


def test_the_fixtures_record_their_origin():
    for fixtures in (SILHOUETTES, PARTS):
        about = str(fixtures["about"])
        assert all(word in about for word in ("PyTorch3D", "torch", "clip_barycentric_coords", "weights", "scripts/"))
    assert len(CASES) == 14
    assert len(PART_CASES) == 15


@pytest.mark.parametrize(("name", "sigma"), CASES, ids=[" ".join(case) for case in CASES])
def test_alpha_and_gradient_agree_with_pytorch3d(name: str, sigma: str):
    alpha, weight, expected = (SILHOUETTES[f"{name}/{sigma}/{what}"] for what in ("alpha", "weight", "gradient"))
    vertices, faces, camera = the_scene(SILHOUETTES, name, *alpha.shape)
    settings = RenderSettings(silhouette="softras", sigma_px=float(sigma.split()[1]))
    drawn = CpuRenderer()(vertices, faces, camera, settings).silhouette
    assert drawn is not None
    assert_parity(drawn[0], alpha, vertices, weight, expected)


@pytest.mark.parametrize(("name", "sigma"), PART_CASES, ids=[" ".join(case) for case in PART_CASES])
def test_part_maps_and_gradient_agree_with_pytorch3d(name: str, sigma: str):
    face_parts = torch.from_numpy(PARTS[f"{name}/face_parts"]).long()
    present = PARTS[f"{name}/{sigma}/parts"]
    parts = np.zeros((24, *present.shape[1:]), present.dtype)
    parts[face_parts.unique().numpy()] = present
    vertices, faces, camera = the_scene(PARTS, name, *present.shape[1:])
    sigma_px = float(sigma.split()[1])
    # One radius for both, so that no pixel has alpha without a face in reach of its part map.
    settings = RenderSettings(silhouette="softras", sigma_px=sigma_px, part_sigma_px=sigma_px, part_borders="softmax")
    drawn = CpuRenderer()(vertices, faces, camera, settings, face_parts=face_parts, outputs=("parts",)).parts
    assert drawn is not None
    assert_parity(drawn[0], parts, vertices, part_weights(*parts.shape), PARTS[f"{name}/{sigma}/gradient"])
