import json
import struct

import numpy as np
import pytest
import trimesh

from render_fit.core.errors import InputError
from render_fit.export.meshes import read_mesh, write_mesh
from tests.fits import known_fit

FIT = known_fit()
VERTICES, FACES = FIT.output.vertices[0].numpy(), FIT.faces.numpy()


@pytest.mark.parametrize("kind", ["obj", "ply", "glb"])
def test_vertices_come_back_in_camera_coordinates_and_order(tmp_path, kind):
    path = write_mesh(tmp_path / f"mesh.{kind}", VERTICES, FACES)
    vertices, faces = read_mesh(path)
    # obj is text with 8 decimals, the others are float32
    np.testing.assert_allclose(vertices, VERTICES, atol=1e-6)
    np.testing.assert_array_equal(faces, FACES)
    # what other tools see, vertices merged or not: a person 3 m in front of the camera
    bounds = trimesh.load(path, force="mesh").bounds
    np.testing.assert_allclose(bounds, [VERTICES.min(axis=0), VERTICES.max(axis=0)], atol=1e-6)


def test_glb_has_no_hidden_transform(tmp_path):
    content = write_mesh(tmp_path / "mesh.glb", VERTICES, FACES).read_bytes()
    length = struct.unpack_from("<I", content, 12)[0]
    for node in json.loads(content[20 : 20 + length])["nodes"]:
        matrix = node.get("matrix")
        assert matrix is None or np.allclose(np.reshape(matrix, (4, 4)), np.eye(4))


def test_colours_are_kept(tmp_path):
    colours = np.tile(np.array([[10, 200, 30]], dtype=np.uint8), (len(VERTICES), 1))
    mesh = trimesh.load(write_mesh(tmp_path / "mesh.ply", VERTICES, FACES, vertex_colours=colours), process=False)
    assert mesh.visual.vertex_colors[0].tolist() == [10, 200, 30, 255]


@pytest.mark.parametrize("name", ["mesh.stl", "mesh"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="obj, ply, glb"):
        write_mesh(tmp_path / name, VERTICES, FACES)
    assert list(tmp_path.iterdir()) == []
