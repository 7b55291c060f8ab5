"""The training loop: on one processor or on many machines (accelerate), resumed bit for bit after an interruption."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs

from render_fit.bodies.body import Body
from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output, remove_leftovers, write_json
from render_fit.regressors.checkpoint import load_regressor, save_regressor
from render_fit.regressors.network import Regressor
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training.adversarial import AdversarialPrior
from render_fit.training.auxiliary_segmentation import AuxiliarySegmentation, Decoder, RegressorWithSegmentation
from render_fit.training.checkpointing import RECIPE, REGRESSOR, Stateful, TrainingState
from render_fit.training.data_loading import Shards, StepBatches
from render_fit.training.drawn_people import DrawnPeople
from render_fit.training.feature_cache import CachedPeople
from render_fit.training.figure_log import HELD_OUT, FigureLog
from render_fit.training.fitting_in_the_loop import BestFits, FittingInTheLoop
from render_fit.training.losses import Losses
from render_fit.training.optimisation import average_weights, learning_rate, mixed_precision, update_weights
from render_fit.training.processes import Processes
from render_fit.training.pseudo_labels import PseudoLabels
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.render_supervision import RenderSupervision
from render_fit.training.supervision import StepPrediction, Supervision, SyntheticSupervision
from render_fit.training.unlabelled_photos import PhotoSampler, UnlabelledPhotos
from render_fit.training.validation import HeldOut, Score, score

OnStep = Callable[[int, dict[str, float]], None]
OnValidation = Callable[[int, Regressor], None]
Measure = Callable[[Regressor], Mapping[str, float]]


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training.

    Attributes:
        folder: Folder of the training.
        steps: Steps done in all.
        best: Score of the best weights on held-out people; None without held-out people.
        fits: Best fit of every photo; None without fitting in the loop.
    """

    folder: Path
    steps: int
    best: Score | None
    fits: BestFits | None = None


def train(
    recipe: TrainingRecipe,
    folder: Path,
    sampler: PeopleSampler,
    held_out: HeldOut | None = None,
    photos: UnlabelledPhotos | None = None,
    *,
    fits: BestFits | None = None,
    cached: CachedPeople | DrawnPeople | None = None,
    workers: int = 1,
    measure: Measure | None = None,
    on_validation: OnValidation | None = None,
    on_step: OnStep | None = None,
    stop_after: int | None = None,
) -> TrainingResult:
    """Trains a regressor, or resumes the training in the folder.

    Args:
        recipe: Recipe of the training.
        folder: Folder for the state and the result; created if it does not exist.
        sampler: Sampler of synthetic people; its body is the body of the training.
        held_out: Held-out people, by whom the best weights are chosen. None: the last weights are the result.
        photos: People in unlabelled photos; some of them join every step.
        fits: Finished fits of these people, for a recipe with ``pseudo_labels`` (`fitted_photos`).
        cached: A fixed set of synthetic people, in place of new ones in every step: with features, which ``held_out``
            and ``photos`` then have too (`Regressor.with_features`), or drawn before.
        workers: Processes that sample people; 0: this process samples them.
        measure: More figures of a validation, by name, of the averaged weights; also before the first step.
        on_validation: Called in the main process at every validation, with or without held-out people, and before the
            first step, with the number of steps done and the regressor with the averaged weights. The figures are then
            in the log (`figure_log`). It must leave torch's random numbers alone.
        on_step: Called in the main process with the number of steps done and their values.
        stop_after: Number of steps after which this call saves the state and returns.

    Returns:
        Score, steps done and fits.

    Raises:
        InputError: if the folder contains the training of another recipe, its state cannot be read, or a loss is not
            finite. In that case the last saved state is kept.
    """
    AcceleratorState._reset_state()  # accelerate keeps the precision of the first training in a process for all
    accelerator = Accelerator(
        mixed_precision=mixed_precision(recipe.precision),
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    processes, config = Processes(accelerator), recipe.optimiser
    torch.manual_seed(recipe.seed)
    network, averaged = build_networks(recipe, sampler.bank, cached)
    averaged.to(accelerator.device)
    model, optimiser = accelerator.prepare(
        network, torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    )
    body = copy.deepcopy(sampler.body).to(accelerator.device)  # the sampler's own body stays on the CPU
    photo_sampler = (
        None if photos is None else PhotoSampler(photos, recipe.render_supervision.batch, recipe.seed, processes)
    )
    supervisions = make_supervisions(recipe, sampler, body, photos, fits, network.decoder, processes)
    shards = cached or Shards(sampler, recipe.shard, recipe.seed, recipe.label_availability)
    workers = 0 if cached else workers
    batches = StepBatches(shards, recipe.batch // recipe.shard, photo_sampler, processes)
    with_state = {name: one for name, one in supervisions.items() if isinstance(one, Stateful)}
    with_state |= {} if photo_sampler is None else {"photos": photo_sampler}
    state = TrainingState(recipe, folder, network.regressor, averaged, optimiser, with_state)
    open_folder(accelerator, state)
    log = FigureLog(folder, state.step, recipe.steps) if accelerator.is_main_process else None
    if log is not None and state.step == 0:
        if measure is not None:
            log.add(0, measure(averaged), validated=True)
        if on_validation is not None:
            on_validation(0, averaged)
    last = recipe.steps if stop_after is None else min(recipe.steps, state.step + stop_after)
    with batches.load(range(state.step, last), workers) as loaded:
        for batch in loaded:
            with accelerator.autocast():
                output, part_logits = model(batch.inputs.to(accelerator.device))
            prediction = StepPrediction.of(output, part_logits, len(batch.truth))
            first, *others = (supervision.loss(prediction, batch) for supervision in supervisions.values())
            loss = functools.reduce(Losses.plus, others, first)
            check_finite(loss, state)
            rate = learning_rate(config, state.step, recipe.steps)
            update_weights(accelerator, model, optimiser, loss, rate, config.clip)
            values = dict(loss.terms)
            for supervision in supervisions.values():
                values |= supervision.update(prediction, batch)
            state.step += 1
            average_weights(averaged, network.regressor, config.average, state.step)
            if log is None:
                continue
            figures = {name: float(value) for name, value in values.items()} | {"learning_rate": rate}
            validated = state.step % recipe.validate_every == 0 or state.step == recipe.steps
            if validated and held_out is not None:
                figures |= validate(state, held_out, body)
            if validated and measure is not None:
                figures |= measure(averaged)
            log.add(state.step, figures, validated=validated)
            if validated and on_validation is not None:
                on_validation(state.step, averaged)
            if state.step % recipe.save_every == 0 or state.step == last:
                state.save()
            if on_step is not None:
                on_step(state.step, figures)
    if accelerator.is_main_process and state.best is None and state.step == recipe.steps:
        save_regressor(averaged, folder / REGRESSOR)
    accelerator.wait_for_everyone()
    fitting = supervisions.get("fits")
    best = fitting.fits if isinstance(fitting, FittingInTheLoop) else None
    return TrainingResult(folder, state.step, state.best, best)


def make_supervisions(
    recipe: TrainingRecipe,
    sampler: PeopleSampler,
    body: Body,
    photos: UnlabelledPhotos | None,
    fits: BestFits | None,
    decoder: Decoder | None,
    processes: Processes,
) -> dict[str, Supervision]:
    """Supervisions of a recipe by name, each made from its section. ``body`` is on the network's device."""
    network = recipe.regressor
    result: dict[str, Supervision] = {"synthetic": SyntheticSupervision(recipe.losses, body, processes)}
    if photos is not None and recipe.render_supervision.weight:
        result["render"] = RenderSupervision(recipe.render_supervision, sampler.body, sampler.basis, processes)
    if photos is not None and recipe.fitting_in_the_loop is not None:
        none = BestFits.none(len(photos), network.n_joints, network.n_betas)
        result["fits"] = FittingInTheLoop(recipe.losses, sampler.body, none, processes, recipe.fitting_in_the_loop)
    if photos is not None and recipe.pseudo_labels is not None:
        if fits is None:
            raise ValueError("fits: the recipe has pseudo_labels, expected finished fits of the photos")
        result["pseudo_labels"] = PseudoLabels(recipe.losses, sampler.body, fits, processes, recipe.pseudo_labels)
    if recipe.adversarial.weight:
        result["adversary"] = AdversarialPrior(
            recipe.adversarial, sampler.bank, network.n_betas, recipe.seed, processes
        )
    if decoder is not None:
        result["segmentation"] = AuxiliarySegmentation(recipe.segmentation, decoder, processes)
    return result


def build_networks(
    recipe: TrainingRecipe, bank: PoseBank, cached: CachedPeople | DrawnPeople | None = None
) -> tuple[RegressorWithSegmentation, Regressor]:
    """The network to train, with initial weights, and the regressor with its averaged weights.

    Cached features, if there are any, are standardised by their own mean and variance.
    """
    regressor, averaged = Regressor(recipe.regressor), Regressor(recipe.regressor)
    if recipe.regressor.head == "iterative":
        regressor.begin_at(bank.mean_rotations())
    if isinstance(cached, CachedPeople) and cached.inputs.features is not None:
        regressor.standard.measure(regressor.own_features(cached.inputs.features))
    if recipe.pretrained:
        regressor.load_state_dict(_pretrained(recipe).state_dict())
    averaged.load_state_dict(regressor.state_dict())
    # On a CPU, forward and backward pass of the lifter take 0.25 s in place of 0.37 (64 people, one thread).
    regressor.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    averaged.requires_grad_(False).eval()
    return RegressorWithSegmentation(regressor, recipe.segmentation), averaged


def open_folder(accelerator: Accelerator, state: TrainingState) -> None:
    """Creates the folder of a training, or restores the state that it contains, and writes the recipe."""
    if accelerator.is_main_process:
        remove_leftovers(prepare_output(state.folder))
    accelerator.wait_for_everyone()
    state.load(accelerator.device)
    if accelerator.is_main_process:
        write_json(state.folder / RECIPE, state.recipe.model_dump(mode="json"))


def check_finite(loss: Losses, state: TrainingState) -> None:
    """Raises an `InputError` that names the terms if the loss is not finite."""
    if not bool(loss.total.isfinite()):
        terms = ", ".join(name for name, value in loss.terms.items() if not bool(value.isfinite()))
        raise InputError(
            f"{state.folder}: step {state.step + 1}: not finite: {terms}; the last saved state is kept. "
            "Lower optimiser.learning_rate or the weight of the term, and train again to resume"
        )


def validate(state: TrainingState, held_out: HeldOut, body: Body) -> dict[str, float]:
    """Errors of the averaged weights on held-out people; the best weights so far are written."""
    now = score(state.averaged, held_out, body)
    state.keep_if_best(now)
    return {HELD_OUT + name: value for name, value in now.__dict__.items()}


def _pretrained(recipe: TrainingRecipe) -> Regressor:
    """The regressor whose weights a recipe starts from."""
    found = load_regressor(recipe.pretrained)
    if found.config != recipe.regressor:
        raise InputError(
            f"pretrained: the network of {recipe.pretrained} differs from the recipe's `regressor` section; "
            "use the section of the pretrained network"
        )
    return found
