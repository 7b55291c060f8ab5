"""Duration of fits, and processor time of the parts of one iteration."""

from __future__ import annotations

import time
from statistics import median

import torch

from render_fit.datasets.images import data_folder, read_coco
from render_fit.evaluation.experiments.photos_with_masks import observed_photo
from render_fit.evaluation.experiments.runner import Row, fit_person, load_components, number
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import ExperimentResult, Metrics, median_of, quantile_of
from render_fit.fitting.context import FitContext
from render_fit.fitting.stages import search_and_refinement
from render_fit.losses.fit_state import FitState
from render_fit.observations import Observation

REPEATS = 15
"""Number of iterations of which each part's median is taken."""


def timing(config: ExperimentConfig) -> ExperimentResult:
    """COCO photos, in one process on all cores: seconds of a fit by phase, and of one iteration by part."""
    samples = config.limited(read_coco(data_folder(config.data)))
    components = load_components(config)
    observations = {sample.name: observed_photo(sample, config) for sample in samples}
    # The first fit compiles kernels and fills caches; it is not counted.
    fit_person(next(iter(observations.values())), config)
    people = []
    for sample in samples:
        began = time.process_time()
        fit = fit_person(observations[sample.name], config)
        values: Row = {"name": sample.name, **fit.report.seconds, "cpu": number(time.process_time() - began, 3)}
        refining = {stage.name for stage in components.recipe.stages if stage.resolution}
        values["refinement"] = number(sum(v for k, v in fit.report.seconds.items() if k in refining), 3)
        values["largest resolution"] = max(stage.resolution for stage in components.recipe.stages)
        people.append(Metrics(values))
    parts = _breakdown(observations[samples[0].name], config)
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


def _breakdown(observation: Observation, config: ExperimentConfig) -> Row:
    """Median processor milliseconds (all threads) of body, renderer, terms and backward pass.

    Measured in the last stage, without clothing. Other programs on the machine do not change processor time.
    """
    components, fit = load_components(config), fit_person(observation, config, clothing="none")
    stage = max(search_and_refinement(components.recipe, "none")[1], key=lambda one: one.resolution)
    context = FitContext(components.recipe, components.body, components.renderer, fit.observation, fit.camera)
    problem = context.problem(stage.terms, stage.resolution, stage.edge)
    pose, betas, transl = fit.parameters.pose, fit.parameters.betas, fit.parameters.transl

    def new_state() -> FitState:
        leaves = [value.detach().clone().requires_grad_(True) for value in (pose, betas, transl)]
        parameters = type(fit.parameters).from_rotvec(*leaves)
        return FitState(
            problem.body, parameters, problem.targets, problem.renderer, problem.settings, pose_rotvec=leaves[0]
        )

    output = "parts" if any("part" in name for name in problem.objective.terms) else "silhouette"
    clock = time.process_time
    parts: dict[str, list[float]] = {"body": [], "render": [], "terms": [], "backward": []}
    for _ in range(REPEATS):
        state = new_state()
        ticks = [clock()]
        _ = state.output, state.keypoints
        ticks.append(clock())
        state.render(output)
        ticks.append(clock())
        loss = problem.objective(state)
        ticks.append(clock())
        loss.sum().backward()
        ticks.append(clock())
        for name, start, stop in zip(parts, ticks[:-1], ticks[1:], strict=True):
            parts[name].append(1000 * (stop - start))
    rounded = {name: round(median(values), 2) for name, values in parts.items()}
    milliseconds = {f"{name}, processor ms": value for name, value in rounded.items()}
    return {**milliseconds, "total, processor ms": round(sum(rounded.values()), 2), "resolution": stage.resolution}
