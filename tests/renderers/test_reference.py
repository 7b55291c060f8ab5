"""The specification itself: known values by hand, and its gradient against differences."""

import math

import pytest
import torch

from render_fit.core.cameras import Camera, camera_from_focal
from render_fit.renderers import RenderSettings
from render_fit.renderers.reference import ReferenceRenderer
from tests.renderers.scenes import scene

# Focal length 10 px at depth 1 m with the principal point at (0, 0): x and y in decimetres are pixels.
PIXEL_CAMERA = Camera(torch.tensor([[[10.0, 0, 0], [0, 10.0, 0], [0, 0, 1]]]), 12, 16)

SQUARE = torch.tensor([[[0.2, 0.2, 1.0], [1.0, 0.2, 1.0], [1.0, 1.0, 1.0], [0.2, 1.0, 1.0]]], dtype=torch.float64)
SQUARE_FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_contour_is_the_sigmoid_of_the_distance_to_the_border() -> None:
    alpha = ReferenceRenderer()(SQUARE, SQUARE_FACES, PIXEL_CAMERA, RenderSettings(sigma_px=2.0)).silhouette[0]
    # The square covers 2 to 10 px both ways. Row 5 has its centre at 5.5, column 2 at 2.5.
    assert alpha[5, 2] == pytest.approx(sigmoid(0.5 / 2), abs=1e-12)
    assert alpha[5, 5] == pytest.approx(sigmoid(3.5 / 2), abs=1e-12)
    assert alpha[5, 13] == pytest.approx(sigmoid(-3.5 / 2), abs=1e-12)
    # Outside a corner the distance is to the corner; the diagonal between the two faces is no border.
    assert alpha[0, 0] == pytest.approx(sigmoid(-math.hypot(1.5, 1.5) / 2), abs=1e-12)


def test_contour_beyond_the_radius_is_zero_or_one() -> None:
    settings = RenderSettings(sigma_px=2.0, blur_radius_px=3.0)
    alpha = ReferenceRenderer()(SQUARE, SQUARE_FACES, PIXEL_CAMERA, settings).silhouette[0]
    assert alpha[5, 5] == 1
    assert alpha[5, 13] == 0
    assert alpha[5, 12] == pytest.approx(sigmoid(-2.5 / 2), abs=1e-12)


def test_softras_is_one_minus_the_product() -> None:
    settings = RenderSettings(silhouette="softras", sigma_px=2.0, blur_radius_px=9.0)
    alpha = ReferenceRenderer()(SQUARE, SQUARE_FACES, PIXEL_CAMERA, settings).silhouette[0]
    # Pixel centre (5.5, 2.5): 0.5 px inside face 0, and outside face 1 by the distance to the diagonal y = x.
    near, far = 0.5**2 / 4, ((5.5 - 2.5) / math.sqrt(2)) ** 2 / 4
    assert alpha[2, 5] == pytest.approx(1 - (1 - sigmoid(near)) * (1 - sigmoid(-far)), abs=1e-12)


def test_softmax_parts_share_by_depth_and_distance() -> None:
    # Two squares, the second 3 cm behind the first and drawn over the same 2 to 10 px.
    back = SQUARE * 1.03
    vertices = torch.cat([SQUARE, back], dim=1)
    faces = torch.cat([SQUARE_FACES, SQUARE_FACES + 4])
    settings = RenderSettings(sigma_px=0.5, part_sigma_px=0.5, gamma_m=0.02, part_borders="softmax")
    output = ReferenceRenderer()(
        vertices, faces, PIXEL_CAMERA, settings, face_parts=torch.tensor([3, 3, 7, 7]), outputs=("parts", "silhouette")
    )
    behind = math.exp(-0.03 / 0.02)
    assert output.silhouette[0, 5, 6] == pytest.approx(sigmoid(3.5 / 0.5), abs=1e-12)
    assert output.parts[0, 3, 5, 6] == pytest.approx(sigmoid(7.0) / (1 + behind), rel=1e-9)
    assert output.parts[0, 7, 5, 6] == pytest.approx(sigmoid(7.0) * behind / (1 + behind), rel=1e-9)


def corners_at(corners_px: list[tuple[float, float, float]]) -> torch.Tensor:
    """(1, V, 3) camera coordinates from pixels and depth."""
    u, v, z = torch.tensor(corners_px, dtype=torch.float64).unbind(1)
    return torch.stack([u * z / 10, v * z / 10, z], 1)[None]


@pytest.mark.parametrize(
    ("pixel", "depth"),
    [
        # Inside: b = (0.5, 0.4375, 0.0625).
        ((2, 5), 1 + 0.05 * 0.4375 + 0.2 * 0.0625),
        # Above the side 01: b = (0.625, 0.4375, −0.0625), so the last is clipped and the rest divided by 1.0625.
        ((1, 5), 1 + 0.05 * 0.4375 / 1.0625),
        # Beside corner 0: b = (1.125, −0.0625, −0.0625).
        ((1, 1), 1.0),
    ],
)
def test_depth_in_the_softmax_is_clipped_barycentric(pixel: tuple[int, int], depth: float) -> None:
    """A slanted triangle and a flat one with the same outline: their shares differ by their depths alone."""
    slanted = corners_at([(2, 2, 1.0), (10, 2, 1.05), (2, 10, 1.2)])
    flat = corners_at([(2, 2, 1.01), (10, 2, 1.01), (2, 10, 1.01)])
    settings = RenderSettings(silhouette="softras", sigma_px=1.0, part_sigma_px=1.0, part_borders="softmax")
    output = ReferenceRenderer()(
        torch.cat([slanted, flat], 1), torch.tensor([[0, 1, 2], [3, 4, 5]]), PIXEL_CAMERA, settings,
        face_parts=torch.tensor([3, 7]), outputs=("parts",),
    )  # fmt: skip
    row, column = pixel
    ratio = float(output.parts[0, 3, row, column] / output.parts[0, 7, row, column])
    assert ratio == pytest.approx(math.exp(-(depth - 1.01) / 0.02), rel=1e-9)


def test_depth_in_the_softmax_of_a_face_without_area_is_its_corners_mean() -> None:
    line = corners_at([(2, 2, 1.0), (10, 2, 1.03), (6, 2, 1.06)])
    flat = corners_at([(2, 2, 1.01), (10, 2, 1.01), (6, 2, 1.01)])
    settings = RenderSettings(silhouette="softras", sigma_px=1.0, part_sigma_px=1.0, part_borders="softmax")
    vertices = torch.cat([line, flat], 1).requires_grad_()
    output = ReferenceRenderer()(
        vertices, torch.tensor([[0, 1, 2], [3, 4, 5]]), PIXEL_CAMERA, settings,
        face_parts=torch.tensor([3, 7]), outputs=("parts",),
    )  # fmt: skip
    ratio = output.parts[0, 3, 1, 4] / output.parts[0, 7, 1, 4]
    assert float(ratio.detach()) == pytest.approx(math.exp(-(1.03 - 1.01) / 0.02), rel=1e-9)
    (grad,) = torch.autograd.grad(output.parts[0, 3].sum(), vertices)
    assert grad.isfinite().all()


def test_parts_blend_across_the_visible_border() -> None:
    # The second square is nearer and covers 6 to 14 px across: the border is its left side, x = 6.
    front = SQUARE * 0.9 + torch.tensor([0.4, 0.0, 0.0]) * 0.9
    vertices = torch.cat([SQUARE, front], dim=1)
    faces = torch.cat([SQUARE_FACES, SQUARE_FACES + 4])
    output = ReferenceRenderer()(
        vertices, faces, PIXEL_CAMERA, RenderSettings(sigma_px=1.0), face_parts=torch.tensor([3, 3, 7, 7]),
        outputs=("parts", "silhouette"),
    )  # fmt: skip
    parts, alpha = output.parts[0], output.silhouette[0]
    # Row 6 is 3.5 px from the squares' lower and upper sides; σ of the border is half of σ.
    assert alpha[6, 5] == pytest.approx(sigmoid(3.5), abs=1e-12)
    assert float(parts[3, 6, 5]) == pytest.approx(sigmoid(3.5) * sigmoid(0.5 / 0.5), rel=1e-6)
    assert float(parts[7, 6, 5]) == pytest.approx(sigmoid(3.5) * sigmoid(-0.5 / 0.5), rel=1e-6)
    assert float(parts[7, 6, 6]) == pytest.approx(sigmoid(3.5) * sigmoid(0.5 / 0.5), rel=1e-6)
    # The far square's right side, x = 10, is hidden: no border there.
    assert float(parts[3, 6, 9]) == pytest.approx(sigmoid(3.5) * sigmoid(-3.5 / 0.5), rel=1e-6)


def test_depth_and_normal_of_a_slanted_wall() -> None:
    # The wall z = 1 + x, seen along the ray x = u z: z = 1 / (1 − u). Its normal is (1, 0, −1) / √2.
    wall = torch.tensor([[[-0.5, -0.5, 0.5], [1.0, -2.0, 2.0], [1.0, 2.0, 2.0], [-0.5, 0.5, 0.5]]])
    camera = camera_from_focal(20.0, 11, 11)
    output = ReferenceRenderer()(
        wall, torch.tensor([[0, 2, 1], [0, 3, 2]]), camera, RenderSettings(), outputs=("depth", "normals")
    )
    # Column 6 has its centre 1 px right of the principal point: u = 1 / 20.
    assert output.depth[0, 5, 6] == pytest.approx(1 / (1 - 1 / 20), rel=1e-6)
    assert output.normals[0, :, 5, 6].tolist() == pytest.approx([math.sqrt(0.5), 0, -math.sqrt(0.5)], abs=1e-6)


@pytest.mark.parametrize(("silhouette", "borders"), [("contour", "contour"), ("softras", "softmax")])
def test_gradient_agrees_with_differences(silhouette: str, borders: str) -> None:
    one = scene("a rod in front of a ball")
    settings = RenderSettings(silhouette=silhouette, sigma_px=1.3, gamma_m=0.05, part_borders=borders)
    renderer = ReferenceRenderer()
    weight = torch.randn(26, 22, 26, dtype=torch.float64)

    def loss(vertices: torch.Tensor) -> torch.Tensor:
        drawn = renderer(
            vertices, one.faces, one.camera, settings, face_parts=one.parts, outputs=("silhouette", "parts", "depth")
        )
        return (torch.cat([drawn.silhouette, drawn.parts[0], drawn.depth]) * weight).sum()

    vertices = one.vertices.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss(vertices), vertices)
    for _ in range(2):
        # Steps of 1e-7 m: small against pixels (8 cm), so that no pixel changes its nearest piece on the way.
        direction = torch.randn_like(one.vertices)
        step = 1e-7 * direction
        with torch.no_grad():
            slope = (loss(one.vertices + step) - loss(one.vertices - step)) / 2e-7
        assert float(slope) == pytest.approx(float((grad * direction).sum()), rel=2e-4)
