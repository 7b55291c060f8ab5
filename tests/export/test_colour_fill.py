import numpy as np

from render_fit.bodies import open_body
from render_fit.bodies.mesh_operators import mirror_vertices
from render_fit.core.skeletons import SMPL_24
from render_fit.export.colour_fill import around_limbs, filled

BODY = open_body()
MIRROR = mirror_vertices(BODY.v_template).numpy()
X, Y, Z = BODY.v_template.double().numpy().T
PARTS = BODY.vertex_parts.numpy()


def colours_of(value):
    return np.stack([value, 0.5 * value, 1 - value], axis=1)


def part(*names):
    return np.isin(PARTS, [SMPL_24.index(name) for name in names])


def test_what_is_seen_stays_and_a_hole_is_smooth():
    true = colours_of(0.5 + 0.2 * Y)
    hole = part("spine2", "spine3")  # both sides of the trunk
    found = filled(np.where(hole[:, None], 9.0, true), ~hole, BODY)
    np.testing.assert_array_equal(found[~hole], true[~hole])
    low, high = true[hole].min(0) - 0.02, true[hole].max(0) + 0.02  # the values that were not seen are not used
    assert ((found[hole] >= low) & (found[hole] <= high)).all(1).mean() > 0.98


def test_the_back_has_the_colours_of_the_front_at_the_same_place_along_a_limb():
    seen = np.median(Z) < Z  # as in a photo of the front
    knee = BODY.rest_joints(BODY.zero_parameters().betas)[0, SMPL_24.index("left_knee"), 1].item()
    true = colours_of(np.where(knee > Y, 0.1, 0.9))  # boots
    found = filled(np.where(seen[:, None], true, 0.0), seen, BODY)
    leg = ~seen & part("left_knee", "left_hip") & (np.abs(Y - knee) > 0.06)
    assert leg.sum() > 100 and np.abs(found - true)[leg].max(1).mean() < 0.06


def test_the_other_side_has_the_mirrored_colours():
    seen = X > 0
    true = colours_of(np.where(Y % 0.2 < 0.1, 0.2, 0.8))  # stripes, which no smooth filling would make
    found = filled(np.where(seen[:, None], true, 0.0), seen, BODY)
    far = ~seen & seen[MIRROR] & (X < -0.05)
    assert far.sum() > 2_000 and np.quantile(np.abs(found - true)[far].max(1), 0.9) < 0.02


def test_mirrored_colours_meet_the_seen_ones():
    seen = X > -0.06  # a little more than one half, which is brighter beyond the middle
    true = colours_of(np.where(X < 0, 0.7, 0.3))
    found = filled(np.where(seen[:, None], true, 0.0), seen, BODY)[:, 0]
    beside, far = ~seen & part("spine2", "spine3") & (X > -0.08), ~seen & part("left_wrist", "right_wrist")
    assert beside.any() and found[beside].mean() > 0.55  # no step from 0.7
    assert np.abs(found[far] - 0.3).max() < 0.02


def test_the_laplacian_knows_what_is_around_a_limb():
    laplacian = around_limbs(BODY)
    assert np.abs(laplacian @ np.ones(len(Y))).max() < 1e-9
    pairs = laplacian.tocoo()
    first, second, weights = pairs.row, pairs.col, -pairs.data
    forearm = part("left_elbow", "right_elbow")  # along x in the zero pose
    chosen = (first != second) & forearm[first] & forearm[second]
    sides = BODY.v_template.double().numpy()[second] - BODY.v_template.double().numpy()[first]
    along = np.abs(sides[:, 0]) / np.linalg.norm(sides, axis=1).clip(1e-9)
    assert weights[chosen & (along > 0.97)].mean() < 0.25 * weights[chosen & (along < 0.2)].mean()


def test_nothing_changes_where_all_is_seen():
    true = colours_of(Y)
    assert filled(true, np.ones(len(Y), bool), BODY) is true
