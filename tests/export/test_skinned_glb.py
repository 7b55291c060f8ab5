import io
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from render_fit.bodies import Body, load_body, open_body, smpl_arrays
from render_fit.core.skeletons import SMPL_24
from render_fit.export.morph_targets import beyond_four_joints, pose_correctives
from render_fit.export.motion import motion_of
from render_fit.export.skin_weights import first_set_error_m
from render_fit.export.skinned_glb import mesh_motions, skinned_glb
from tests.export.gltf_reader import Gltf
from tests.export.motions import body_with_correctives, moving_fit, seen_upright, striped

EXACT_M = 2e-5
"""Rounding of float32 in the body and in the file, at 3 to 4 m from the origin."""

FPS = 25.0


@pytest.fixture(scope="module")
def walk():
    body = open_body()
    saved = moving_fit(body, 7)
    return saved, body, Gltf(skinned_glb(motion_of(saved, body, FPS)))


def posed(saved, body):
    with torch.no_grad():
        parameters = saved.parameters()
        return {
            "body": body(replace(parameters, offsets=None)).vertices.numpy(),
            "clothed": body(parameters).vertices.numpy(),
        }


def test_the_skeleton_moves_body_and_clothes_as_the_body_model_does(walk):
    saved, body, gltf = walk
    for name, expected in posed(saved, body).items():
        for frame in range(7):
            vertices = gltf.vertices(name, frame / FPS)
            np.testing.assert_allclose(vertices, seen_upright(expected[frame]), atol=EXACT_M)
        np.testing.assert_allclose(gltf.vertices(name), seen_upright(expected[0]), atol=EXACT_M)  # not animated
    assert gltf.duration() == pytest.approx(6 / FPS)
    assert np.abs(gltf.vertices("body", 0) - gltf.vertices("body", 3 / FPS)).max() > 0.3
    assert np.abs(gltf.vertices("body", 0) - gltf.vertices("clothed", 0)).max() > 0.02


def test_the_joints_have_smpls_names_and_places(walk):
    saved, _, gltf = walk
    joints = gltf.joints(2 / FPS)
    assert tuple(joints) == SMPL_24.joints
    np.testing.assert_allclose(list(joints.values()), seen_upright(saved.joints[2]), atol=EXACT_M)
    assert joints["head"][1] > joints["pelvis"][1] > joints["left_foot"][1]  # upright: y is up


def test_joints_turn_the_short_way_between_frames(walk):
    _, _, gltf = walk
    rotations = [one for one in gltf.tree["animations"][0]["channels"] if one["target"]["path"] == "rotation"]
    assert len(rotations) == 24
    for channel in rotations:
        keys = gltf.array(gltf.tree["animations"][0]["samplers"][channel["sampler"]]["output"])
        assert (np.sum(keys[1:] * keys[:-1], axis=1) >= 0).all()  # some programs interpolate the numbers as they are


def test_the_clothed_mesh_is_shown_and_the_body_under_it_hidden(walk):
    _, _, gltf = walk
    material = {mesh["name"]: gltf.tree["materials"][mesh["primitives"][0]["material"]] for mesh in gltf.tree["meshes"]}
    assert list(material) == ["body", "clothed"]
    assert material["clothed"].get("alphaMode", "OPAQUE") == "OPAQUE"
    assert material["body"]["alphaMode"] == "MASK"
    assert material["body"]["pbrMetallicRoughness"]["baseColorFactor"][3] == 0


def test_without_clothes_there_is_one_visible_mesh():
    body = open_body()
    saved = moving_fit(body, 2, offsets=False)
    gltf = Gltf(skinned_glb(motion_of(saved, body)))
    assert [mesh["name"] for mesh in gltf.tree["meshes"]] == ["body"]
    assert "alphaMode" not in gltf.tree["materials"][0]


def test_a_photo_is_a_pose_without_animation():
    body = open_body()
    saved = moving_fit(body, 1)
    gltf = Gltf(skinned_glb(motion_of(saved, body)))
    assert "animations" not in gltf.tree
    np.testing.assert_allclose(gltf.vertices("clothed"), seen_upright(posed(saved, body)["clothed"][0]), atol=EXACT_M)


def test_pose_correctives_are_morph_targets():
    body = body_with_correctives()
    saved = moving_fit(body, 9)
    motion = motion_of(saved, body, FPS)
    targets = pose_correctives(motion)
    assert 0 < len(targets.directions) <= 9 and targets.error_m <= 0.0005 < 0.005 < targets.left_out_m
    assert targets.weights.min() >= 0 and targets.weights.max() <= 1 + 1e-6  # Blender clamps to this range
    exact, with_targets = posed(saved, body), Gltf(skinned_glb(motion, {"body": targets, "clothed": targets}))
    without = Gltf(skinned_glb(motion))
    for name in ("body", "clothed"):
        error, left_out = 0.0, 0.0
        for frame in range(9):
            expected = seen_upright(exact[name][frame])
            distances = np.linalg.norm(with_targets.vertices(name, frame / FPS) - expected, axis=1)
            error = max(error, distances.max())
            left_out = max(left_out, np.linalg.norm(without.vertices(name, frame / FPS) - expected, axis=1).max())
        # skinning is a convex combination of rotations: it does not enlarge a displacement
        assert error <= targets.error_m + EXACT_M
        assert 0.005 < left_out <= targets.left_out_m + EXACT_M
    assert with_targets.mesh("body")["extras"]["targetNames"][0] == "corrective0"


def test_pose_correctives_of_one_pose_are_exact():
    body = body_with_correctives()
    saved = moving_fit(body, 1)
    motion = motion_of(saved, body)
    targets = pose_correctives(motion)
    assert len(targets.directions) == 0  # the mesh itself has them
    gltf = Gltf(skinned_glb(motion, {"body": targets, "clothed": targets}))
    np.testing.assert_allclose(gltf.vertices("clothed"), seen_upright(posed(saved, body)["clothed"][0]), atol=EXACT_M)


def test_a_body_without_correctives_has_no_targets(tmp_path):
    body = open_body()
    assert pose_correctives(motion_of(moving_fit(body, 2), body)) is None
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **smpl_arrays(body))  # with correctives that are all zero
    body = load_body(tmp_path / "SMPL_NEUTRAL.npz")
    motion = motion_of(moving_fit(body, 2), body)
    targets = pose_correctives(motion)
    assert len(targets.directions) == 0
    assert (
        "targets" not in Gltf(skinned_glb(motion, {"body": targets, "clothed": targets})).mesh("body")["primitives"][0]
    )


@pytest.mark.parametrize("correctives", [False, True])
def test_four_joints_a_vertex_and_morph_targets_for_the_others(correctives):
    body = body_with_correctives() if correctives else open_body()
    saved = moving_fit(body, 12)
    motion, exact = motion_of(saved, body, FPS), posed(saved, body)
    targets = {name: beyond_four_joints(one) for name, one in mesh_motions(motion).items()}
    if correctives:
        targets = {name: pose_correctives(motion) + one for name, one in targets.items()}
    gltf = Gltf(skinned_glb(motion, targets, four_joints=True))
    assert "JOINTS_1" not in gltf.attributes("body")
    np.testing.assert_allclose(gltf.attributes("body")["WEIGHTS_0"].sum(1), 1, atol=1e-6)
    for name, one in targets.items():
        assert len(one.directions) > 0 and one.weights.min() >= 0 and one.weights.max() <= 1 + 1e-6
        for frame in range(12):
            vertices = gltf.vertices(name, frame / FPS)
            error = np.linalg.norm(vertices - seen_upright(exact[name][frame]), axis=1).max()
            assert error <= one.error_m + EXACT_M <= 0.001 + EXACT_M
    # without the targets it is what programs show that read one set of weights
    assert first_set_error_m(motion) > 0.003


def test_joints_that_are_turned_against_each_other_have_an_honest_error():
    # Half of each of two opposite rotations is flat: no displacement before skinning helps across.
    body = open_body()
    vertex = int(torch.nonzero((body.weights > 0).sum(1) > 4)[0, 0])
    body.weights = body.weights.clone()
    body.weights[vertex] = 0
    body.weights[vertex, [0, 1, 2, 5, 8]] = torch.tensor([0.35, 0.35, 0.1, 0.1, 0.1])
    saved = moving_fit(body, 3, offsets=False)
    saved.poses[:, 3:] = 0
    saved.poses[:, 3:6] = [np.pi, 0, 0]
    saved.poses[:, 6:9] = [0, np.pi, 0]
    motion = motion_of(saved, body, FPS)
    targets = beyond_four_joints(motion)
    assert np.isfinite(targets.directions).all() and np.isfinite(targets.base).all()
    gltf = Gltf(skinned_glb(motion, {"body": targets}, four_joints=True))
    for frame in range(3):
        expected = seen_upright(posed(saved, body)["body"][frame])
        error = np.linalg.norm(gltf.vertices("body", frame / FPS) - expected, axis=1).max()
        assert error <= targets.error_m + EXACT_M


def test_the_same_array_is_stored_once_and_zeros_are_not(walk):
    saved, body, gltf = walk
    body_attributes, clothed = (gltf.mesh(name)["primitives"][0]["attributes"] for name in ("body", "clothed"))
    assert body_attributes["WEIGHTS_0"] == clothed["WEIGHTS_0"] != body_attributes["WEIGHTS_1"]
    motion = motion_of(saved, body, FPS)
    targets = {name: beyond_four_joints(one) for name, one in mesh_motions(motion).items()}
    larger = len(skinned_glb(motion, targets, four_joints=True)) - len(skinned_glb(motion, four_joints=True))
    assert larger < sum(one.directions.nbytes for one in targets.values()) / 8


def test_other_programs_read_the_meshes(walk):
    saved, body, gltf = walk
    colours = np.tile(np.array([[188, 0, 255]], dtype=np.uint8), (body.n_vertices, 1))
    content = skinned_glb(motion_of(saved, body, FPS), colours=colours)
    scene = trimesh.load(io.BytesIO(content), file_type="glb", process=False)
    assert set(scene.geometry) == {"body", "clothed"}
    # trimesh knows no skins: what it shows is the zero pose
    rest = body.rest_vertices(torch.from_numpy(saved.betas)[None])[0].numpy()
    np.testing.assert_allclose(scene.geometry["body"].vertices, rest, atol=1e-6)
    np.testing.assert_array_equal(scene.geometry["clothed"].faces, body.faces.numpy())
    # sRGB 188 is linear 0.503 (IEC 61966-2-1)
    np.testing.assert_allclose(Gltf(content).attributes("clothed")["COLOR_0"][0], [128 / 255, 0, 1, 1], atol=1e-6)
    normals = gltf.attributes("body")["NORMAL"]
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)


def test_a_texture_is_on_the_surface_that_moves_as_the_body_does():
    body = body_with_correctives()
    saved = moving_fit(body, 4)
    motion, colours = motion_of(saved, body, FPS), striped(body)
    content = skinned_glb(motion, dict.fromkeys(("body", "clothed"), pose_correctives(motion)), colours=colours)
    gltf, atlas = Gltf(content), colours.atlas
    for frame, expected in enumerate(posed(saved, body)["clothed"]):
        found = gltf.vertices("clothed", frame / FPS)
        assert np.abs(found - seen_upright(expected)[atlas.vertices]).max() < 1e-3
    mesh = trimesh.load(io.BytesIO(content), file_type="glb", process=False).geometry["clothed"]
    np.testing.assert_array_equal(atlas.vertices[mesh.faces], body.faces.numpy())
    picture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"))
    np.testing.assert_array_equal(picture, colours.texture)
    # trimesh counts v from below; the middle of every face that is far from the border of the colours has its colour
    middles = (mesh.visual.uv[mesh.faces].mean(axis=1) * [1, -1] + [0, 1]) * atlas.side_px
    columns, rows = np.floor(middles).astype(int).T
    heights = body.v_template[:, 1].numpy()[body.faces.numpy()] - np.median(
        atlas.interpolated(body.v_template[:, 1:2].numpy().astype(np.float64))
    )
    # tiny faces may lie between texels
    red, blue = picture[rows, columns, 0] == 200, picture[rows, columns, 2] == 180
    assert red[heights.min(1) > 0.01].mean() > 0.98 and blue[heights.max(1) < -0.01].mean() > 0.98


def test_vertices_without_faces_have_a_normal():
    plain = open_body()
    body = Body(
        name="open", joint_names=plain.joint_names, parents=plain.parents, v_template=plain.v_template,
        shapedirs=plain.shapedirs, J_regressor=plain.J_regressor, weights=plain.weights, faces=plain.faces[:100],
    )  # fmt: skip
    normals = Gltf(skinned_glb(motion_of(moving_fit(body, 1, offsets=False), body))).attributes("body")["NORMAL"]
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
