"""What notebooks call: objectives composed by name, pulls in the picture, landscapes."""

from dataclasses import replace

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.fitting.landscapes import compose, joint_turn, landscape, moved, pull, shift
from render_fit.fitting.variables import Variables
from render_fit.losses.keypoints import KeypointReprojection
from render_fit.renderers import RenderSettings
from render_fit.synthesis import everyday_pose, synthetic_scene

LEVEL = (0.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def scene():
    return synthetic_scene(open_body(), everyday_pose("a_pose"), seed=1, yaw_rad=0.0, jitter=0.0)


@pytest.fixture(scope="module")
def problem(scene):
    terms = {"silhouette_l2": 100.0, "keypoints": (2.0, KeypointReprojection(scale=0.2)), "shape": 1.0}
    return compose(scene.observation(), terms, size=64)


@pytest.fixture(scope="module")
def truth(scene):
    return Variables.from_parameters(open_body(), scene.parameters)


def test_composed_by_name_or_by_term(problem):
    assert problem.objective.terms["silhouette_l2"].weight == 100.0
    assert problem.objective.terms["keypoints"].term.scale == 0.2
    with pytest.raises(ValueError, match="unknown term 'silhouete'"):
        compose(synthetic_scene(open_body(), everyday_pose("a_pose"), seed=1).observation(), {"silhouete": 1.0})


def test_camera_is_assumed_where_it_is_not_known(scene):
    guessed = compose(scene.observation(camera=False), {"shape": 1.0}, size=64).targets.camera
    # the diagonal of 256 × 256, in a crop of 64 around a box of about 184
    box = scene.observation(camera=False).box
    assert guessed.K[0, 0, 0].item() == pytest.approx(256 * 2**0.5 * 64 / (1.2 * max(box[2:])), rel=1e-4)


def test_shift_is_metres_in_camera_axes(truth):
    body = open_body()
    for direction in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)):
        there = moved(truth, (shift(truth, direction), 0.01))
        change = there.parameters(body).transl - truth.parameters(body).transl
        torch.testing.assert_close(change[0], 0.01 * torch.tensor(direction), atol=1e-4, rtol=0)


def test_joint_turn_is_one_radian_of_one_joint(truth):
    turned = moved(truth, (joint_turn(open_body(), "left_knee", (2.0, 0.0, 0.0)), 0.5))
    change = turned.pose - truth.pose
    assert change.abs().sum() == change[0, open_body().joint_names.index("left_knee") - 1, 0] == 0.5
    with pytest.raises(ValueError, match="walk along the variable 'orient'"):
        joint_turn(open_body(), "pelvis")


def test_landscape_has_one_axis_per_walk_and_its_minimum_at_the_truth(problem, truth):
    arm, right = joint_turn(open_body(), "left_shoulder", LEVEL), shift(truth, (1.0, 0.0, 0.0))
    steps = torch.linspace(-0.4, 0.4, 5)
    plane = landscape(problem, truth, (arm, steps), (right, steps[1:4]))
    assert plane.total.shape == (5, 3) and set(plane.terms) == {"silhouette_l2", "keypoints", "shape"}
    assert divmod(int(plane.total.argmin()), 3) == (2, 1)
    torch.testing.assert_close(plane.total[2, 1], problem.loss(truth)[0], rtol=1e-4, atol=1e-4)
    # the prior on shape sees neither walk
    assert plane.terms["shape"].std() < 1e-5


def test_softras_wants_the_body_further_away(problem, truth):
    """The published silhouette dilates; `contour` does not (docs/rendering.md)."""
    steps, best = torch.linspace(-0.6, 1.2, 13), {}
    for kind in ("contour", "softras"):
        edge = replace(
            problem, settings=RenderSettings(silhouette=kind), objective=problem.objective.only("silhouette_l2")
        )
        best[kind] = steps[landscape(edge, truth, (shift(truth, LEVEL), steps)).total.argmin()].item()
    assert abs(best["contour"]) <= 0.151  # one step
    assert best["softras"] >= 0.299


def test_pull_points_back_to_where_the_body_came_from(problem, truth):
    aside = moved(truth, (shift(truth, (1.0, 0.0, 0.0)), 0.08))
    for term in ("silhouette_l2", "keypoints"):
        arrows = pull(problem, aside, term)
        assert len(arrows.points_px) == len(arrows.pull) > 10
        total = arrows.pull.sum(dim=0)
        assert total[0] < 0 and total[1].abs() < 0.3 * -total[0]
    assert len(pull(problem, aside, "shape").pull) == 0


def test_pull_is_the_slope(problem, truth):
    """Moving the body by a metre to the right moves every point by focal / depth pixels."""
    aside = moved(truth, (shift(truth, (1.0, 0.0, 0.0)), 0.08))
    right = shift(aside, (1.0, 0.0, 0.0))
    steps = torch.tensor([-1e-3, 1e-3])
    depth = aside.position[0, 2].exp()
    pixels_per_metre = (problem.targets.camera.K[0, 0, 0] / depth).item()
    for term, within in (("keypoints", 0.05), ("silhouette_l2", 0.15)):
        values = landscape(problem, aside, (right, steps)).terms[term]
        slope = (values[1] - values[0]).item() / 2e-3
        pulled = -pull(problem, aside, term).pull[:, 0].sum().item() * pixels_per_metre
        # A body's depths differ by a few percent from the pelvis's, and a silhouette's slope is a difference of pixels.
        assert pulled == pytest.approx(slope, rel=within)
