"""The shape that several images of a person share: what each of them tells about it, their mean, its covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.fitting.context import FitContext
from render_fit.fitting.joint import JointProblem, with_shared
from render_fit.fitting.joint_curvature import ArrowCurvature
from render_fit.fitting.recipe import Stage
from render_fit.fitting.variables import SCALES, Variables

FLOOR = 1.0
"""Curvature of the variables of an image, nats per squared scale, that is added where what an image tells about the
shape is measured: for directions of which it tells nothing."""

OVERCONFIDENCE = (1.2, 4.0)
"""The errors' variance over that which the terms assume: of one image by itself, and common to all images of a person.
Chosen on 35 clothed synthetic people, one and four images each, for the errors of bust, waist and hip."""

UNUSUAL = 40.0
"""Squared distance of the shape that an image asks for from that of all, above which the image has little weight in
the mean, and its report has a note. One in sixteen images of the right person is above it."""


def joint_problem(contexts: Sequence[FitContext], stage: Stage) -> JointProblem:
    """The problem of a stage for all images at once."""
    return JointProblem.of([context.problem(stage.terms, stage.resolution, stage.edge) for context in contexts])


def told_by(
    contexts: Sequence[FitContext], stage: Stage, variables: Variables | Sequence[Variables]
) -> tuple[Float[Tensor, "n s s"], Float[Tensor, "n d s"]]:
    """What each image tells about the shape, and how its variables follow the shape.

    Args:
        contexts: Images.
        stage: Stage that moves pose and shape.
        variables: State of each image.

    Returns:
        (N, S, S) information, nats per squared standard deviation; (N, D, S) change of the image's variables, in units
        of their scales, for a change of the shape.
    """
    if not isinstance(variables, Variables):
        variables = reduce(Variables.joined, variables)
    arrow = joint_problem(contexts, stage).curvature(variables, stage.free)
    return arrow.reduced(FLOOR), arrow.response(FLOOR)


def told_apart(
    contexts: Sequence[FitContext], stage: Stage, variables: Variables
) -> tuple[ArrowCurvature, ArrowCurvature]:
    """Curvature of what the images tell, priors on the pose included, and of what is known about the shape.

    Args:
        contexts: Images.
        stage: Stage that moves pose and shape.
        variables: State of each image, of equal shape.
    """
    problem = joint_problem(contexts, stage)

    def curvature(of_shape: bool) -> ArrowCurvature:
        own = [replace(one, objective=one.objective.of_shape(of_shape).evidence()) for one in problem.problems]
        return replace(problem, problems=tuple(own)).curvature(variables, stage.free)

    return curvature(False), curvature(True)


def shared_covariance(
    images: ArrowCurvature, known: ArrowCurvature, prior: Float[Tensor, "s s"] | None = None
) -> Float[Tensor, "s s"]:
    """Covariance of the shape, or of all shared variables, in units of their scales.

    It is that of the priors, of known numbers, and of what the images tell, as far as it is theirs.

    Clothes and errors of segmenters are alike in all images of a person, so that more of them tell ever less
    (`OVERCONFIDENCE`).

    Args:
        images: Curvature of what N images tell, of `told_apart`.
        known: Curvature of what is known about the shape.
        prior: Curvature of priors that are not among the terms.
    """
    alone, common = OVERCONFIDENCE
    told = images.reduced(FLOOR).sum(dim=0) / (alone + common * len(images.own))
    told_and_known = known.reduced(FLOOR).sum(dim=0) + told
    return torch.linalg.inv(told_and_known if prior is None else told_and_known + prior)


def fused(betas: Float[Tensor, "n s"], told: Float[Tensor, "n s s"]) -> tuple[Float[Tensor, "s"], Float[Tensor, "n"]]:
    """The mean of the images' shapes, weighted by what each tells, and each one's squared distance from it.

    Images far from the mean have less weight (Geman & McClure's, at `UNUSUAL`): one of somebody else hardly counts.

    Args:
        betas: (N, S) shape of each image alone.
        told: (N, S, S) what each tells.

    Returns:
        (S,) mean; (N,) squared Mahalanobis distances.
    """
    weights, mean, distance = betas.new_ones(len(betas)), betas[0], betas.new_zeros(len(betas))
    for _ in range(20):
        weighted = weights[:, None, None] * told
        told_by_all, asked = weighted.sum(dim=0), (weighted @ betas[..., None]).sum(dim=0)
        # not the default driver, which pivots by memory that torch does not initialise: its rounding is random
        mean = torch.linalg.lstsq(told_by_all, asked, driver="gelsd").solution[:, 0]
        away = betas - mean
        distance = (away[:, None] @ told @ away[..., None])[:, 0, 0]
        weights = (1 + distance / UNUSUAL) ** -2
    return mean, distance


def taken_along(
    variables: Variables, betas: Float[Tensor, "s"], response: Float[Tensor, "n d s"], stage: Stage
) -> Variables:
    """Variables with another shape, and poses and positions that follow the change.

    Args:
        variables: State of each image.
        betas: (S,) shape for all.
        response: (N, D, S) of `told_by`.
        stage: Stage whose variables follow.
    """
    change = (response @ (betas - variables.betas)[..., None])[..., 0]
    values, begin = {"betas": betas.expand_as(variables.betas).contiguous()}, 0
    for name in sorted((name for name in stage.free if name != "betas"), key=list(SCALES).index):
        value = getattr(variables, name)
        size = value[0].numel()
        values[name] = value + SCALES[name] * change[:, begin : begin + size].reshape(value.shape)
        begin += size
    return with_shared(variables.with_values(values), variables.with_values(values))
