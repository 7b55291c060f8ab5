"""The clothing basis: fixed vertices, smoothness, cache."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from render_fit.bodies import Body
from render_fit.bodies.clothing import ClothingBasis, clothing_basis
from render_fit.bodies.mesh_operators import vertex_normals
from render_fit.core.files import cache_folder
from render_fit.core.skeletons import MEDIAPIPE_33


@pytest.fixture(scope="module")
def basis(body: Body, tmp_path_factory: pytest.TempPathFactory) -> ClothingBasis:
    return clothing_basis(body, 32, cache=tmp_path_factory.mktemp("bases"))


def test_a_unit_coefficient_displaces_by_one_centimetre(body: Body, basis: ClothingBasis) -> None:
    a, b, c = (body.v_template[body.faces[:, i]] for i in range(3))
    face_area = torch.linalg.cross(b - a, c - a).norm(dim=-1) / 2
    area = torch.zeros(body.n_vertices).index_add(0, body.faces.flatten(), face_area.repeat_interleave(3) / 3)
    mean_square = (area[:, None] * basis.directions.norm(dim=1) ** 2).sum(0) / area.sum()
    torch.testing.assert_close(mean_square.sqrt(), torch.full((32,), 0.01), atol=1e-5, rtol=0)


def test_face_hands_and_soles_stay(body: Body, basis: ClothingBasis) -> None:
    coefficients = torch.randn(1, 32)
    offsets = basis(coefficients)
    assert offsets.shape == (1, body.n_vertices, 3)
    assert offsets[:, basis.fixed].abs().max() == 0
    still = ("nose", "left_eye", "right_eye", "mouth_left", "left_thumb", "right_index", "left_pinky")
    for name in still:
        row = body.landmark_regressor[body.landmark_names.index(MEDIAPIPE_33.landmarks[MEDIAPIPE_33.index(name)])]
        assert (row @ offsets[0]).norm() == 0, name
    # What clothes cover moves: 500 of 6,999 vertices would be a shirt collar.
    assert (offsets[0].norm(dim=-1) > 1e-4).sum() > 4000


def test_offsets_lie_along_the_normals_and_change_little_across_an_edge(body: Body, basis: ClothingBasis) -> None:
    normals = vertex_normals(body.v_template, body.faces)
    along = torch.einsum("vcm,vc->vm", basis.directions, normals)
    torch.testing.assert_close(along.abs(), basis.directions.norm(dim=1), atol=1e-6, rtol=0)
    across = (along[body.faces[:, 0]] - along[body.faces[:, 1]]).abs().quantile(0.99, dim=0)
    # The first column swells the whole body: over 99 % of edges (1 to 3 cm long) it changes by under 15 % of its size.
    assert across[0] < 0.0015
    assert (basis.eigenvalues.diff() >= -1e-3).all()


def test_the_basis_is_cached_and_an_unwritable_cache_is_no_error(body: Body, tmp_path: Path) -> None:
    first = clothing_basis(body, 8, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    begin = time.perf_counter()
    second = clothing_basis(body, 8, cache=tmp_path)
    assert time.perf_counter() - begin < 1.0
    assert torch.equal(first.directions, second.directions)
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    third = clothing_basis(body, 8, cache=blocked / "below")
    torch.testing.assert_close(third.directions, first.directions, atol=1e-5, rtol=0)


def test_the_number_of_columns_is_checked(body: Body) -> None:
    with pytest.raises(ValueError, match="1 to 200"):
        clothing_basis(body, 0)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut short"])
def test_a_damaged_cache_is_computed_again(body, tmp_path, content):
    first = clothing_basis(body, 3, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    torch.testing.assert_close(clothing_basis(body, 3, tmp_path).directions, first.directions)


def test_a_cache_of_other_shapes_is_computed_again(body, tmp_path):
    first = clothing_basis(body, 3, tmp_path)
    (file,) = tmp_path.iterdir()
    np.savez(file, functions=np.zeros((5, 3)), eigenvalues=np.zeros(3))
    torch.testing.assert_close(clothing_basis(body, 3, tmp_path).directions, first.directions)


def test_a_user_without_a_home_has_no_cache(body, monkeypatch):
    def no_home(name):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr("platformdirs.user_cache_dir", no_home)
    assert cache_folder() is None
    assert clothing_basis(body, 3).directions.shape[-1] == 3
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")
    assert cache_folder() is None
