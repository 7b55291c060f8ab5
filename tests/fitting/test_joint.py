"""The joint problem of several images: its curvature, its change of variables, its gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from typing import Any

import pytest
import torch
from torch import Tensor

from render_fit.bodies import open_body
from render_fit.core.cameras import camera_from_focal
from render_fit.core.skeletons import COCO_17
from render_fit.fitting import joint
from render_fit.fitting.joint import JointProblem, with_shared
from render_fit.fitting.joint_curvature import ArrowCurvature
from render_fit.fitting.problem import Problem
from render_fit.fitting.solvers import make_solver
from render_fit.fitting.solvers.solution import FlatProblem, Solution
from render_fit.fitting.variables import Variables
from render_fit.losses.keypoints import KeypointReprojection
from render_fit.losses.parameters import ShapePrior
from render_fit.losses.targets import targets_from
from render_fit.losses.term import Objective
from render_fit.observations import Observation

IMAGES, OWN, SHARED = 3, 5, 4


def arrow() -> tuple[ArrowCurvature, Tensor]:
    """Blocks, and the whole matrix: the images' variables one after the other, then the shared ones."""
    generator = torch.Generator().manual_seed(0)
    roots = torch.randn(IMAGES, OWN + SHARED, 2 * (OWN + SHARED), generator=generator, dtype=torch.float64)
    curvature = roots @ roots.mT
    whole = torch.zeros(IMAGES * OWN + SHARED, IMAGES * OWN + SHARED, dtype=torch.float64)
    for i, block in enumerate(curvature):
        rows = [*range(i * OWN, (i + 1) * OWN), *range(IMAGES * OWN, IMAGES * OWN + SHARED)]
        whole[torch.tensor(rows)[:, None], torch.tensor(rows)] += block
    return ArrowCurvature.of(curvature, OWN), whole


def test_the_reduced_curvature_is_what_remains_for_the_shared_variables():
    blocks, whole = arrow()
    # the inverse of the Schur complement is the block of the whole inverse
    expected = torch.linalg.inv(whole)[-SHARED:, -SHARED:]
    torch.testing.assert_close(torch.linalg.inv(blocks.reduced(0.0).sum(dim=0)), expected)


def test_whitening_makes_the_whole_curvature_the_identity():
    blocks, whole = arrow()
    whitening = blocks.whitened(1e-12)
    columns = []
    for unit in torch.eye(IMAGES * OWN + SHARED, dtype=torch.float64):
        own, shared = whitening.unpack(unit[:-SHARED].reshape(IMAGES, OWN), unit[-SHARED:], slice(None))
        columns.append(torch.cat([own.flatten(), shared]))
    change = torch.stack(columns, dim=1)
    torch.testing.assert_close(change.T @ whole @ change, torch.eye(len(whole), dtype=torch.float64), atol=1e-8, rtol=0)


def test_negative_curvature_counts_by_its_size():
    blocks, _ = arrow()
    blocks = replace(blocks, own=-blocks.own)
    assert bool((torch.linalg.eigvalsh(blocks.reduced(1.0)) >= -1e-9).all())


@pytest.fixture(scope="module")
def several() -> tuple[list[Problem], Variables, Variables]:
    """Keypoints of one body in ten poses: problems, a start, and the truth."""
    body, camera, generator = open_body(), camera_from_focal(400.0, 300, 240), torch.Generator().manual_seed(1)
    betas, problems, truth = torch.linspace(-1, 1, 10)[None], [], []
    for _ in range(10):
        own = Variables(
            orient_start=torch.diag(torch.tensor([1.0, -1.0, -1.0]))[None],
            orient=0.2 * torch.randn(1, 3, generator=generator),
            pose=0.1 * torch.randn(1, 23, 3, generator=generator),
            betas=betas,
            position=torch.tensor([[0.0, 0.0, 1.2]]),
        )
        points = camera.project(body.keypoints(own.parameters(body), COCO_17))[0]
        seen = Observation.of(
            torch.zeros(3, 300, 240), keypoints_px=points, confidence=torch.ones(17), skeleton=COCO_17, camera=camera
        )
        objective = Objective({"keypoints": (1.0, KeypointReprojection(scale=0.1)), "shape": (0.5, ShapePrior())})
        problems.append(Problem(body, targets_from(seen, camera, 256, 0.1), objective))
        truth.append(own)
    true = reduce(Variables.joined, truth)
    start = replace(true, betas=torch.zeros_like(true.betas), pose=0.5 * true.pose)
    return problems, start, true


class Recorder:
    """A solver that evaluates the start once."""

    needs_curvature = False

    def __call__(self, function: Any, start: Mapping[str, Tensor], *_: Any) -> Solution:
        self.problem = FlatProblem(function, start, {})
        self.x = self.problem.start
        self.loss, self.gradient = self.problem.evaluate(self.x)
        return self.problem.solution(
            self.x, self.loss, torch.ones(1, dtype=torch.bool), torch.zeros(1, dtype=torch.bool)
        )


FREE = ("orient", "position", "pose", "betas")


@pytest.mark.parametrize("chunk", [1, 4, 16])
def test_value_and_gradient_do_not_depend_on_how_many_images_are_evaluated_at_once(several, chunk, monkeypatch):
    problems, start, _ = several
    monkeypatch.setattr(joint, "CHUNK", chunk)
    recorder = Recorder()
    JointProblem.of(problems).minimise(start, FREE, recorder, 1)
    expected = sum(float(p.objective.shared(10)(p.state(start[i : i + 1]))) for i, p in enumerate(problems))
    assert float(recorder.loss) == pytest.approx(expected, rel=1e-5)
    step = 1e-2 * torch.nn.functional.normalize(recorder.gradient)
    ahead, behind = (recorder.problem.evaluate(recorder.x + sign * step)[0] for sign in (1, -1))
    assert float((ahead - behind) / 2) == pytest.approx(float((recorder.gradient * step).sum()), rel=2e-2)


def test_the_shape_that_all_images_share_is_found(several):
    problems, start, true = several
    found, _ = JointProblem.of(problems).minimise(start, FREE, make_solver("lbfgs", {}), 60, 1e-6)
    assert torch.equal(found.betas, found.betas[:1].expand_as(found.betas))
    shapes = problems[0].body.rest_joints
    error = (shapes(found.betas[:1]) - shapes(true.betas[:1])).norm(dim=-1).mean()
    before = (shapes(start.betas[:1]) - shapes(true.betas[:1])).norm(dim=-1).mean()
    assert float(error) < 0.4 * float(before)
    assert float(JointProblem.of(problems).losses(found).sum()) < 0.2 * float(
        JointProblem.of(problems).losses(start).sum()
    )


def test_a_coupling_pulls_the_images_together(several):
    problems, start, _ = several

    def spread(variables: Variables) -> Tensor:
        return 1e4 * (variables.pose - variables.pose.mean(dim=0)).square().sum()

    solver = make_solver("lbfgs", {})
    apart, _ = JointProblem.of(problems).minimise(start, FREE, solver, 30)
    held, _ = JointProblem.of(problems, spread).minimise(start, FREE, solver, 30)
    assert float(held.pose.var(dim=0).sum()) < 0.05 * float(apart.pose.var(dim=0).sum())


def test_what_couples_the_images_is_met_before_the_images_are_evaluated_often(several):
    problems, start, _ = several
    start, _ = JointProblem.of(problems).minimise(start, FREE, make_solver("lbfgs", {}), 60, 1e-6)

    def spread(variables: Variables) -> Tensor:
        return 1e4 * (variables.pose - variables.pose.mean(dim=0)).square().sum()

    joined = JointProblem.of(problems, spread)
    found, _ = joined.minimise(start, FREE, make_solver("lbfgs", {}), 2)
    assert float(found.pose.var(dim=0).sum()) < 0.05 * float(start.pose.var(dim=0).sum())
    # and the images' own objectives are not forgotten for it
    total, before = (float(joined.losses(one).sum() + spread(one)) for one in (found, start))
    assert total < 0.2 * before


def test_a_coupling_that_says_nothing_changes_nothing(several):
    problems, start, _ = several
    solver = make_solver("lbfgs", {})
    alone, _ = JointProblem.of(problems).minimise(start, FREE, solver, 3)
    found, _ = JointProblem.of(problems, lambda _: torch.zeros(())).minimise(start, FREE, solver, 3)
    torch.testing.assert_close(found.pose, alone.pose)


def test_images_that_were_observed_in_different_ways_are_joined(several):
    problems, start, _ = several
    masked = [
        replace(problem, targets=replace(problem.targets, mask=torch.ones(1, 256, 256))) if i in (0, 4, 5) else problem
        for i, problem in enumerate(problems)
    ]
    losses, expected = (JointProblem.of(given).losses(start) for given in (masked, problems))
    torch.testing.assert_close(losses, expected)


def test_terms_of_the_shape_count_once(several):
    problems, start, _ = several
    moved = with_shared(start, replace(start, betas=start.betas + 1))
    prior = [replace(problem, objective=Objective({"shape": (0.5, ShapePrior())})) for problem in problems]
    assert float(JointProblem.of(prior).losses(moved).sum()) == pytest.approx(0.5 * 0.5 * 10)
