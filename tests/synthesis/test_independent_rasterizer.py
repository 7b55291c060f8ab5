"""The independent rasteriser against areas and depths in closed form."""

import numpy as np
import pytest

from render_fit.synthesis.independent_rasterizer import rasterize, rasterize_mask, rasterize_parts

# A camera of 100 px focal length and 40 × 40 px: at depth 1 m, 1 cm is 1 px.
K = np.array([[100.0, 0, 20], [0, 100, 20], [0, 0, 1]])


def rectangle(left: float, top: float, right: float, bottom: float, depth: float):
    """Two triangles that cover a rectangle given in pixels."""
    px = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    xy = (px - 20) / 100 * depth
    return np.concatenate([xy, np.full((4, 1), depth)], axis=1), np.array([[0, 1, 2], [0, 2, 3]])


def test_mask_of_a_rectangle_covers_its_area():
    vertices, faces = rectangle(10.0, 5.0, 20.5, 15.25, 2.0)
    mask = rasterize_mask(vertices, faces, K, 40, 40, samples=4)
    assert mask.sum() == pytest.approx(10.5 * 10.25)
    assert mask[5, 10] == 1 and mask[4, 10] == 0 and mask[5, 9] == 0
    assert mask[5, 20] == pytest.approx(0.5)
    assert mask[15, 12] == pytest.approx(0.25)


def test_mask_of_a_sloped_triangle_is_unbiased():
    # Area by the shoelace formula: 0.5 · |27.3 · 31.9 − 3.7 · 8.2| = 420.265 px².
    px = np.array([[3.1, 2.3], [30.4, 10.5], [6.8, 34.2]])
    vertices = np.concatenate([(px - 20) / 100 * 3.0, np.full((3, 1), 3.0)], axis=1)
    mask = rasterize_mask(vertices, np.array([[0, 1, 2]]), K, 40, 40, samples=8)
    assert mask.sum() == pytest.approx(420.265, rel=2e-3)


def test_the_nearer_face_is_visible_and_depth_is_perspective():
    near, faces = rectangle(10, 10, 20, 20, 1.0)
    far, _ = rectangle(5, 5, 30, 30, 2.0)
    labels = rasterize_parts(
        np.concatenate([far, near]), np.concatenate([faces, faces + 4]), np.array([7, 7, 3, 3]), K, 40, 40
    )
    assert labels[15, 15] == 4 and labels[25, 25] == 8 and labels[35, 35] == 0
    # A plane that tilts from 1 m (left edge) to 2 m (right edge): at the middle pixel 1 / depth is the mean.
    tilted = np.array([[-0.1, -0.1, 1.0], [0.2, -0.2, 2.0], [0.2, 0.2, 2.0], [-0.1, 0.1, 1.0]])
    raster = rasterize(tilted, faces, K, 40, 40, samples=1)
    middle = (raster.depth[20, 19] + raster.depth[20, 20]) / 2
    assert middle == pytest.approx(4 / 3, rel=2e-3)


def test_faces_behind_the_camera_or_outside_the_image_are_not_rendered():
    vertices, faces = rectangle(10, 10, 20, 20, 1.0)
    assert rasterize_mask(-vertices, faces, K, 40, 40).sum() == 0
    assert rasterize_mask(vertices + [5.0, 0, 0], faces, K, 40, 40).sum() == 0
