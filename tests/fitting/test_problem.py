"""Problems, stages and flips proposals: what moves, what is kept, what is left out."""

from dataclasses import replace

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.bodies.clothing import clothing_basis
from render_fit.fitting.context import FitContext
from render_fit.fitting.landscapes import compose
from render_fit.fitting.problem import Problem
from render_fit.fitting.recipe import Edge, Recipe, Stage, TermSetting, load_recipe
from render_fit.fitting.solvers import LBFGS, Status
from render_fit.fitting.stages import (
    chosen,
    keypoint_continuation,
    propose_flips,
    run_stage,
    search_and_refinement,
)
from render_fit.fitting.variables import Variables
from render_fit.losses.fit_state import FitState
from render_fit.losses.term import Objective
from render_fit.renderers import CpuRenderer
from render_fit.synthesis import everyday_pose, synthetic_scene

PRIORS = {"pose_mixture": 1.0, "shape": 2.0}


@pytest.fixture(scope="module")
def scene():
    return synthetic_scene(open_body(), everyday_pose("striding"), seed=2, yaw_rad=0.6, jitter=0.005)


@pytest.fixture(scope="module")
def problem(scene) -> Problem:
    return compose(scene.observation(), {"keypoints": 1.0, **PRIORS}, size=64)


@pytest.fixture
def start(scene) -> Variables:
    """Two states near the truth."""
    near = Variables.from_parameters(open_body(), scene.parameters)[torch.zeros(2, dtype=torch.long)]
    return near.with_values({"pose": near.pose + 0.15 * torch.randn(2, 23, 3)})


def setting_of(scene, recipe: Recipe | None = None, **withheld) -> FitContext:
    recipe = recipe if recipe is not None else load_recipe("hybrid")
    return FitContext(recipe, open_body(), CpuRenderer(), scene.observation(**withheld), scene.camera)


def test_only_free_variables_move(problem, start):
    found, _ = problem.minimise(start, ["position", "orient"], LBFGS(), 8)
    assert torch.equal(found.pose, start.pose) and torch.equal(found.betas, start.betas)
    assert not torch.equal(found.position, start.position)


def test_a_skeletal_term_that_renders_is_named_before_memory_runs_out(problem, start):
    class Rendering:
        skeletal = True

        def __call__(self, state: FitState) -> torch.Tensor:
            return state.render("silhouette").mean(dim=(1, 2))

    wrong = replace(problem, objective=Objective({"rendering": (1.0, Rendering())}))
    with pytest.raises(ValueError, match="a `skeletal` term must not render"):
        wrong.minimise(start, ["pose"], LBFGS(), 2)


@pytest.mark.parametrize("whiten", [0.0, 10.0])
def test_loss_falls_to_what_is_reported(problem, start, whiten):
    found, solution = problem.minimise(start, ["orient", "position", "pose"], LBFGS(), 25, whiten=whiten)
    assert (solution.loss < 0.7 * problem.loss(start)).all()
    torch.testing.assert_close(problem.loss(found), solution.loss, rtol=1e-3, atol=1e-3)


def test_whitening_saves_evaluations(problem, scene):
    """What it is for: after the same number of evaluations the loss is lower, from nearly every start.

    Measured when the test was written: lower from 22 of 24 starts, 43 in place of 56 nats on average.
    """
    near = Variables.from_parameters(open_body(), scene.parameters)[torch.zeros(24, dtype=torch.long)]
    starts = near.with_values({"pose": near.pose + 0.15 * torch.randn(24, 23, 3)})
    plain, whitened = (
        problem.minimise(starts, ["orient", "position", "pose"], LBFGS(), 12, whiten=w)[1].loss for w in (0.0, 10.0)
    )
    assert (whitened < plain).float().mean() > 0.75 and whitened.mean() < 0.9 * plain.mean()


@pytest.mark.parametrize("stage_name", ["search", "coarse", "fine", "clothing"])
def test_joined_problems_are_those_of_each_person(scene, start, stage_name):
    """Value, gradient and curvature of all terms of the default recipe, also from label maps."""
    other = synthetic_scene(open_body(), everyday_pose("walking"), seed=5, yaw_rad=-0.4, jitter=0.005)
    recipe = load_recipe("hybrid")
    chosen_stage = next(stage for stage in recipe.stages if stage.name == stage_name)
    basis = clothing_basis(open_body())
    clothing = 0.3 * torch.randn(2, basis.directions.shape[-1])
    body = open_body()
    settings = [replace(setting_of(one), body=body, clothing_basis=basis) for one in (scene, other)]
    alone = [one.problem(chosen_stage.terms, chosen_stage.resolution, chosen_stage.edge) for one in settings]
    assert alone[0].layout == alone[1].layout
    near = Variables.from_parameters(open_body(), other.parameters)
    people = [start.with_values({"clothing": clothing}), near.with_values({"clothing": clothing[:1]})]
    joined = Problem.joined(alone, [len(variables) for variables in people])
    together = people[0].joined(people[1])

    def of(problem, variables):
        pose = variables.pose.clone().requires_grad_(True)
        loss = problem.loss(variables.with_values({"pose": pose}))
        (gradient,) = torch.autograd.grad(loss.sum(), pose)
        return loss.detach(), gradient, problem.curvature(variables, chosen_stage.free)

    for all_of_them, *each in zip(of(joined, together), *map(of, alone, people), strict=True):
        torch.testing.assert_close(all_of_them, torch.cat(each), rtol=2e-3, atol=2e-3 * float(all_of_them.abs().max()))


def test_hypotheses_do_not_couple(problem, start):
    together, _ = problem.minimise(start, ["pose"], LBFGS(), 6)
    alone, _ = problem.minimise(start[1:], ["pose"], LBFGS(), 6)
    torch.testing.assert_close(together.pose[1:], alone.pose, atol=2e-3, rtol=0)


def test_breakdown_adds_up(problem, start):
    parts = problem.breakdown(start)
    assert set(parts) == {"keypoints", *PRIORS}
    torch.testing.assert_close(torch.stack(list(parts.values())).sum(dim=0), problem.loss(start))


def test_a_state_that_is_not_finite_is_reported_and_the_other_solved(problem, start):
    broken = start.with_values({"position": torch.stack([torch.full((3,), torch.nan), start.position[1]])})
    found, solution = problem.minimise(broken, ["orient", "position", "pose"], LBFGS(), 8)
    assert solution.status[0] is Status.NOT_FINITE
    assert solution.loss[0] == torch.inf and solution.loss[1].isfinite()
    assert found[1:].pose.isfinite().all()


def stage(**changes) -> Stage:
    basic = {
        "name": "test",
        "free": ("orient", "position", "pose"),
        "terms": {"keypoints": TermSetting(weight=1.0), "pose_mixture": TermSetting(weight=1.0)},
        "solver": {"iterations": 4},
    }
    return Stage.model_validate(basic | changes)


def test_stage_returns_the_best_first_and_keeps_as_many_as_it_says(scene, start):
    setting = setting_of(scene)
    found, record = run_stage(setting, stage(), start)
    losses = setting.problem(stage().terms, 0, Edge()).loss(found)
    assert len(found) == 2 and losses[0] <= losses[1]
    kept, record = run_stage(setting, stage(n_hypotheses=1), start)
    assert len(kept) == 1 and record.hypotheses == 2 and record.name == "test"
    assert 0 < record.evaluations <= 4


def test_what_is_kept_is_not_the_same_twice(scene, start):
    """Two copies and one other pose: the other one takes the copy's place."""
    twice = start[torch.tensor([0, 0, 1])]
    setting = setting_of(scene)
    assert chosen(setting, stage(n_hypotheses=2), twice).tolist() == [0, 1]
    assert chosen(setting, stage(n_hypotheses=2, min_distance_m=0.01), twice).tolist() == [0, 2]
    assert chosen(setting, stage(n_hypotheses=2, min_distance_m=10.0), twice).tolist() == [0]


def test_a_judge_looks_at_pictures(scene):
    """The true pose wins over one with raised shoulders; without anything to compare with, the order stays."""
    true = Variables.from_parameters(open_body(), scene.parameters)[torch.zeros(2, dtype=torch.long)]
    pose = true.pose.clone()
    pose[0, [15, 16], 2] += 0.8
    hypotheses = true.with_values({"pose": pose})
    judged = stage(n_hypotheses=2, rank_by="coarse")
    assert chosen(setting_of(scene), stage(n_hypotheses=2), hypotheses).tolist() == [0, 1]
    assert chosen(setting_of(scene), judged, hypotheses).tolist() == [1, 0]
    blind = setting_of(scene, mask=False, parts=False, keypoints=False)
    assert chosen(blind, judged, hypotheses).tolist() == [0, 1]


def test_keypoints_alone_begin_where_no_picture_judged(scene, start):
    setting = setting_of(scene)
    _, record = run_stage(setting, stage(n_hypotheses=1, rank_by="coarse"), start)
    losses = setting.problem(stage().terms, 0, Edge()).loss(run_stage(setting, stage(), start)[0])
    own = setting.problem(stage().terms, 0, Edge()).loss(record.best)
    torch.testing.assert_close(own, losses[:1])


def test_flips_are_added_before_solving(scene, start):
    _, record = run_stage(setting_of(scene), stage(flips=5), start)
    assert record.hypotheses == 2 + 5


def test_proposed_flips_are_the_best_of_all_and_new(scene, problem, start):
    proposals = propose_flips(problem, start[:1], 7)
    assert len(proposals) == 7
    assert ((proposals.pose - start.pose[:1]).abs().amax(dim=(1, 2)) > 0.05).all()
    losses = problem.loss(proposals)
    assert (losses[1:] >= losses[:-1] - 1e-4).all()


def test_terms_without_observation_are_left_out(scene):
    recipe = load_recipe("hybrid")
    final = setting_of(scene, recipe, parts=False, mask=False).final
    assert "parts" not in final.objective.terms and "silhouette_l2" not in final.objective.terms
    assert {"keypoints", "shape"} <= set(final.objective.terms)
    rendering = next(stage for stage in recipe.stages if stage.resolution)
    assert setting_of(scene).can_run(rendering)
    assert not setting_of(scene, keypoints=False).can_run(recipe.stages[0])


def test_known_height_joins_every_stage(scene):
    setting = replace(setting_of(scene), height_m=1.8)
    assert "height" in setting.problem(stage().terms, 0, Edge()).objective.terms
    assert "height" in setting.final.objective.terms


def test_unwanted_clothing_has_no_stage():
    recipe = load_recipe("hybrid")
    variables = {
        worn: {name for part in search_and_refinement(recipe, worn) for stage in part for name in stage.free}
        for worn in ("none", "smooth", "free")
    }
    skeletal = {"orient", "position", "pose", "betas"}
    assert variables == {
        "none": skeletal,
        "smooth": skeletal | {"clothing"},
        "free": skeletal | {"clothing", "offsets"},
    }


def test_keypoints_alone_get_as_many_iterations_as_the_refinement():
    search, refinement = search_and_refinement(load_recipe("hybrid"), "none")
    alone = keypoint_continuation(search, refinement)
    assert alone is not None and not alone.resolution and alone.flips == 0
    assert alone.solver.iterations == sum(stage.solver.iterations for stage in refinement)
    assert keypoint_continuation([], refinement) is None
    assert keypoint_continuation(*search_and_refinement(load_recipe("smplify"), "none")) is None
