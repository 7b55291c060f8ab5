"""The PyTorch3D adapter; most of it only where PyTorch3D is installed."""

import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path

import pytest
import torch

from render_fit.core.cameras import Camera
from render_fit.core.errors import MissingDependencyError
from render_fit.renderers import (
    CpuRenderer,
    PyTorch3DRenderer,
    ReferenceRenderer,
    RenderSettings,
    make_renderer,
)
from render_fit.renderers import pytorch3d as pytorch3d_adapter
from tests.renderers.closeness import assert_close
from tests.renderers.scenes import Scene, scene

installed = pytest.mark.skipif(importlib.util.find_spec("pytorch3d") is None, reason="pytorch3d is not installed")

# PyTorch3D computes in float32 and in units of 13 px here.
TOLERANCE = 2e-4


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretends that PyTorch3D is installed: the adapter can be created, but renders nothing."""
    for name in ("pytorch3d", "pytorch3d.renderer"):
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)


def _is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    monkeypatch.setitem(sys.modules, "pytorch3d.renderer", None)


def test_the_error_without_pytorch3d_explains_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _is_missing(monkeypatch)
    for make in (PyTorch3DRenderer, lambda: make_renderer("pytorch3d")):
        with pytest.raises(MissingDependencyError, match="pytorch3d is not installed.*pip install"):
            make()


def test_the_error_with_a_broken_pytorch3d_contains_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pytorch3d").mkdir()
    (tmp_path / "pytorch3d" / "__init__.py").touch()
    (tmp_path / "pytorch3d" / "renderer.py").write_text("raise ImportError('undefined symbol: _ZN2at4')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pytorch3d"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(MissingDependencyError, match="cannot be imported .undefined symbol.*pip install"):
            PyTorch3DRenderer()
    finally:
        sys.modules.pop("pytorch3d", None)


@pytest.mark.parametrize(
    ("has_cuda", "is_installed", "name"),
    [(False, False, "cpu"), (False, True, "cpu"), (True, False, "cpu"), (True, True, "pytorch3d")],
)
def test_auto_is_pytorch3d_if_it_and_cuda_are_available(
    has_cuda: bool, is_installed: bool, name: str, pretended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    if not is_installed:
        monkeypatch.delitem(sys.modules, "pytorch3d")
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert make_renderer("auto").name == name


def test_it_renders_on_cuda_if_available(pretended: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for has_cuda, device in ((True, "cuda"), (False, None)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=has_cuda: there)
        renderer = make_renderer("pytorch3d")
        assert isinstance(renderer, PyTorch3DRenderer) and renderer.device == device


@pytest.mark.parametrize(("name", "value"), [("faces_per_pixel", 0), ("bin_size", -1), ("max_faces_per_bin", 0)])
def test_settings_of_the_rasterizer_are_checked(pretended: None, name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected at least {value + 1}, got {value}"):
        PyTorch3DRenderer(**{name: value})


@installed
def test_settings_of_the_rasterizer_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import pytorch3d.renderer

    taken = []
    made = pytorch3d.renderer.RasterizationSettings
    monkeypatch.setattr(
        pytorch3d.renderer, "RasterizationSettings", lambda **given: taken.append(given) or made(**given)
    )
    one = scene("one ball")
    settings = RenderSettings(silhouette="softras", sigma_px=1.2)
    PyTorch3DRenderer(faces_per_pixel=7, bin_size=0, max_faces_per_bin=99)(
        one.vertices, one.faces, one.camera, settings
    )
    # The image is 22 px high and 2 units; the blur radius is 1.2 px · √log(1 / 1e-4 − 1), squared.
    assert taken[0]["blur_radius"] == pytest.approx((1.2 * 2 / 22) ** 2 * 9.21024, rel=1e-5)
    assert {name: taken[0][name] for name in ("faces_per_pixel", "bin_size", "max_faces_per_bin")} == {
        "faces_per_pixel": 7, "bin_size": 0, "max_faces_per_bin": 99
    }  # fmt: skip


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
@pytest.mark.parametrize("name", ["one ball", "a rod in front of a ball", "two balls side by side that overlap"])
def test_parts_as_the_reference(name: str) -> None:
    settings = RenderSettings(
        silhouette="softras", sigma_px=1.2, part_sigma_px=1.2, gamma_m=0.1, part_borders="softmax"
    )
    (ours, our_grads), (expected, expected_grads) = (
        _images(renderer, scene(name), settings, ("parts",))
        for renderer in (PyTorch3DRenderer(faces_per_pixel=150), ReferenceRenderer())
    )
    assert_close(ours["parts"], expected["parts"], TOLERANCE)
    assert_close(our_grads["parts"], expected_grads["parts"], 10 * TOLERANCE)


@installed
def test_shares_are_pytorch3ds_softmax_blend() -> None:
    """The parts' indicators, blended as colours in eight calls of three; PyTorch3D's background has 1e-10."""
    from pytorch3d.renderer.blending import BlendParams, softmax_rgb_blend

    one = scene("a rod in front of a ball")
    settings = RenderSettings(silhouette="softras", sigma_px=1.2, part_sigma_px=1.2, part_borders="softmax")
    seen = pytorch3d_adapter._Scene(one.vertices.float(), one.faces, one.camera.to(torch.float32))
    fragments = seen.rasterize(settings.softras_radius_px, 150, (None, None))
    near, far, unit = 1.0, 6.0, seen.pixels_per_unit
    blend = BlendParams(sigma=(1.2 / unit) ** 2, gamma=0.02 / (far - near), background_color=(0.0, 0.0, 0.0))
    indicator = torch.nn.functional.one_hot(one.parts[fragments.pix_to_face.clamp(min=0)], 24).float()
    theirs = torch.cat(
        [softmax_rgb_blend(indicator[..., k : k + 3], fragments, blend, near, far)[..., :3] for k in range(0, 24, 3)],
        dim=-1,
    ).permute(0, 3, 1, 2)
    ours = pytorch3d_adapter._shares(fragments, settings, seen, one.parts)
    assert float(ours.sum()) > 100
    # 3 m in float32 are 2.4e-7 m, a relative 1.2e-5 of exp(−z / γ). Nothing more: every pixel in reach has a share.
    assert float((ours - theirs).abs().max()) < 1.5e-5


@installed
def test_positions_in_the_image() -> None:
    """A triangle around one pixel of an image with nothing symmetric about it, at a known depth."""
    K = torch.tensor([[[40.0, 0.0, 9.0], [0.0, 25.0, 4.0], [0.0, 0.0, 1.0]]])
    camera = Camera(K, height=12, width=20)
    # Its corners are 0.4 px left and right of the centre of row 7, column 14, and above it: x = (u − cx) z / fx.
    corners_px = torch.tensor([[14.1, 7.9], [14.9, 7.9], [14.5, 6.9]])
    z = 2.0
    xy = (corners_px - torch.tensor([9.0, 4.0])) * z / torch.tensor([40.0, 25.0])
    triangle = torch.cat([xy, torch.full((3, 1), z)], dim=1)[None]
    for renderer in (PyTorch3DRenderer(), CpuRenderer()):
        drawn = renderer(
            triangle, torch.tensor([[0, 1, 2]]), camera, RenderSettings(silhouette="softras", sigma_px=0.2),
            outputs=("silhouette", "depth", "normals", "face_index"),
        )  # fmt: skip
        assert (drawn.face_index >= 0).nonzero().tolist() == [[0, 7, 14]]
        assert divmod(int(drawn.silhouette.argmax()), 20) == (7, 14)
        assert float(drawn.depth[0, 7, 14]) == pytest.approx(2.0, rel=1e-6)
        # Corner 0 lies left and below, 1 right and below, 2 above: (1 − 0) × (2 − 0) points at the camera.
        assert drawn.normals[0, :, 7, 14].tolist() == pytest.approx([0, 0, -1], abs=1e-6)


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
