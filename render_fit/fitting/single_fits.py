"""Fits of the images of a person alone, from which the joint fit begins."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from render_fit.core.skeletons import SMPL_24
from render_fit.fitting.context import FitContext
from render_fit.fitting.fit import Fitted, run_stages
from render_fit.fitting.quality import fit_status, quality
from render_fit.fitting.recipe import Stage
from render_fit.fitting.resolve import ResolvedRecipe
from render_fit.fitting.sequence import likeliest_sequence
from render_fit.fitting.stages import StageProgress, search_and_refinement
from render_fit.fitting.unfinished import UnfinishedFits

SIDE_BY_SIDE = 8
"""Images that are fitted side by side before the joint fit."""


def each_alone(
    contexts: Sequence[FitContext],
    resolved: ResolvedRecipe,
    seconds: Sequence[float] | None,
    seed: int,
    progress: StageProgress | None,
    unfinished: UnfinishedFits | None,
) -> list[Fitted]:
    """Fits of each image alone, without clothes.

    In a video the first stage that renders keeps all its hypotheses, and those of the likeliest sequence go on.

    Args:
        contexts: The images.
        resolved: The recipe and its objects.
        seconds: Time of each image, for a video.
        seed: Seed of the starting poses.
        progress: Called with (stage, iterations done, all iterations).
        unfinished: Where fits are kept, and taken from if they are there.
    """
    search, refinement = search_and_refinement(resolved.recipe, "none")

    def run(name: str, search: list[Stage], refinement: list[Stage], begun: Sequence[Fitted] = ()) -> list[Fitted]:
        fitted: list[Fitted] = []
        for rows in batches(len(contexts)):
            some, before = contexts[rows], begun[rows]
            fit = partial(run_stages, some, search, refinement, seed, progress, begun=before)
            fitted += fit() if unfinished is None else unfinished.batch(f"{name}_{rows.start:06d}", some, fit)
        return fitted

    if seconds is None or len(refinement) < 2:
        return run("alone", search, refinement)
    first = refinement[0].model_copy(update={"n_hypotheses": 0})
    begun = run("begun", search, [first])
    _keep_sequence(contexts, first, begun, seconds)
    return run("alone", [], refinement[1:], begun)


@torch.no_grad()
def _keep_sequence(
    contexts: Sequence[FitContext], stage: Stage, fitted: Sequence[Fitted], seconds: Sequence[float]
) -> None:
    """Keeps one hypothesis of each frame: those that are likeliest as a sequence."""
    losses, joints = [], []
    for context, one in zip(contexts, fitted, strict=True):
        losses.append(context.problem(stage.terms, stage.resolution, stage.edge).loss(one.found))
        joints.append(context.body.keypoints(one.found.parameters(context.body), SMPL_24))
    for one, index in zip(fitted, likeliest_sequence(losses, joints, seconds), strict=True):
        one.found = one.found[index : index + 1]


def batches(count: int) -> list[slice]:
    """Images that are fitted side by side."""
    return [slice(begin, min(begin + SIDE_BY_SIDE, count)) for begin in range(0, count, SIDE_BY_SIDE)]


def failed(contexts: Sequence[FitContext], alone: Sequence[Fitted]) -> dict[int, str]:
    """Images whose fit failed, and why."""
    found = {}
    for index, (context, one) in enumerate(zip(contexts, alone, strict=True)):
        with torch.no_grad():
            status, reason = fit_status(quality(context.final.state(one.best)))
        if status == "failed":
            found[index] = reason
    return found
