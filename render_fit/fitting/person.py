"""Fit one person in several images: shape and clothes are shared, pose and position are those of each image."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError
from render_fit.core.threads import one_torch_thread
from render_fit.fitting.beginning import begin
from render_fit.fitting.context import FitContext
from render_fit.fitting.focal_length import FocalLength, as_camera, freed, is_unknown, usual_focal
from render_fit.fitting.joint import SHARED, Coupling
from render_fit.fitting.recipe import Recipe, Stage, load_recipe
from render_fit.fitting.report import result_of
from render_fit.fitting.resolve import ResolvedRecipe, resolve
from render_fit.fitting.result import FitResult
from render_fit.fitting.shared_shape import UNUSUAL, fused, joint_problem, taken_along, told_by
from render_fit.fitting.single_fits import batches, each_alone, failed
from render_fit.fitting.solvers import make_solver, moves_offsets
from render_fit.fitting.stages import Clothing, StageProgress, run_stage_of_all, search_and_refinement
from render_fit.fitting.uncertainty import Uncertainty, uncertainty
from render_fit.fitting.unfinished import UnfinishedFits
from render_fit.fitting.variables import Variables
from render_fit.losses.between_images import ImagesOfOne, make_between_term
from render_fit.observations.observation import Observation

IN_MOTION = {"iterations": 100, "tolerance": 1e-5}
"""Limits of the solver where terms on motion join the images: their curvature is not measured beforehand."""

SOMEBODY_ELSE = 60.0
"""Squared distance above which an image is left out; 16 images of the right person had at most 51."""


@dataclass(frozen=True)
class PersonFit:
    """A person in several images.

    Attributes:
        results: Fit of each image, of equal shape and clothes; None for images that were left out.
        left_out: Why images were left out, by their index.
        betas: (S,) shape.
        betas_covariance: (S, S) covariance of the shape, given all images.
        disagreement: (N,) how far the shape that an image asks for is from that of all: squared Mahalanobis distance.
        alone: (N) bodies of the images fitted alone, from which the joint fit began.
        seconds: Wall time of each stage, and ``total``.
        focal: The focal length of all images, if it was estimated.
    """

    results: list[FitResult | None]
    left_out: dict[int, str]
    betas: Float[Tensor, "s"]
    betas_covariance: Float[Tensor, "s s"]
    disagreement: Float[Tensor, "n"]
    alone: BodyParameters
    seconds: dict[str, float]
    focal: FocalLength = field(default_factory=FocalLength)


@one_torch_thread()
def fit_person(
    observations: Sequence[Observation],
    recipe: str | Path | Recipe | ResolvedRecipe = "hybrid",
    *,
    cameras: Sequence[Camera | None] | None = None,
    height_m: float | None = None,
    weight_kg: float | None = None,
    clothing: Clothing | None = None,
    seconds: Sequence[float] | None = None,
    still_camera: bool = False,
    same_lens: bool = False,
    seed: int = 0,
    progress: StageProgress | None = None,
    unfinished: UnfinishedFits | None = None,
) -> PersonFit:
    """Recovers one person from several images.

    Each image is fitted alone first, without clothes. Images whose fit failed are left out, and so are those whose
    shape is far from that of the others. The shape to begin with is the mean of the images' shapes, weighted by what
    each image tells about it. Then the recipe's last stage that moves pose and shape is solved for all images at once
    with one shape, before and after every image has searched its pose again for that shape; in a motion, whose frames
    depend on one another, only once. After it come the stages of the clothes, with one set of clothes.

    Args:
        observations: One for each image, as in ``fit_image``. They are read one after the other, and only the crops
            that the stages compare with are kept, so that `PackedObservations` bound the memory.
        recipe: As in ``fit_image``; or a recipe with its objects, which many fits can share.
        cameras: Camera of each photo, or None for the observation's.
        height_m: Standing height, metres, if known.
        weight_kg: Weight, kilograms, if known.
        clothing: ``none``, ``smooth`` or ``free``; the recipe's if None.
        seconds: Time of each image, for a video; the recipe's terms on motion need it.
        still_camera: Whether the camera of a video stands still; terms on standing feet need it.
        same_lens: Whether all images were taken with one focal length. If it is not known, it is estimated.
        seed: Seed of the starting poses.
        progress: Called with (stage, iterations done, all iterations).
        unfinished: Where the fits of single images are kept, from which a stopped run goes on.

    Raises:
        InputError: if there is no image, or nothing that can be fitted to was observed in one of them, or the recipe
            has no stage that moves pose and shape.
    """
    if not observations:
        raise InputError("no image to fit a person to")
    clock = time.perf_counter()
    resolved = recipe if isinstance(recipe, ResolvedRecipe) else resolve(load_recipe(recipe))
    posed, dressing = joint_stages(resolved, clothing)
    worn: Clothing = clothing if clothing is not None else resolved.recipe.clothing
    known = cameras if cameras is not None else [None] * len(observations)
    final = resolved.recipe.final.resolution
    every = {final, *(stage.resolution for stage in resolved.recipe.stages)}
    begun = []
    for observation, camera in zip(observations, known, strict=True):
        begun.append(begin(observation, camera, resolved, height_m, weight_kg, worn))
        begun[-1][0].keep_only(every)
    contexts = [context for context, _ in begun]
    took: dict[str, float] = {}

    def timed(name: str) -> None:
        took[name] = round(time.perf_counter() - clock - sum(took.values()), 4)

    alone = each_alone(contexts, resolved, seconds, seed, progress, unfinished)
    timed("each image alone")
    for context in contexts:
        context.keep_only({final, *(stage.resolution for stage in (posed, *dressing))})
    left_out = failed(contexts, alone)
    images = [i for i in range(len(contexts)) if i not in left_out]
    if not images:
        raise InputError(f"no image to fit a person to: {left_out[0]}")
    told, response = told_by([contexts[i] for i in images], posed, [alone[i].best for i in images])
    betas, distance = fused(torch.cat([alone[i].best.betas for i in images]), told)
    disagreement = torch.zeros(len(contexts))
    disagreement[images] = distance
    others = [place for place, far in enumerate((distance > SOMEBODY_ELSE).tolist()) if far]
    if 0 < 2 * len(others) < len(images):
        left_out |= {images[place]: "the body's shape is another one than in the other images" for place in others}
        kept = [place for place in range(len(images)) if place not in others]
        images, told, response = [images[place] for place in kept], told[kept], response[kept]
    chosen = [contexts[i] for i in images]
    _share_clothes(chosen)
    coupling = _coupling(resolved, None if seconds is None else [seconds[i] for i in images], still_camera)
    variables = taken_along(reduce(Variables.joined, [alone[i].best for i in images]), betas, response, posed)
    if seconds is not None and coupling is not None:  # frames depend on one another
        posed = posed.model_copy(update={"solver": posed.solver.model_copy(update=IN_MOTION)})
    else:
        variables = _solved(chosen, posed, variables, coupling, progress)
        timed(f"{posed.name}, all images")
        variables = _posed_again(chosen, posed, variables, progress)
        timed(f"{posed.name}, poses again")
    variables, focal = _solved_with_lens(chosen, posed, variables, coupling, same_lens, progress)
    timed(f"{posed.name}, all images")
    for stage in dressing:
        if "offsets" in stage.free and variables.offsets is None:
            variables = replace(variables, offsets=torch.zeros(len(variables), resolved.body.n_vertices, 3))
        variables = _solved(chosen, stage, variables, None, progress)
        timed(f"{stage.name}, all images")
    rivals = [replace(alone[i].rivals, variables=focal.seen(alone[i].rivals.variables)) for i in images]
    unsure = uncertainty(chosen, posed, variables, rivals)
    total = round(time.perf_counter() - clock, 4)
    results: list[FitResult | None] = [None] * len(contexts)
    for place, i in enumerate(images):
        share = alone[i].seconds | {"total": round(total / len(contexts), 4)}
        notes = focal.told([*begun[i][1], *alone[i].notes], contexts[i].camera)
        if disagreement[i] > UNUSUAL:
            notes.append("this image alone asks for another shape of the body: is it the same person?")
        found = variables[place : place + 1]
        own = Uncertainty(unsure.betas, unsure.joints[place : place + 1])
        before = focal.seen(alone[i].before)
        results[i] = result_of(contexts[i], before, found, share, notes, resolved.record(), True, own)
    took["total"] = total
    each = focal.seen(reduce(Variables.joined, [one.best for one in alone]).detached()).parameters(resolved.body)
    return PersonFit(results, left_out, variables.betas[0], unsure.betas, disagreement, each, took, focal)


def _posed_again(
    contexts: Sequence[FitContext], stage: Stage, variables: Variables, progress: StageProgress | None
) -> Variables:
    """Poses of each image from all of the stage's hypotheses, for the shape that all images agree on.

    An image alone takes a bent leg for a long one; what its length is, other images have told.
    """
    free = tuple(name for name in stage.free if name not in SHARED)
    again = stage.model_copy(
        update={"name": f"{stage.name}, poses again", "free": free, "n_hypotheses": 1, "estimate_looseness": False}
    )
    found = []
    for rows in batches(len(contexts)):
        starts = list(variables[rows].split([1] * len(contexts[rows])))
        found += [one for one, _ in run_stage_of_all(contexts[rows], again, starts, progress)]
    return reduce(Variables.joined, found)


def _coupling(resolved: ResolvedRecipe, seconds: Sequence[float] | None, still_camera: bool) -> Coupling | None:
    """The recipe's terms between images as a function of the variables, as far as what they require is known."""
    made = [
        (setting.weight, make_between_term(name, setting.options)) for name, setting in resolved.recipe.between.items()
    ]
    lacks = {"requires_time": seconds is None, "requires_still_camera": not still_camera}
    terms = [
        one for one in made if not any(lacking and getattr(one[1], what, False) for what, lacking in lacks.items())
    ]
    times = None if seconds is None else torch.tensor(seconds, dtype=torch.float32)
    if not terms:
        return None

    def value(variables: Variables) -> Float[Tensor, ""]:
        bare = replace(variables, clothing=None, offsets=None)
        images = ImagesOfOne(resolved.body, bare.parameters(resolved.body), bare.pose_rotvec, times)
        return torch.stack([weight * term(images) for weight, term in terms]).sum()

    return value


def _solved(
    contexts: Sequence[FitContext],
    stage: Stage,
    variables: Variables,
    coupling: Coupling | None,
    progress: StageProgress | None,
) -> Variables:
    """One stage, for all images at once."""
    solver, settings = contexts[0].solver_of(stage), stage.solver
    if not moves_offsets(solver):  # it needs the curvature of single images
        solver = make_solver("lbfgs", {})

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(f"{stage.name}, all images", done, total)

    found, _ = replace(joint_problem(contexts, stage), coupling=coupling).minimise(
        variables, stage.free, solver, settings.iterations, settings.tolerance, settings.whiten, tell
    )
    return found


def _solved_with_lens(
    contexts: Sequence[FitContext],
    stage: Stage,
    variables: Variables,
    coupling: Coupling | None,
    same_lens: bool,
    progress: StageProgress | None,
) -> tuple[Variables, FocalLength]:
    """The stage for all images at once; with one lens whose focal length is not known, that is estimated too."""
    if not same_lens or not is_unknown(contexts):
        return _solved(contexts, stage, variables, coupling, progress), FocalLength()

    def with_focal(of: Variables) -> Float[Tensor, ""]:
        return usual_focal(of) if coupling is None else usual_focal(of) + coupling(of)

    moving = stage.model_copy(update={"free": (*stage.free, "focal")})
    return as_camera(contexts, moving, _solved(contexts, moving, freed(variables), with_focal, progress))


def joint_stages(resolved: ResolvedRecipe, clothing: Clothing | None = None) -> tuple[Stage, list[Stage]]:
    """The stage that is solved for pose and shape of all images, and those for the clothes after it.

    Args:
        resolved: The recipe and its objects.
        clothing: ``none``, ``smooth`` or ``free``; the recipe's if None.

    Raises:
        InputError: if no stage of the recipe that renders moves pose and shape.
    """
    _, refinement = search_and_refinement(resolved.recipe, clothing or resolved.recipe.clothing)
    posed = [stage for stage in refinement if "betas" in stage.free]
    if not posed:
        raise InputError(f"recipe {resolved.recipe.name!r}: no stage that renders moves 'betas', so nothing is shared")
    return posed[-1], [stage for stage in refinement if not {"betas", "pose", "orient", "position"} & set(stage.free)]


def _share_clothes(contexts: Sequence[FitContext]) -> None:
    """The clothes of a person are the same in all images: the median looseness, the mean of the labels' shares."""
    found = [context.looseness_scale for context in contexts if context.looseness_scale is not None]
    if found:
        median = torch.stack(found).median(dim=0).values
        for context in contexts:
            context.looseness_scale = median
    for space in {context.observation.part_space for context in contexts}:
        alike = [context for context in contexts if context.observation.part_space is space]
        shares = [context.label_shares for context in alike if context.label_shares is not None]
        if shares:
            mean = torch.stack(shares).mean(dim=0)
            for context in alike:
                context.label_shares = mean
