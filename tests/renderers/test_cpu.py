"""The cpu renderer: comparison with the reference, and its own guarantees."""

import itertools

import numba
import pytest
import torch

from render_fit.core.cameras import Camera, camera_from_focal
from render_fit.renderers import CpuRenderer, RenderOutput, RenderSettings
from render_fit.renderers.reference import ReferenceRenderer
from tests.renderers.closeness import assert_close, distance
from tests.renderers.scenes import CUT_THEMSELVES, MESHES, Scene, scene

SOFT = ("silhouette", "parts", "depth", "normals")

# The kernels leave out weights below 1e-7 (parts) and silhouettes above 1 − 1e-7, and add in another order.
TOLERANCE = 1e-6


def draw(renderer, one: Scene, settings: RenderSettings, outputs=(*SOFT, "face_index")) -> RenderOutput:
    return renderer(one.vertices, one.faces, one.camera, settings, face_parts=one.parts, outputs=outputs)


def gradients(drawn: RenderOutput, vertices: torch.Tensor) -> dict[str, torch.Tensor]:
    found = {}
    for name in SOFT:
        image = getattr(drawn, name)
        weight = torch.randn(image.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        (found[name],) = torch.autograd.grad((image * weight.to(image)).sum(), vertices, retain_graph=True)
    return found


@pytest.mark.parametrize(("silhouette", "borders"), [("contour", "contour"), ("softras", "softmax")])
@pytest.mark.parametrize("name", MESHES)
def test_same_as_reference(name: str, silhouette: str, borders: str) -> None:
    one = scene(name)
    one.vertices.requires_grad_()
    settings = RenderSettings(silhouette=silhouette, sigma_px=1.2, gamma_m=0.04, part_borders=borders)
    ours, reference = draw(CpuRenderer(), one, settings), draw(ReferenceRenderer(), one, settings)
    assert ours.face_index is not None and torch.equal(ours.face_index, reference.face_index)
    assert 20 < int((ours.face_index >= 0).sum()) < ours.face_index.numel()
    for image in SOFT:
        assert_close(getattr(ours, image), getattr(reference, image), TOLERANCE)
    expected = gradients(reference, one.vertices)
    for image, grad in gradients(ours, one.vertices).items():
        assert_close(grad, expected[image], TOLERANCE)


@pytest.mark.parametrize("silhouette", ["contour", "softras"])
@pytest.mark.parametrize("name", MESHES | CUT_THEMSELVES)
def test_a_silhouette_alone_is_the_one_drawn_with_everything_else(name: str, silhouette: str) -> None:
    # alone it looks at fewer faces
    one, settings = scene(name), RenderSettings(silhouette=silhouette, sigma_px=1.2)
    alone = draw(CpuRenderer(), one, settings, outputs=("silhouette",))
    assert_close(alone.silhouette, draw(ReferenceRenderer(), one, settings).silhouette, TOLERANCE)


def test_a_ball_behind_a_long_slanted_face_keeps_its_share() -> None:
    """A floor from 1 to 9 m: its depth in the softmax, without perspective, is metres beyond where it is seen."""
    one = scene("one ball")
    floor = torch.tensor([[-2.0, 0.6, 1.0], [2.0, 0.6, 1.0], [0.0, -2.0, 9.0]], dtype=torch.float64)
    n = one.vertices.shape[1]
    vertices = torch.cat([one.vertices, floor[None]], 1).requires_grad_()
    both = Scene(
        vertices,
        torch.cat([one.faces, torch.tensor([[n, n + 1, n + 2]])]),
        torch.cat([one.parts, torch.tensor([20])]),
        one.camera,
    )
    settings = RenderSettings(silhouette="softras", sigma_px=1.2, part_sigma_px=1.2, part_borders="softmax")
    ours, reference = (draw(renderer, both, settings) for renderer in (CpuRenderer(), ReferenceRenderer()))
    # There are pixels where the floor is the nearest face and the ball has the greater share.
    hidden = (ours.face_index == len(one.faces)) & (ours.parts[:, :20].sum(1) > ours.parts[:, 20])
    assert hidden.sum() > 5
    assert_close(ours.parts, reference.parts, TOLERANCE)
    assert_close(gradients(ours, vertices)["parts"], gradients(reference, vertices)["parts"], TOLERANCE)


def test_the_comparison_can_fail() -> None:
    one = scene("one ball")
    sharp = draw(CpuRenderer(), one, RenderSettings(sigma_px=1.2)).silhouette
    soft = draw(CpuRenderer(), one, RenderSettings(sigma_px=1.25)).silhouette
    found = distance(sharp, soft)
    assert min(found["element"], found["l2"], found["angle"], found["bias"]) > 10 * TOLERANCE


@pytest.mark.parametrize("sigma_px", [0.3, 1.0, 4.0, 30.0])
def test_any_sigma(sigma_px: float) -> None:
    one = scene("two balls side by side that overlap")
    settings = RenderSettings(sigma_px=sigma_px)
    ours, reference = draw(CpuRenderer(), one, settings), draw(ReferenceRenderer(), one, settings)
    assert_close(ours.silhouette, reference.silhouette, TOLERANCE)
    assert_close(ours.parts, reference.parts, TOLERANCE)


def test_parts_sum_to_the_silhouette() -> None:
    for silhouette, borders in itertools.product(("contour", "softras"), ("contour", "softmax")):
        settings = RenderSettings(silhouette=silhouette, part_borders=borders)
        drawn = draw(CpuRenderer(), scene("a rod in front of a ball"), settings)
        assert float((drawn.parts.sum(1) - drawn.silhouette).abs().max()) < 1e-12


def test_inner_contours_are_no_border() -> None:
    """A rod in front of a wall that fills the image, and a ball behind it, leave the silhouette at one."""
    one = scene("a rod in front of a ball")
    corners = torch.tensor([[-5.0, -5, 2.7], [5, -5, 2.7], [5, 5, 2.7], [-5, 5, 2.7]], dtype=torch.float64)
    n = one.vertices.shape[1]
    walled = Scene(
        torch.cat([one.vertices, corners[None]], dim=1),
        torch.cat([one.faces, torch.tensor([[n, n + 1, n + 2], [n, n + 2, n + 3]])]),
        torch.cat([one.parts, torch.tensor([0, 0])]),
        one.camera,
    )
    drawn = draw(CpuRenderer(), walled, RenderSettings(sigma_px=0.5))
    seen = drawn.face_index.unique()
    assert 3 < len(seen) < len(one.faces)
    assert drawn.silhouette.min() == 1


def test_off_image_draws_nothing() -> None:
    one = scene("one ball")
    vertices = (one.vertices + torch.tensor([0.0, 9.0, 0.0])).requires_grad_()
    for silhouette in ("contour", "softras"):
        away = Scene(vertices, one.faces, one.parts, one.camera)
        drawn = draw(CpuRenderer(), away, RenderSettings(silhouette=silhouette))
        assert drawn.silhouette.abs().max() == 0
        assert drawn.depth.abs().max() == 0
        assert (drawn.face_index == -1).all()
        for grad in gradients(drawn, vertices).values():
            assert grad.abs().max() == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1e30])
def test_not_finite_vertices_are_left_out(bad: float) -> None:
    one = scene("one ball")
    clean = draw(CpuRenderer(), one, RenderSettings())
    broken = one.vertices.clone()
    broken[0, 0] = bad
    drawn = draw(CpuRenderer(), Scene(broken, one.faces, one.parts, one.camera), RenderSettings())
    untouched = ~(one.faces == 0).any(1)
    kept = (clean.face_index >= 0) & untouched[clean.face_index.clamp(min=0)]
    assert torch.equal(drawn.face_index[kept], clean.face_index[kept])
    assert drawn.silhouette.isfinite().all() and drawn.parts.isfinite().all()


def test_behind_the_camera_draws_nothing_and_has_no_gradient() -> None:
    one = scene("one ball")
    vertices = (one.vertices - torch.tensor([0.0, 0.0, 6.0])).requires_grad_()
    drawn = draw(CpuRenderer(), Scene(vertices, one.faces, one.parts, one.camera), RenderSettings())
    assert drawn.silhouette.abs().max() == 0
    for grad in gradients(drawn, vertices).values():
        assert grad.abs().max() == 0


def test_covering_the_whole_image_is_one_everywhere() -> None:
    """The image's border is no contour."""
    one = scene("one ball")
    near = Scene(one.vertices - torch.tensor([0.0, 0.0, 2.5]), one.faces, one.parts, camera_from_focal(200.0, 22, 26))
    drawn = draw(CpuRenderer(), near, RenderSettings(sigma_px=1.0))
    assert (drawn.face_index >= 0).all()
    assert drawn.silhouette.min() == 1


def test_same_bits_for_any_number_of_threads() -> None:
    one = scene("a rod in front of a ball")
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            one.vertices.requires_grad_()
            drawn = draw(CpuRenderer(), one, RenderSettings())
            assert numba.get_num_threads() == min(threads, numba.config.NUMBA_NUM_THREADS)
            results.append([*(getattr(drawn, name) for name in SOFT), *gradients(drawn, one.vertices).values()])
    finally:
        torch.set_num_threads(before)
    for first, *others in zip(*results, strict=True):
        assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("silhouette", ["contour", "softras"])
def test_batch_is_a_loop_of_singles(silhouette: str) -> None:
    one = scene("two balls side by side that overlap")
    shift = torch.tensor([[[0.0, 0.0, 0.0]], [[0.2, -0.1, 0.5]], [[0.0, 50.0, 0.0]]])
    vertices = (one.vertices + shift).float().requires_grad_()
    K = one.camera.K.repeat(3, 1, 1)
    K[1, 0, 0] *= 1.3
    settings = RenderSettings(silhouette=silhouette)
    together = draw(CpuRenderer(), Scene(vertices, one.faces, one.parts, Camera(K, 22, 26)), settings)
    grads = gradients(together, vertices)
    weights = {
        name: torch.randn(
            getattr(together, name).shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
        ).float()
        for name in SOFT
    }
    for b in range(3):
        single = vertices.detach()[b : b + 1].requires_grad_()
        alone = draw(CpuRenderer(), Scene(single, one.faces, one.parts, Camera(K[b : b + 1], 22, 26)), settings)
        for name in SOFT:
            image = getattr(alone, name)
            assert torch.equal(image[0], getattr(together, name)[b])
            (grad,) = torch.autograd.grad((image[0] * weights[name][b]).sum(), single, retain_graph=True)
            assert torch.equal(grad[0], grads[name][b])


def test_gradient_reaches_the_camera() -> None:
    one = scene("one ball")
    K = one.camera.K.double().requires_grad_()
    drawn = draw(
        CpuRenderer(), Scene(one.vertices, one.faces, one.parts, Camera(K, 22, 26)), RenderSettings(sigma_px=0.3)
    )
    (grad,) = torch.autograd.grad(drawn.silhouette.sum(), K)
    # A longer focal length makes the ball bigger: the covered area grows with its square, so 2 area / f.
    area = float(drawn.silhouette.detach().sum())
    assert float(grad[0, 0, 0] + grad[0, 1, 1]) == pytest.approx(2 * area / 38.0, rel=0.1)


def test_takes_float32_float64_views_and_no_gradient() -> None:
    one = scene("one ball")
    exact = draw(CpuRenderer(), one, RenderSettings())
    rounded = draw(CpuRenderer(), Scene(one.vertices.float(), one.faces, one.parts, one.camera), RenderSettings())
    assert exact.silhouette.dtype == exact.parts.dtype == exact.depth.dtype == torch.float64
    assert rounded.silhouette.dtype == rounded.parts.dtype == rounded.normals.dtype == torch.float32
    assert not exact.silhouette.requires_grad
    # float32 vertices are off by 1e-7 m, 1e-6 px.
    assert_close(rounded.silhouette, exact.silhouette, 1e-5)
    strided = one.vertices.mT.contiguous().mT
    assert not strided.is_contiguous()
    assert torch.equal(
        draw(CpuRenderer(), Scene(strided, one.faces, one.parts, one.camera), RenderSettings()).parts, exact.parts
    )


def test_empty_batch_and_empty_mesh() -> None:
    one = scene("one ball")
    empty = draw(CpuRenderer(), Scene(one.vertices[:0], one.faces, one.parts, one.camera), RenderSettings())
    assert empty.parts.shape == (0, 24, 22, 26)
    assert empty.normals.shape == (0, 3, 22, 26)
    bare = draw(CpuRenderer(), Scene(one.vertices, one.faces[:0], one.parts[:0], one.camera), RenderSettings())
    assert bare.silhouette.abs().max() == 0
    assert (bare.face_index == -1).all()


def test_vertices_moved_in_place_are_drawn_anew() -> None:
    one = scene("one ball")
    first = draw(CpuRenderer(), one, RenderSettings()).silhouette
    one.vertices.add_(torch.tensor([0.2, 0.0, 0.0]))
    assert not torch.equal(draw(CpuRenderer(), one, RenderSettings()).silhouette, first)
