import numpy as np
import pytest
import torch

from render_fit.bodies import open_body
from render_fit.bodies.mesh_operators import vertex_normals
from render_fit.core.cameras import camera_from_focal
from render_fit.core.skeletons import SMPL_24
from render_fit.export.shading import shaded
from render_fit.export.shading_normals import SMOOTH_PARTS, mannequin_normals
from render_fit.renderers import make_renderer

BODY = open_body()
CAMERA = camera_from_focal(500.0, 256, 192)
IN_VIEW = BODY.v_template * torch.tensor([1.0, -1.0, -1.0]) + torch.tensor([0.0, 0.0, 4.0])
"""The zero pose, upright in front of the camera and facing it."""


def largest_curvature(normals, parts):
    """Angle between the normals at the ends of an edge over its length, 1/m: 95th percentile in some SMPL parts."""
    inside = torch.isin(BODY.face_parts, torch.tensor([SMPL_24.index(part) for part in parts]))
    faces = BODY.faces[inside].numpy()
    start, end = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    angle = np.arccos((normals[start] * normals[end]).sum(axis=1).clip(-1, 1))
    length = np.linalg.norm((IN_VIEW[start] - IN_VIEW[end]).numpy(), axis=1)
    return float(np.percentile(angle / length, 95))


@pytest.fixture(scope="module")
def normals():
    plain = vertex_normals(IN_VIEW, BODY.faces).numpy()
    return plain, mannequin_normals(IN_VIEW, BODY.faces, BODY.face_parts)


@pytest.mark.parametrize(
    ("parts", "factor"), [(("spine2", "spine3"), 1.7), (("pelvis", "spine1"), 2.0)], ids=["chest", "belly"]
)
def test_the_trunk_is_shaded_with_less_curvature(normals, parts, factor):
    # measured: 21.1 to 11.0 at the chest, 26.6 to 11.9 at the belly; 11 per metre is a bend with a radius of 9 cm
    plain, smooth = (largest_curvature(one, parts) for one in normals)
    assert smooth < plain / factor


def test_a_bump_on_the_chest_is_not_shaded(normals):
    _, smooth = normals
    chest = torch.tensor([0.08, 0.25, 0.12]) + BODY.rest_joints(torch.zeros(1, BODY.n_betas))[0, 0]
    bump = int((BODY.v_template - chest).norm(dim=1).argmin())
    moved = IN_VIEW.clone()
    moved[bump] += 0.01 * torch.from_numpy(smooth[bump]).float()
    around = BODY.faces[(BODY.faces == bump).any(dim=1)].unique()

    def change(before, after):
        return float(np.arccos((before[around] * after[around]).sum(axis=1).clip(-1, 1)).max())

    plain = change(normals[0], vertex_normals(moved, BODY.faces).numpy())
    shown = change(smooth, mannequin_normals(moved, BODY.faces, BODY.face_parts))
    assert plain > 0.2
    assert shown < plain / 4


def test_head_hands_and_feet_keep_their_details(normals):
    others = torch.ones(len(BODY.v_template), dtype=torch.bool)
    others[BODY.faces[torch.isin(BODY.face_parts, torch.tensor(SMOOTH_PARTS))]] = False
    assert others.float().mean() > 0.5
    np.testing.assert_allclose(normals[1][others], normals[0][others], atol=1e-5)


def test_normals_stay_outward_unit_vectors(normals):
    plain, smooth = normals
    np.testing.assert_allclose(np.linalg.norm(smooth, axis=1), 1, atol=1e-6)
    assert ((plain * smooth).sum(axis=1) > 0).mean() > 0.99


def test_the_outline_is_that_of_the_mesh():
    renderer = make_renderer("cpu")
    plain = shaded(IN_VIEW, BODY.faces, CAMERA, renderer)
    mannequin = shaded(IN_VIEW, BODY.faces, CAMERA, renderer, face_parts=BODY.face_parts)
    np.testing.assert_array_equal(plain.alpha, mannequin.alpha)
    assert np.abs(plain.rgb - mannequin.rgb).max() > 0.05
