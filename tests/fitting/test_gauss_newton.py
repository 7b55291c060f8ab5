"""The curvature of what is drawn, against differences of pictures and of losses; solvers that use it."""

from dataclasses import dataclass, replace

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.bodies.clothing import clothing_basis
from render_fit.fitting.curvature import Whitened
from render_fit.fitting.landscapes import compose
from render_fit.fitting.problem import Problem
from render_fit.fitting.solvers import LBFGS, LevenbergMarquardt
from render_fit.fitting.variables import SCALES, Variables
from render_fit.losses.registry import make_term
from render_fit.losses.term import Objective
from render_fit.renderers import CpuRenderer, RenderSettings
from render_fit.synthesis import everyday_pose, synthetic_scene

FREE = ("orient", "position", "betas")
OBSERVED = {"keypoints": 1.0, "silhouette_l2": 3200.0, "parts": 400.0, "pose_mixture": 1.0, "shape": 1.0}


@pytest.fixture(scope="module")
def scene():
    return synthetic_scene(open_body(), everyday_pose("striding"), seed=2, yaw_rad=0.6, jitter=0.005)


@pytest.fixture(scope="module")
def problem(scene) -> Problem:
    found = compose(scene.observation(), OBSERVED, size=96)
    return replace(found, settings=RenderSettings(sigma_px=1.5), clothing_basis=clothing_basis(open_body()))


@pytest.fixture(scope="module")
def truth(scene) -> Variables:
    state = Variables.from_parameters(open_body(), scene.parameters).recentred()
    return replace(state, offsets=None, clothing=torch.zeros(1, 48))


def along(problem: Problem, state: Variables, free, offsets):
    """The state's rows moved by (N, D) offsets in units of the scales, and their scene."""
    rows = torch.zeros(len(offsets), dtype=torch.long)
    moving = {name: value[rows] for name, value in state.free(free).items()}
    return problem.state(state[rows].with_values(Whitened(moving, SCALES, None).unpack(offsets)))


@dataclass(frozen=True)
class Brightness:
    """A term whose Gauss–Newton curvature is the sum of the squared changes of all pixels."""

    def __call__(self, scene):
        return scene.render("silhouette").sum(dim=(1, 2))

    def picture_curvature(self, scene, motion):
        return motion.silhouette.square()


def test_gauss_newton_is_the_pictures_jacobian_squared(problem, truth):
    """JᵀJ of pictures drawn a little before and behind; 5 %: differences see pixels change their nearest edge."""
    silhouettes = replace(problem, objective=Objective({"brightness": (1.0, Brightness())}))
    size = sum(value[0].numel() for value in truth.free(FREE).values())
    steps = 2e-3 * torch.eye(size)
    with torch.no_grad():
        ahead, back = (along(problem, truth, FREE, way * steps).render("silhouette").flatten(1) for way in (1, -1))
    jacobian = (ahead - back) / 4e-3
    found = silhouettes.curvature(truth, FREE)[0]
    expected = jacobian @ jacobian.mT
    assert (found - expected).norm() < 0.05 * expected.norm()
    assert torch.linalg.eigvalsh(found).min() > -1e-3 * found.norm()


@pytest.mark.parametrize(("term", "least"), [("silhouette_l2", 0.67), ("parts", 0.33)])
def test_curvature_at_the_truth_is_that_of_the_loss(problem, truth, term, least):
    """Second differences of the loss over about a pixel, along single variables, within a third on the whole.

    Borders between parts are narrower than a pixel at this size: of their curvature less is seen.
    """
    alone = replace(problem, objective=problem.objective.only(term))
    size = sum(value[0].numel() for value in truth.free(FREE).values())
    model = alone.curvature(truth, FREE)[0].diagonal()
    steps = 1.5 / model.sqrt().clamp(min=1.5)
    with torch.no_grad():
        middle = alone.loss(truth)
        ahead, back = (alone.objective(along(alone, truth, FREE, torch.diag(way * steps))) for way in (1, -1))
    measured = (ahead + back - 2 * middle) / steps.square()
    assert model.shape == (size,)
    ratio = model.sum() / measured.sum()
    assert least < ratio < 3 / 2, (model, measured)


def test_clothing_curvature_is_that_of_its_prior(problem, truth):
    """The prior is quadratic where no vertex changes sides: second differences are exact."""
    priors = compose_clothing(problem)
    dressed = replace(truth, clothing=0.5 * torch.randn(1, 48))
    found = priors.curvature(dressed, ("clothing",))[0]
    direction = torch.randn(48)
    with torch.no_grad():
        offsets = 1e-2 * torch.stack([direction, torch.zeros(48), -direction])
        ahead, middle, back = priors.objective(along(priors, dressed, ("clothing",), offsets)).double()
    measured = (ahead + back - 2 * middle) / 1e-4
    torch.testing.assert_close((direction @ found @ direction).double(), measured, rtol=0.1, atol=0.0)


def compose_clothing(problem: Problem) -> Problem:
    return replace(problem, objective=Objective({"clothing": (1.0, make_term("clothing", {"inward": 40.0}))}))


def test_curvature_of_a_batch_is_that_of_each(problem, truth):
    two = truth.joined(truth.with_values({"betas": truth.betas + 0.5}))
    together = problem.curvature(two, FREE)
    for i in range(2):
        torch.testing.assert_close(together[i], problem.curvature(two[i : i + 1], FREE)[0], rtol=1e-2, atol=0.5)


def test_a_state_that_is_not_finite_has_no_curvature_and_the_other_its_own(problem, truth):
    broken = truth.joined(truth).with_values({"betas": torch.stack([torch.full((10,), torch.nan), truth.betas[0]])})
    found = problem.curvature(broken, FREE)
    assert not found[0].any()
    torch.testing.assert_close(found[1], problem.curvature(truth, FREE)[0], rtol=1e-2, atol=0.5)


def start_of(truth: Variables) -> Variables:
    generator = torch.Generator().manual_seed(3)
    pose = truth.pose + 0.03 * torch.randn(truth.pose.shape, generator=generator)
    return truth.with_values({"pose": pose, "betas": torch.zeros_like(truth.betas)})


def test_levenberg_marquardt_gets_as_low_as_lbfgs(problem, truth):
    """In 15 evaluations lower than L-BFGS in 15 that knows keypoints' and priors' curvature only.

    In the mean over six starts: from single ones, rounding decides which valley a solver takes.
    """
    free = ("orient", "position", "pose", "betas")
    unseen = replace(problem, renderer=Unmoved())
    starts = start_of(truth)[torch.zeros(6, dtype=torch.long)]
    generator = torch.Generator().manual_seed(0)
    position = torch.tensor([0.01, 0.01, 0.03]) * torch.randn(starts.position.shape, generator=generator)
    pose = 0.15 * torch.randn(starts.pose.shape, generator=generator)
    starts = starts.with_values({"pose": starts.pose + pose, "position": starts.position + position})
    _, found = problem.minimise(starts, free, LevenbergMarquardt(), 15)
    _, other = unseen.minimise(starts, free, LBFGS(), 15)
    assert found.loss.mean() < other.loss.mean() < 0.5 * problem.loss(starts).mean()


class Unmoved(CpuRenderer):
    """A renderer that does not say how its pictures move."""

    def __call__(self, *args, **kwargs):
        return replace(super().__call__(*args, **kwargs), motion=None)


def test_the_pictures_curvature_saves_evaluations(problem, truth):
    free = ("orient", "position", "pose", "betas")
    seen = replace(problem, objective=problem.objective.only("keypoints", "silhouette_l2", "pose_mixture", "shape"))
    _, found = seen.minimise(start_of(truth), free, LBFGS(), 12)
    _, other = replace(seen, renderer=Unmoved()).minimise(start_of(truth), free, LBFGS(), 12)
    assert found.loss < other.loss


def test_free_offsets_are_too_many_for_a_matrix(problem, truth):
    loose = replace(truth, offsets=torch.zeros(1, open_body().n_vertices, 3))
    with pytest.raises(ValueError, match="it moves only orient"):
        problem.minimise(loose, ["offsets"], LevenbergMarquardt(), 3)
