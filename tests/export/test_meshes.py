import json
import struct

import numpy as np
import pytest
import trimesh

from render_fit.core.errors import InputError
from render_fit.export.meshes import mesh_kinds, read_mesh, write_mesh
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
    # what other tools see, vertices merged or not: a person 3 m in front of the camera; in glTF y up, z to the viewer
    bounds = trimesh.load(path, force="mesh").bounds
    seen = VERTICES * ([1, -1, -1] if kind == "glb" else [1, 1, 1])
    np.testing.assert_allclose(bounds, [seen.min(axis=0), seen.max(axis=0)], atol=1e-6)


def gltf(path):
    content = path.read_bytes()
    length = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[20 : 20 + length])


@pytest.mark.parametrize("coloured", [False, True])
def test_a_glb_is_upright_has_normals_and_is_no_metal(tmp_path, coloured):
    colours = np.tile(np.array([[188, 0, 255]], dtype=np.uint8), (len(VERTICES), 1)) if coloured else None
    path = write_mesh(tmp_path / "mesh.glb", VERTICES, FACES, vertex_colours=colours)
    content = gltf(path)
    assert [node["matrix"] for node in content["nodes"] if "matrix" in node] == [
        [1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1]
    ]
    (primitive,) = [one for mesh in content["meshes"] for one in mesh["primitives"]]
    assert "NORMAL" in primitive["attributes"] and ("COLOR_0" in primitive["attributes"]) == coloured
    assert content["materials"][primitive["material"]]["pbrMetallicRoughness"]["metallicFactor"] == 0
    if coloured:  # sRGB 188 is linear 0.503 (IEC 61966-2-1)
        view = content["bufferViews"][content["accessors"][primitive["attributes"]["COLOR_0"]]["bufferView"]]
        start = 20 + struct.unpack_from("<I", path.read_bytes(), 12)[0] + 8 + view.get("byteOffset", 0)
        assert list(path.read_bytes()[start : start + 4]) == [128, 0, 255, 255]


@pytest.mark.parametrize("text", ["obj,glb", " OBJ , .glb,obj", ("obj", "GLB")])
def test_kinds_of_files_in_any_spelling(text):
    assert mesh_kinds(text) == ("obj", "glb")


@pytest.mark.parametrize("text", ["fbx", "obj,stl", "gif", ("obj", "usd")])
def test_unknown_kinds_name_the_known_ones(text):
    with pytest.raises(InputError, match="known are obj, ply, glb$"):
        mesh_kinds(text)
    assert mesh_kinds("gif", also=("gif",)) == ("gif",)


def test_colours_are_kept(tmp_path):
    colours = np.tile(np.array([[10, 200, 30]], dtype=np.uint8), (len(VERTICES), 1))
    mesh = trimesh.load(write_mesh(tmp_path / "mesh.ply", VERTICES, FACES, vertex_colours=colours), process=False)
    assert mesh.visual.vertex_colors[0].tolist() == [10, 200, 30, 255]


@pytest.mark.parametrize("name", ["mesh.stl", "mesh"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="obj, ply, glb"):
        write_mesh(tmp_path / name, VERTICES, FACES)
    assert list(tmp_path.iterdir()) == []
