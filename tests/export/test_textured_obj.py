import numpy as np
import pytest
import trimesh
from PIL import Image

from render_fit.bodies import open_body
from render_fit.core.errors import InputError
from render_fit.export.meshes import read_mesh
from render_fit.export.textured_obj import write_textured_obj, written_colours
from tests.export.motions import striped

BODY = open_body()
VERTICES = BODY.v_template.numpy()


def test_the_mesh_with_its_texture_and_colours(tmp_path):
    colours = striped(BODY)
    path = write_textured_obj(tmp_path / "clothed.obj", VERTICES, colours)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clothed.mtl", "clothed.obj", "clothed.png"]
    rows = np.array([line.split()[1:] for line in path.read_text().splitlines() if line.startswith("v ")], dtype=float)
    np.testing.assert_allclose(rows[:, :3], VERTICES, atol=1e-7)  # the body's order and number
    np.testing.assert_allclose(rows[:, 3:], colours.vertices / 255, atol=1e-4)
    mesh = trimesh.load(path, process=False)  # repeats vertices on the borders of charts
    np.testing.assert_allclose(mesh.triangles, VERTICES[BODY.faces.numpy()], atol=1e-6)
    assert mesh.visual.material.image.size == (colours.atlas.side_px, colours.atlas.side_px)
    np.testing.assert_array_equal(np.asarray(mesh.visual.material.image), colours.texture)
    places = (mesh.visual.uv[mesh.faces] * [1, -1] + [0, 1]) * colours.atlas.side_px
    np.testing.assert_allclose(places, colours.atlas.uv_px[colours.atlas.faces], atol=2e-3)


def test_vertices_have_the_colours_around_them(tmp_path):
    colours = striped(BODY)
    height = VERTICES[:, 1] - np.median(colours.atlas.interpolated(VERTICES[:, 1:2].astype(np.float64)))
    found = colours.vertices
    assert (found[height > 0.06] == [200, 30, 20]).all(1).mean() > 0.999
    assert (found[height < -0.06] == [10, 40, 180]).all(1).mean() > 0.999


def test_the_texture_is_read_at_points_of_the_surface():
    colours = striped(BODY)
    corners = VERTICES[BODY.faces.numpy()][:, :, 1] - np.median(
        colours.atlas.interpolated(VERTICES[:, 1:2].astype(np.float64))
    )
    faces = np.flatnonzero(corners.min(1) > 0.02)
    found = colours.at(faces, np.full((len(faces), 3), 1 / 3))
    assert (np.abs(found - np.array([200, 30, 20]) / 255).max(1) < 1e-6).mean() > 0.9  # small ones lie between texels


def test_what_was_written_is_read(tmp_path):
    colours = striped(BODY)
    path = write_textured_obj(tmp_path / "a.obj", VERTICES, colours)
    found = written_colours(path, BODY)
    np.testing.assert_array_equal(found.texture, colours.texture)
    np.testing.assert_array_equal(found.atlas.uv_px, colours.atlas.uv_px)
    np.testing.assert_allclose(np.sort(read_mesh(path)[0], 0)[-1], VERTICES.max(0), atol=1e-6)


def test_a_texture_that_is_laid_out_in_another_way_is_not_used(tmp_path):
    path = write_textured_obj(tmp_path / "a.obj", VERTICES, striped(BODY))
    assert written_colours(tmp_path / "b.obj", BODY) is None
    text = path.read_text()
    path.write_text(text.replace("\nvt 0.", "\nvt 1.", 1))
    assert written_colours(path, BODY) is None
    path.write_text(text)
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    assert written_colours(path, BODY) is None
    (tmp_path / "a.png").write_bytes(b"broken")
    with pytest.raises(InputError, match="a.png"):
        written_colours(path, BODY)
