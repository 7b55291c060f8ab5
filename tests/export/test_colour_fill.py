import numpy as np
import torch

from render_fit.bodies import open_body
from render_fit.bodies.mesh_operators import mirror_vertices
from render_fit.export.colour_fill import filled

BODY = open_body()
MIRROR = mirror_vertices(BODY.v_template)
X, Y = (BODY.v_template[:, axis].numpy().astype(np.float64) for axis in (0, 1))


def colours_of(value):
    return np.stack([value, 0.5 * value, 1 - value], axis=1)


def test_what_is_seen_stays_and_a_hole_is_smooth():
    true = colours_of(0.5 + 0.2 * Y)
    hole = (np.abs(X) < 0.1) & (np.abs(Y - np.median(Y[np.abs(X) < 0.1])) < 0.15)  # both sides of the trunk
    assert hole.sum() > 100
    found = filled(np.where(hole[:, None], 9.0, true), ~hole, BODY.faces, MIRROR)
    np.testing.assert_array_equal(found[~hole], true[~hole])
    assert np.abs(found - true)[hole].max() < 0.03  # the values that were not seen are not used


def test_the_other_side_has_the_mirrored_colours_without_a_seam():
    seen = X > 0
    true = colours_of(np.where(Y % 0.2 < 0.1, 0.2, 0.8))  # stripes, which no smooth filling would make
    found = filled(np.where(seen[:, None], true, 0.0), seen, BODY.faces, MIRROR)
    far = ~seen & (X < -0.05)
    assert np.quantile(np.abs(found - true)[far].max(1), 0.9) < 0.02


def test_the_shift_at_the_border_fades_out():
    vertices = torch.tensor([[float(x), float(y), 0.0] for y in range(3) for x in range(-30, 31)])
    index = np.arange(3 * 61).reshape(3, 61)
    low, right, up, both = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.concatenate([np.stack(one, -1).reshape(-1, 3) for one in ((low, right, up), (right, both, up))])
    x = vertices[:, 0].numpy()
    seen = x >= -3
    values = colours_of(np.where(x < 0, 0.4, 0.2))  # what is seen of the left side is brighter than the right
    found = filled(np.where(seen[:, None], values, 0), seen, torch.from_numpy(faces), mirror_vertices(vertices))
    row = found[index[1], 0]
    assert np.abs(np.diff(row[:28])).max() < 0.05  # no step at x = -3
    assert abs(row[26] - 0.4) < 0.05 and abs(row[0] - 0.2) < 0.01


def test_nothing_changes_where_all_is_seen():
    true = colours_of(Y)
    assert filled(true, np.ones(len(Y), bool), BODY.faces, MIRROR) is true
