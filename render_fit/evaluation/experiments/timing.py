"""How long a photo takes, and where one iteration's time goes (timing)."""

from __future__ import annotations

import time
from statistics import median

import torch

from render_fit.datasets.images import data_folder, read_coco
from render_fit.evaluation.experiments.photos_with_masks import observed_photo
from render_fit.evaluation.experiments.runner import (
    ExperimentComponents,
    Row,
    Settings,
    fit_person,
    limited,
    number,
    tools,
)
from render_fit.evaluation.tables import ExperimentResult, Metrics, median_of, quantile_of
from render_fit.fitting.stages import FitContext, search_and_refinement
from render_fit.losses.fit_state import FitState
from render_fit.observations import Observation

REPEATS = 15
"""Iterations that each part's median is taken over."""


def timing(settings: Settings) -> ExperimentResult:
    """Seconds of a fit by phase on the coco photos, and the parts of one iteration; one process, all cores."""
    samples = limited(read_coco(data_folder(settings.data)), settings)
    kit = tools(settings)
    observations = {sample.name: observed_photo(sample, kit) for sample in samples}
    # The first fit compiles kernels and fills caches; it is not counted.
    fit_person(next(iter(observations.values())), kit, settings)
    people = []
    for sample in samples:
        began = time.process_time()
        fit = fit_person(observations[sample.name], kit, settings)
        values: Row = {"name": sample.name, **fit.report.seconds, "cpu": number(time.process_time() - began, 3)}
        refining = {stage.name for stage in kit.recipe.stages if stage.resolution}
        values["refinement"] = number(sum(v for k, v in fit.report.seconds.items() if k in refining), 3)
        values["largest resolution"] = max(stage.resolution for stage in kit.recipe.stages)
        people.append(Metrics(values))
    parts = _breakdown(observations[samples[0].name], kit, settings)
    summary: Row = {
        "photos": len(people),
        "median refinement, s (target 3)": median_of(people, "refinement", 2),
        "90th percentile of refinement, s": quantile_of(people, "refinement", 0.9, 2),
        "median of the whole fit, s": median_of(people, "total", 2),
        "median processor time of the whole fit, all threads, s": median_of(people, "cpu", 2),
        "torch threads": torch.get_num_threads(),
        **{f"one iteration, {name}": value for name, value in parts.items()},
    }
    columns = tuple(dict.fromkeys(name for person in people for name in person.values))
    return ExperimentResult("timing", people, summary, columns)


def _breakdown(observation: Observation, kit: ExperimentComponents, settings: Settings) -> Row:
    """Median processor milliseconds (all threads) of body, renderer, terms and backward pass.

    For the last stage, without clothing. Processor time, because other programs on the machine do not change it.
    """
    fit = fit_person(observation, kit, settings, clothing="none")
    stage = max(search_and_refinement(kit.recipe, "none")[1], key=lambda one: one.resolution)
    setting = FitContext(kit.recipe, kit.body, kit.renderer, fit.observation, fit.camera)
    problem = setting.problem(stage.terms, stage.resolution, stage.edge)
    pose, betas, transl = fit.parameters.pose, fit.parameters.betas, fit.parameters.transl

    def scene() -> FitState:
        leaves = [value.detach().clone().requires_grad_(True) for value in (pose, betas, transl)]
        parameters = type(fit.parameters).from_rotvec(*leaves)
        return FitState(
            problem.body, parameters, problem.targets, problem.renderer, problem.settings, pose_rotvec=leaves[0]
        )

    what = "parts" if any("part" in name for name in problem.objective.terms) else "silhouette"
    clock = time.process_time
    parts: dict[str, list[float]] = {"body": [], "render": [], "terms": [], "backward": []}
    for _ in range(REPEATS):
        state = scene()
        ticks = [clock()]
        _ = state.output, state.keypoints
        ticks.append(clock())
        state.render(what)
        ticks.append(clock())
        loss = problem.objective(state)
        ticks.append(clock())
        loss.sum().backward()
        ticks.append(clock())
        for name, start, stop in zip(parts, ticks[:-1], ticks[1:], strict=True):
            parts[name].append(1000 * (stop - start))
    rounded = {name: round(median(values), 2) for name, values in parts.items()}
    figures = {f"{name}, processor ms": value for name, value in rounded.items()}
    return {**figures, "total, processor ms": round(sum(rounded.values()), 2), "resolution": stage.resolution}
