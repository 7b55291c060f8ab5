"""Comparison of solvers: loss over time in the default recipe's rendering stages, from the same initial states.

    python -m benchmarks.solvers [--people 3] [--data FOLDER] [--solvers adam ...]

People are synthetic, with mask, keypoints and part labels; with ``--data``, the folder of the research photos, they are
COCO's, with mask and keypoints. Seconds are processor time in one thread, so that other load on the machine has little
effect. Every stage starts from the reference solver's result of the previous one. The gap is the loss above the lowest
of any solver; *reaches* is the time to within half a nat of the reference's final loss, with the number that never did.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from render_fit.bodies import open_body
from render_fit.bodies.clothing import clothing_basis
from render_fit.core.cameras import camera_from_focal, default_focal_px
from render_fit.datasets.images import read_coco
from render_fit.fitting.context import FitContext
from render_fit.fitting.initialisation import default_hypotheses
from render_fit.fitting.problem import Problem
from render_fit.fitting.recipe import Stage, load_recipe
from render_fit.fitting.solvers import LBFGS, Adam, LevenbergMarquardt, Solver
from render_fit.fitting.stages import run_stage
from render_fit.fitting.variables import Variables
from render_fit.losses.term import Objective
from render_fit.observations import observe
from render_fit.observations.observation import Observation
from render_fit.renderers import CpuRenderer
from render_fit.synthesis import everyday_pose, synthetic_scene

POSES = ("standing", "striding", "t_pose")
EVALUATIONS = {"coarse": 20, "fine": 60}
SECONDS = (0.15, 0.3, 0.6, 1.2)
NEAR_NATS = 0.5
REFERENCE = "lbfgs, keypoints and priors"


class Unpictured(Objective):
    """The same objective without the curvature of silhouettes, parts and clothing."""

    def pictured(self) -> Objective:
        return Objective({})

    def picture_curvature(self, scene, motion):
        return torch.zeros_like(motion.silhouette)

    def clothing_curvature(self, scene, directions):
        return directions.new_zeros(len(scene.parameters), directions.shape[-1], directions.shape[-1])


SOLVERS: dict[str, tuple[Solver, float]] = {
    REFERENCE: (LBFGS(), 10.0),
    "adam": (Adam(), 0.0),
    "lbfgs": (LBFGS(), 10.0),
    "lbfgs, whiten 5": (LBFGS(), 5.0),
    "lm": (LevenbergMarquardt(), 0.0),
    "lm, new matrix every step": (LevenbergMarquardt(refresh=1, memory=0), 0.0),
}
"""Solver and ``whiten``, by name."""


@dataclass(frozen=True)
class Course:
    """Processor seconds and lowest loss so far, at each evaluation."""

    seconds: list[float]
    losses: list[float]

    def at(self, seconds: float) -> float:
        """Loss after ``seconds``; the first loss if there was no evaluation yet."""
        done = [loss for loss, when in zip(self.losses, self.seconds, strict=True) if when <= seconds]
        return done[-1] if done else self.losses[0]

    def reaches(self, loss: float) -> float:
        """Time at which the loss is reached, seconds; inf if never."""
        return next((s for s, one in zip(self.seconds, self.losses, strict=True) if one <= loss), float("inf"))


def solve(problem: Problem, start: Variables, stage: Stage, name: str) -> tuple[Variables, Course]:
    """Minimise one stage with one solver."""
    solver, whiten = SOLVERS[name]
    if name == REFERENCE:
        terms = {key: (w.weight, w.term) for key, w in problem.objective.terms.items()}
        problem = replace(problem, objective=Unpictured(terms))
    began, seconds = time.process_time(), []
    found, solution = problem.minimise(
        start, stage.free, solver, EVALUATIONS[stage.name], 1e-6, whiten,
        lambda done, total: seconds.append(time.process_time() - began),
    )  # fmt: skip
    return found, Course(seconds, solution.history[:, 0].cummin(dim=0).values.tolist()[: len(seconds)])


def observed(arguments: argparse.Namespace) -> Iterator[tuple[str, Observation]]:
    """Names and observations of the people to fit."""
    if arguments.data is None:
        for seed in range(arguments.people):
            pose = everyday_pose(POSES[seed % len(POSES)])
            yield f"synthetic {seed}", synthetic_scene(open_body(), pose, seed, yaw_rad=seed - 0.5).observation()
        return
    for sample in read_coco(arguments.data)[: arguments.people]:
        mask, keypoints = sample.mask_path, sample.keypoints_path
        (observation,) = observe(sample.image_path, mask=mask, keypoints=keypoints, observer=None)
        yield sample.name, observation


def main() -> None:
    """Run the comparison and print one table per stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, default=list(SOLVERS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    body, recipe = open_body(), load_recipe("hybrid")
    basis = clothing_basis(body)
    names = [REFERENCE, *(name for name in arguments.solvers if name != REFERENCE)]
    courses: dict[str, dict[str, list[Course]]] = {stage: {name: [] for name in names} for stage in EVALUATIONS}
    for person, observation in observed(arguments):
        height, width = observation.image_size
        camera = camera_from_focal(default_focal_px(height, width), height, width)
        setting = FitContext(recipe, body, CpuRenderer(), observation, observation.camera or camera, basis)
        state = default_hypotheses(
            body,
            setting.targets(0),
            10,
            recipe.initialisation.yaws_deg,
            recipe.initialisation.poses,
            basis.directions.shape[-1],
        )
        for stage in recipe.stages[:3]:
            state, _ = run_stage(setting, stage, state)
        state = state[:1]
        for stage in recipe.stages:
            if stage.name in EVALUATIONS:
                problem = setting.problem(stage.terms, stage.resolution, stage.edge)
                ends = {name: solve(problem, state, stage, name) for name in names}
                for name, (_, course) in ends.items():
                    courses[stage.name][name].append(course)
                state = ends[REFERENCE][0]
        print(f"{person} done", flush=True)
    for stage, by_solver in courses.items():
        print(f"\n{stage}, {EVALUATIONS[stage]} evaluations at most: mean gap in nats")
        print("| solver | " + " | ".join(f"{s:g} s" for s in SECONDS) + " | end | ms / evaluation | reaches, s |")
        print("|---" * (len(SECONDS) + 4) + "|")
        best = [min(own[i].losses[-1] for own in by_solver.values()) for i in range(len(by_solver[REFERENCE]))]
        for name, own in by_solver.items():
            gaps = [statistics.mean(c.at(s) - low for c, low in zip(own, best, strict=True)) for s in SECONDS]
            end = statistics.mean(c.losses[-1] - low for c, low in zip(own, best, strict=True))
            pace = 1000 * statistics.mean(c.seconds[-1] / len(c.seconds) for c in own)
            goals = [c.losses[-1] + NEAR_NATS for c in by_solver[REFERENCE]]
            reached = [c.reaches(goal) for c, goal in zip(own, goals, strict=True)]
            never = sum(r == float("inf") for r in reached)
            when = f"{statistics.median(reached):.2f}" + (f" ({never} never)" if never else "")
            print(f"| {name} | " + " | ".join(f"{g:.1f}" for g in gaps) + f" | {end:.2f} | {pace:.0f} | {when} |")


if __name__ == "__main__":
    main()
