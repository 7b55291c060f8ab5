import numpy as np
import pytest

from render_fit.bodies import load_body, open_body
from render_fit.export.atlas import GUTTER_PX, SIDE_PX, body_atlas
from tests.export.motions import body_with_correctives

BODIES = {"open": open_body, "with correctives": body_with_correctives}


@pytest.fixture(scope="module", params=BODIES)
def body(request):
    return BODIES[request.param]()


def areas(corners):
    sides = corners[:, 1:] - corners[:, :1]
    gram = sides @ sides.swapaxes(1, 2)
    return np.sqrt(np.linalg.det(gram).clip(0)) / 2


def test_the_whole_surface_is_there_once(body):
    atlas = body_atlas(body)
    np.testing.assert_array_equal(atlas.vertices[atlas.faces], body.faces.numpy())
    assert atlas.uv_px.min() >= GUTTER_PX and atlas.uv_px.max() <= SIDE_PX - GUTTER_PX
    flat = areas(atlas.uv_px[atlas.faces])
    # no texel is under two faces: their areas add up to the texels that are covered
    assert atlas.covered.sum() == pytest.approx(flat.sum(), rel=0.005)
    assert len(atlas.corners) == len(atlas.weights) == atlas.covered.sum()


def test_texels_are_the_points_of_the_surface_where_the_texture_shows_them(body):
    atlas = body_atlas(body)
    rows, columns = np.nonzero(atlas.covered)
    named = {tuple(face): index for index, face in enumerate(body.faces.numpy().tolist())}
    some = np.random.default_rng(0).choice(len(rows), 2000, replace=False)
    faces = np.array([named[tuple(corners)] for corners in atlas.corners[some].tolist()])
    places = np.einsum("nk,nkc->nc", atlas.weights[some], atlas.uv_px[atlas.faces[faces]])
    np.testing.assert_allclose(places, np.stack([columns, rows], 1)[some] + 0.5, atol=2e-3)


def test_no_place_is_much_smaller_than_others(body):
    atlas = body_atlas(body)
    solid, flat = areas(body.v_template.double().numpy()[body.faces.numpy()]), areas(atlas.uv_px[atlas.faces])
    millimetres = 1000 * np.sqrt(solid / flat.clip(1e-9))
    assert np.average(millimetres, weights=solid) < 2.2
    assert solid[millimetres > 3].sum() < 0.01 * solid.sum()


def test_bodies_that_are_equal_have_equal_atlases():
    first, second = body_atlas(open_body()), body_atlas(load_body("open"))
    np.testing.assert_array_equal(first.uv_px, second.uv_px)


def test_values_of_vertices_go_to_texels_and_back(body):
    atlas = body_atlas(body)
    height = body.v_template[:, 1:2].numpy().astype(np.float64)
    around = atlas.around_vertices()
    mass = np.asarray(around.sum(axis=1))
    back = (around @ atlas.interpolated(height)) / mass.clip(1e-9)
    assert (mass > 0).mean() > 0.99 and np.quantile(np.abs(back - height)[mass > 0], 0.99) < 0.02
