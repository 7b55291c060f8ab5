"""Settings and wrong arguments: each error names the argument."""

import math

import pytest
import torch

from render_fit.core.cameras import camera_from_focal
from render_fit.renderers import CpuRenderer, RenderSettings, make_renderer

FACES = torch.tensor([[0, 1, 2]])
TRIANGLE = torch.tensor([[[0.0, 0.0, 2.0], [0.1, 0.0, 2.0], [0.0, 0.1, 2.0]]])
CAMERA = camera_from_focal(20.0, 8, 8)


@pytest.mark.parametrize("name", ["sigma_px", "gamma_m", "blur_radius_px", "part_sigma_px"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_settings_must_be_positive(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected a positive finite number"):
        RenderSettings(**{name: value})


def test_radii_are_where_the_sigmoid_falls_under_1e_4() -> None:
    settings = RenderSettings(sigma_px=2.0)
    # log(1 / 1e-4 − 1) = 9.21024
    assert settings.contour_radius_px == pytest.approx(2 * 9.21024, rel=1e-6)
    assert settings.softras_radius_px == pytest.approx(2 * math.sqrt(9.21024), rel=1e-6)
    assert settings.part_radius_px == pytest.approx(1 * 9.21024, rel=1e-6)
    softmax = RenderSettings(sigma_px=2.0, part_borders="softmax")
    assert softmax.part_radius_px == pytest.approx(1 * math.sqrt(9.21024), rel=1e-6)


def test_unknown_output() -> None:
    with pytest.raises(ValueError, match="outputs: expected names among"):
        CpuRenderer()(TRIANGLE, FACES, CAMERA, RenderSettings(), outputs=("alpha",))


def test_parts_need_face_parts_in_range() -> None:
    with pytest.raises(ValueError, match="face_parts: needed"):
        CpuRenderer()(TRIANGLE, FACES, CAMERA, RenderSettings(), outputs=("parts",))
    with pytest.raises(ValueError, match="face_parts: expected parts from 0 to 23, got 24"):
        CpuRenderer()(TRIANGLE, FACES, CAMERA, RenderSettings(), face_parts=torch.tensor([24]), outputs=("parts",))


@pytest.mark.parametrize("index", [-1, 3])
def test_faces_must_point_at_vertices(index: int) -> None:
    with pytest.raises(ValueError, match="faces: expected"):
        CpuRenderer()(TRIANGLE, torch.tensor([[0, 1, index]]), CAMERA, RenderSettings())


def test_camera_count() -> None:
    with pytest.raises(ValueError, match="camera: expected 1 or 1 cameras"):
        CpuRenderer()(TRIANGLE, FACES, CAMERA.expand(2), RenderSettings())


def test_unknown_renderer() -> None:
    with pytest.raises(ValueError, match="unknown renderer 'opengl'; known: cpu"):
        make_renderer("opengl")
