"""The PyTorch3D adapter; most of it only where PyTorch3D is installed."""

import importlib.util
import sys

import pytest
import torch

from render_fit.errors import MissingDependencyError
from render_fit.renderers import (
    CpuRenderer,
    PyTorch3DRenderer,
    ReferenceRenderer,
    RenderSettings,
    renderer_named,
)
from tests.renderers.closeness import assert_close
from tests.renderers.scenes import Scene, scene

installed = pytest.mark.skipif(importlib.util.find_spec("pytorch3d") is None, reason="pytorch3d is not installed")

# PyTorch3D computes in float32 and in units of 13 px here.
TOLERANCE = 2e-4


def test_missing_pytorch3d_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    monkeypatch.setitem(sys.modules, "pytorch3d.renderer", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        PyTorch3DRenderer()


def test_auto_is_cpu_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert renderer_named("auto").name == "cpu"


def _images(renderer, one: Scene, settings: RenderSettings, outputs: tuple[str, ...]):
    vertices = one.vertices.clone().requires_grad_()
    drawn = renderer(vertices, one.faces, one.camera, settings, face_parts=one.parts, outputs=outputs)
    images = {name: getattr(drawn, name) for name in outputs}
    grads = {}
    for name, image in images.items():
        weight = torch.randn(image.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        (grads[name],) = torch.autograd.grad((image * weight).sum(), vertices, retain_graph=True)
    return images, grads


@installed
@pytest.mark.parametrize(
    "name", ["one ball", "a rod in front of a ball", "two balls side by side that overlap", "partly outside the image"]
)
def test_silhouette_and_depth_as_the_reference(name: str) -> None:
    settings = RenderSettings(silhouette="softras", sigma_px=1.2)
    outputs = ("silhouette", "depth", "normals")
    ours, our_grads = _images(PyTorch3DRenderer(faces_per_pixel=150), scene(name), settings, outputs)
    expected, expected_grads = _images(ReferenceRenderer(), scene(name), settings, outputs)
    for output in outputs:
        assert_close(ours[output], expected[output], TOLERANCE)
        assert_close(our_grads[output], expected_grads[output], 10 * TOLERANCE)


@installed
def test_parts_nearly_as_the_reference() -> None:
    """Depth outside a face is PyTorch3D's clipped barycentric one, not that of the nearest point."""
    settings = RenderSettings(silhouette="softras", sigma_px=1.2, gamma_m=0.1, part_borders="softmax")
    (ours, _), (expected, _) = (
        _images(renderer, scene("one ball"), settings, ("parts",))
        for renderer in (PyTorch3DRenderer(faces_per_pixel=150), ReferenceRenderer())
    )
    difference = (ours["parts"] - expected["parts"]).abs().detach()
    assert float(difference.mean()) < 2e-3
    assert_close(ours["parts"].sum(1), expected["parts"].sum(1), TOLERANCE)


@installed
def test_faces_behind_the_camera_are_left_out() -> None:
    one = scene("partly behind the camera")
    settings = RenderSettings(silhouette="softras", sigma_px=1.2)
    for output in ("face_index", "silhouette"):
        ours, expected = (
            getattr(renderer(one.vertices.repeat(2, 1, 1), one.faces, one.camera, settings, outputs=(output,)), output)
            for renderer in (PyTorch3DRenderer(faces_per_pixel=150), ReferenceRenderer())
        )
        assert float((ours.double() - expected.double()).abs().max()) < TOLERANCE


@installed
def test_contour_is_drawn_by_the_cpu_renderer() -> None:
    one = scene("one ball")
    settings = RenderSettings()
    ours, expected = (
        renderer(one.vertices, one.faces, one.camera, settings).silhouette
        for renderer in (PyTorch3DRenderer(), CpuRenderer())
    )
    assert torch.equal(ours, expected)
