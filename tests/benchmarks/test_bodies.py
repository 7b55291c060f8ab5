"""The benchmarks' bodies, and meshes of several sizes."""

import pytest
import torch
import trimesh

from benchmarks.bodies import POSED, REST, VIEWS, placed
from benchmarks.meshes import body_mesh
from benchmarks.operations import count
from render_fit.bodies import open_body
from render_fit.core.cameras import camera_from_focal
from render_fit.renderers import CpuRenderer, RenderSettings


def covered(one):
    settings = RenderSettings()
    return CpuRenderer()(one.vertices, one.mesh.faces, one.camera, settings, outputs=("face_index",)).face_index[0] >= 0


def test_twenty_posed_bodies_of_three_kinds():
    kinds = [view.kind for view in POSED]
    assert len(POSED) == 20
    assert {kind: kinds.count(kind) for kind in kinds} == {"hides itself": 8, "truncated": 6, "close-up": 6}
    assert len(set(VIEWS)) == 21


def test_each_body_matches_its_kind():
    size, shares = 96, {}
    for view in VIEWS:
        one = placed(view, size)
        on_image = covered(one)
        shares[view] = float(on_image.float().mean())
        at_the_border = bool(torch.cat([on_image[0], on_image[-1], on_image[:, 0], on_image[:, -1]]).any())
        assert at_the_border == (view.kind in ("truncated", "close-up")), view
    assert min(shares.values()) > 0.05
    assert min(shares[view] for view in POSED if view.kind == "close-up") > 0.25
    behind = [view for view in VIEWS if float(placed(view, size).vertices[..., 2].min()) < 0.05]
    assert [view.kind for view in behind] == ["truncated"]


def test_the_same_every_time_and_at_every_size():
    one, again = placed(POSED[0], 64), placed(POSED[0], 64)
    assert torch.equal(one.vertices, again.vertices)
    assert not torch.allclose(one.vertices, placed(POSED[1], 64).vertices)
    larger = placed(POSED[0], 128)
    assert torch.allclose(2 * one.camera.project(one.vertices), larger.camera.project(larger.vertices), atol=0.05)


@pytest.mark.parametrize("n_faces", [400, 3_500, 56_000])
def test_coarser_and_finer_meshes_are_closed_and_have_the_bodys_shape(n_faces):
    body, mesh = open_body(), body_mesh(n_faces)
    solid = trimesh.Trimesh(mesh.surface(body.v_template[None])[0].numpy(), mesh.faces.numpy(), process=False)
    own = trimesh.Trimesh(body.v_template.numpy(), body.faces.numpy(), process=False)
    assert len(mesh.faces) == pytest.approx(n_faces, rel=0.01)
    assert solid.is_watertight
    # Chords cut corners: the coarse mesh is a quarter smaller, the finer one lies on the body's own faces.
    assert solid.volume == pytest.approx(own.volume, rel={400: 0.3, 3_500: 0.06}.get(n_faces, 1e-6))
    assert len(mesh.face_parts) == len(mesh.faces)


def test_halving_keeps_parts():
    mesh, body = body_mesh(56_000), open_body()
    assert torch.equal(mesh.face_parts, body.face_parts.repeat(4))


def test_pairs_of_pixel_and_face_are_counted(monkeypatch):
    """One right triangle, 2 m off, focal 8 px on 8²: corners at pixels (0, 0), (8, 0), (0, 8)."""
    one = placed(REST, 8)
    corners = torch.tensor([[[-1.0, -1.0, 2.0], [1.0, -1.0, 2.0], [-1.0, 1.0, 2.0]]])
    mesh = type(one.mesh)(torch.tensor([[0, 1, 2]]), torch.tensor([0]), torch.arange(3))
    triangle = type(one)(one.view, one.parameters, corners, mesh, camera_from_focal(8.0, 8, 8))
    found = count(triangle, RenderSettings(blur_radius_px=0.1))
    # Centres strictly under the diagonal x + y = 8: 7 + 6 + … + 1; the 8 on it are on the side, at distance 0.
    assert (found.faces, found.hard_pairs, found.soft_pairs) == (1, 28, 36)
    # 1 / √2 beyond the diagonal: 7 centres more.
    assert count(triangle, RenderSettings(blur_radius_px=0.75)).soft_pairs == 43
