"""The training loop: on one processor or many machines (accelerate), stopped and taken up again without a trace."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite.binding
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn

from render_fit.core.errors import InputError
from render_fit.regressors.checkpoint import load_regressor, save_regressor
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import Regressor
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.adversarial import AdversarialPriorTraining
from render_fit.training.auxiliary_segmentation import RegressorWithSegmentation, segmentation_loss
from render_fit.training.checkpointing import RECIPE, REGRESSOR, Stateful, TrainingState
from render_fit.training.data_loading import Shards, prefetch
from render_fit.training.fitting_in_the_loop import BestFits
from render_fit.training.losses import losses
from render_fit.training.photo_supervision import PhotoSupervision
from render_fit.training.recipe import Optimiser, TrainingRecipe
from render_fit.training.render_supervision import UnlabelledPhotos
from render_fit.training.samples import GroundTruth
from render_fit.training.validation import HeldOut, Score, score

Watch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Attributes:
        folder: Where it is.
        steps: Done in all.
        best: Score of the best weights on held-out people.
        fits: The best fit of every photo so far, where fits taught.
    """

    folder: Path
    steps: int
    best: Score | None
    fits: BestFits | None = None


def train(
    recipe: TrainingRecipe,
    folder: Path,
    synthesis: PeopleSampler,
    held_out: HeldOut | None = None,
    photos: UnlabelledPhotos | None = None,
    *,
    workers: int = 1,
    watch: Watch | None = None,
    stop_after: int | None = None,
) -> TrainingResult:
    """Trains a regressor, or goes on where the folder's training stopped.

    Args:
        recipe: What to train, and how.
        folder: Where state and result are kept; made if it is not there.
        synthesis: Where data comes from, and whose body it is.
        held_out: People that say which weights are best; without them the last ones are.
        photos: People whom nobody labelled, some of whom join every step.
        workers: Processes that draw people; 0: this one does.
        watch: Called with the step and figures, in the main process.
        stop_after: Leave after this many steps of this call; the state is saved.

    Returns:
        How it ended.

    Raises:
        InputError: if the folder holds the training of another recipe, its state cannot be read, or a loss is not
            finite: then the last good state is kept.
    """
    accelerator = Accelerator(
        mixed_precision=mixed_precision(recipe.precision),
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    torch.manual_seed(recipe.seed)
    regressor, averaged = Regressor(recipe.regressor), Regressor(recipe.regressor)
    if recipe.regressor.head == "iterative":
        regressor.begin_at(synthesis.bank.mean_rotations())
    if recipe.pretrained:
        regressor.load_state_dict(_pretrained(recipe).state_dict())
    averaged.load_state_dict(regressor.state_dict())
    # On a processor the lifter's forward and backward pass takes 0.25 s in place of 0.37 (64 people, one thread).
    regressor.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    averaged.requires_grad_(False).eval().to(accelerator.device)
    taught = RegressorWithSegmentation(regressor, recipe.segmentation)
    optimiser = torch.optim.AdamW(
        taught.parameters(), recipe.optimiser.learning_rate, weight_decay=recipe.optimiser.weight_decay
    )
    model, optimiser = accelerator.prepare(taught, optimiser)

    def everybody(people: torch.Tensor) -> torch.Tensor:
        # Gradients are averaged over processes, so the mean over all people is each one's sum over this.
        total: Any = accelerator.reduce(people.to(accelerator.device), "sum")
        return total.to(people.device) / accelerator.num_processes

    def together(gradients: torch.Tensor) -> torch.Tensor:
        mean: Any = accelerator.reduce(gradients, "mean")
        return mean

    def gathered(value: torch.Tensor) -> torch.Tensor:
        rows: Any = accelerator.gather(value.to(accelerator.device))
        return rows.to(value.device)

    others: dict[str, Stateful] = {}
    adversary, lessons = None, None
    if recipe.adversarial.weight:
        n_betas, device = recipe.regressor.n_betas, accelerator.device
        adversary = AdversarialPriorTraining(
            recipe.adversarial, synthesis.bank, n_betas, recipe.seed, device, everybody, together
        )
        others["adversary"] = adversary
    if photos is not None:
        lessons = others["photos"] = PhotoSupervision(recipe, photos, synthesis, everybody, gathered)
    if taught.decoder is not None:
        others["segmentation"] = taught.decoder
    state = TrainingState(recipe, folder, regressor, averaged, optimiser, others)
    if accelerator.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
    accelerator.wait_for_everyone()
    state.load(accelerator.device)
    # A copy: people are drawn on the CPU, wherever the network learns.
    body = copy.deepcopy(synthesis.body).to(accelerator.device)
    if accelerator.is_main_process:
        (folder / RECIPE).write_text(json.dumps(recipe.model_dump(mode="json"), indent=2) + "\n")
    last = recipe.steps if stop_after is None else min(recipe.steps, state.step + stop_after)
    processes, rank = accelerator.num_processes, accelerator.process_index
    shards = recipe.batch // recipe.shard
    if shards % processes:
        raise InputError(f"batch: {shards} shards of {recipe.shard} cannot be shared evenly by {processes} processes")
    mine = range(state.step * shards + rank, last * shards, processes)
    with prefetch(Shards(synthesis, recipe.shard, recipe.seed, recipe.label_availability), mine, workers) as drawn:
        while state.step < last:
            parts = [next(drawn) for _ in range(shards // processes)]
            inputs = RegressorInputs.joined([part for part, _ in parts])
            truth = GroundTruth.joined([part for _, part in parts]).to(accelerator.device)
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(recipe.optimiser, state.step, recipe.steps)
            rows = torch.empty(0, dtype=torch.long)
            if lessons is not None:
                rows = lessons.rows(state.step, rank, processes)
                inputs = RegressorInputs.joined([inputs, lessons.photos.inputs[rows]])
            with accelerator.autocast():
                prediction, seen = model(inputs.to(accelerator.device))
            loss = losses(prediction[: len(truth)], truth, body, recipe.losses, everybody)
            if lessons is not None:
                loss = loss.plus(lessons.loss(prediction[len(truth) :], rows))
            if adversary is not None:
                loss = loss.plus(adversary.loss(prediction))
            if seen is not None:
                loss = loss.plus(segmentation_loss(seen[: len(truth)], truth, recipe.segmentation.weight, everybody))
            if not bool(loss.total.isfinite()):
                bad = ", ".join(name for name, value in loss.terms.items() if not bool(value.isfinite()))
                raise InputError(
                    f"{folder}: step {state.step + 1}: not finite: {bad}; the state of the last save is kept. "
                    "Lower optimiser.learning_rate or the term's weight, and train again to go on from there"
                )
            optimiser.zero_grad()
            accelerator.backward(loss.total)
            accelerator.clip_grad_norm_(model.parameters(), recipe.optimiser.clip)
            optimiser.step()
            if adversary is not None:
                real = range(state.step * shards + rank, (state.step + 1) * shards, processes)
                loss = loss.plus(adversary.learn(prediction, real, recipe.shard))
            state.step += 1
            _average(averaged, regressor, recipe.optimiser.average, state.step)
            if not accelerator.is_main_process:
                continue
            figures = {name: float(value) for name, value in loss.terms.items()}
            if held_out is not None and (state.step % recipe.validate_every == 0 or state.step == recipe.steps):
                now = score(averaged, held_out, body)
                figures |= {f"held out: {name}": value for name, value in now.__dict__.items()}
                state.keep_if_best(now)
            if state.step % recipe.save_every == 0 or state.step == last:
                state.save()
            if watch is not None:
                watch(state.step, figures)
    if accelerator.is_main_process and state.best is None and state.step == recipe.steps:
        save_regressor(averaged, folder / REGRESSOR)
    accelerator.wait_for_everyone()
    return TrainingResult(folder, state.step, state.best, None if lessons is None else lessons.fits)


def mixed_precision(asked: str) -> str:
    """The precision that accelerate is asked for: ``auto`` is bf16 on graphics cards and processors that compute in it.

    Others only imitate it: a step then takes twice as long as in float32.
    """
    if asked != "auto":
        return asked
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    has = llvmlite.binding.get_host_cpu_features()
    return "bf16" if has.get("amx-bf16") or has.get("avx512bf16") else "no"


def learning_rate(setting: Optimiser, step: int, steps: int) -> float:
    """The rate of a step: up linearly, then down to zero by a cosine."""
    if step < setting.warm_up:
        return setting.learning_rate * (step + 1) / setting.warm_up
    done = (step - setting.warm_up) / max(1, steps - setting.warm_up)
    return 0.5 * setting.learning_rate * (1 + math.cos(math.pi * min(1.0, done)))


def _pretrained(recipe: TrainingRecipe) -> Regressor:
    """The regressor that a recipe begins with."""
    found = load_regressor(recipe.pretrained)
    if found.config != recipe.regressor:
        raise InputError(
            f"start: {recipe.pretrained} is of another network than the recipe's `regressor` section describes"
        )
    return found


@torch.no_grad()
def _average(averaged: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Moves the averaged weights towards the model's; faster in the beginning."""
    share = 1 - min(decay, step / (step + 10))
    for mean, value in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value.to(mean), share)
        else:
            mean.copy_(value)
