"""Colours of a clothed person from several sides, with and without errors of the fit (docs/animation.md has more)."""

from functools import cache

import numpy as np
import pytest
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.bodies.clothing import clothing_basis
from render_fit.core.cameras import camera_from_focal
from render_fit.export.atlas import body_atlas
from render_fit.export.photo_colours import SURE, photo_colours
from render_fit.export.photo_samples import ColourFrame, view_weights
from render_fit.renderers import make_renderer
from render_fit.synthesis.independent_rasterizer import rasterize

BODY, RENDERER = open_body(), make_renderer("cpu")
CAMERA = camera_from_focal(900.0, 660, 480)
CLOTHES = clothing_basis(BODY, 3)(torch.tensor([[2.0, 0.5, -0.5]]))
REST = BODY.v_template.double().numpy() - BODY.v_template.double().numpy().min(0)
BACKGROUND = [1.0, 0.0, 1.0]


def stripes(points):
    """(N, 3) colours of points at rest: stripes of 4 cm, crossed by wider ones."""
    x, y, z = points.T
    high, wide = (np.tanh(6 * np.sin(2 * np.pi * along)) for along in (y / 0.08, x / 0.3))
    return np.stack([0.5 + 0.25 * high, 0.5 + 0.2 * wide, 0.5 + 0.3 * np.sin(9 * z)], 1)


def posed(heading, generator=None):
    """Vertices of the person with hanging arms, turned by an angle; with a generator with errors of a fit."""
    pose, transl = torch.zeros(1, 24, 3), torch.tensor([[0.0, 0.1, 2.7]])
    pose[0, 16, 2], pose[0, 17, 2] = -0.9, 0.9
    if generator is not None:  # 2° in every joint, 5 mm beside and 15 mm in depth
        pose[:, 1:22] += torch.from_numpy(generator.normal(0, np.radians(2), (1, 21, 3))).float()
        transl = transl + torch.from_numpy(generator.normal(0, 0.005, (1, 3)) * [1, 1, 3]).float()
    parameters = BodyParameters.from_rotvec(pose, torch.zeros(1, BODY.n_betas), transl, CLOTHES)
    cos, sin = np.cos(heading), np.sin(heading)
    turn = torch.tensor([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).float()
    parameters.rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ turn
    with torch.no_grad():
        return BODY(parameters).vertices[0]


@cache
def photo(heading):
    """Image and mask, by another rasteriser than the one that looks for what is seen."""
    vertices = posed(heading)
    raster = rasterize(vertices.numpy(), BODY.faces.numpy(), CAMERA.K[0].numpy(), CAMERA.height, CAMERA.width)
    mask = raster.face_index >= 0
    corners = REST[BODY.faces.numpy()[raster.face_index[mask]]]
    image = np.broadcast_to(BACKGROUND, (*mask.shape, 3)).copy()
    image[mask] = stripes(np.einsum("nk,nkc->nc", raster.weights[mask], corners))
    return torch.from_numpy(image).permute(2, 0, 1).float(), torch.from_numpy(mask).float()


@pytest.mark.parametrize(("errors", "bound"), [(False, 0.01), (True, 0.06)])
def test_colours_from_eight_sides(errors, bound):
    generator = np.random.default_rng(0) if errors else None
    headings = np.arange(0, 2 * np.pi, np.pi / 4).tolist()
    frames = [ColourFrame(posed(one, generator), CAMERA, *photo(one)) for one in headings]
    atlas = body_atlas(BODY)
    found = photo_colours(BODY, frames, RENDERER).texture[atlas.covered] / 255
    seen = np.max([view_weights(frame, BODY, atlas, RENDERER) for frame in frames], axis=0) > SURE
    off = np.abs(found - stripes(atlas.interpolated(REST))).mean(axis=1)
    assert seen.mean() > 0.8 and off[seen].mean() < bound and off[~seen].mean() < 0.1
    # green is at least 0.3 on the person, and 0 in the background
    assert (found[:, 1] < 0.2).mean() < 0.001
