"""The training loop: on one processor or many machines (accelerate), stopped and taken up again without a trace."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from pydantic import ValidationError
from torch import nn
from torch.utils.data import DataLoader, Dataset

from render_fit.errors import InputError
from render_fit.regressors.checkpoint import load_regressor, save_regressor
from render_fit.regressors.inputs import Inputs
from render_fit.regressors.network import Regressor
from render_fit.threads import threads_of_new_processes
from render_fit.training.adversary import Adversary
from render_fit.training.objective import losses
from render_fit.training.recipe import Optimiser, TrainingRecipe
from render_fit.training.synthesis import Synthesis, Truth
from render_fit.training.unlabelled import Unlabelled, render_loss
from render_fit.training.validation import HeldOut, Score, score

STATE, REGRESSOR, RECIPE = "state.pt", "regressor.safetensors", "recipe.json"
"""What a training folder holds: all that it takes to go on, the best averaged weights so far, what was asked for."""

Watch = Callable[[int, dict[str, float]], None]


class Shards(Dataset[tuple[Inputs, Truth]]):
    """People, some at a time. A shard's number decides who is in it: nothing needs to remember where it was, and any
    number of processes draws the same."""

    def __init__(self, synthesis: Synthesis, people: int, seed: int) -> None:
        self.synthesis, self.people, self.seed = synthesis, people, seed

    def __getitem__(self, index: int) -> tuple[Inputs, Truth]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        return self.synthesis.batch(self.people, generator)

    def __len__(self) -> int:
        return 2**31


@dataclass(frozen=True)
class Trained:
    """How a training ended.

    Attributes:
        folder: Where it is.
        steps: Done in all.
        best: Score of the best weights on held-out people.
    """

    folder: Path
    steps: int
    best: Score | None


def train(
    recipe: TrainingRecipe,
    folder: Path,
    synthesis: Synthesis,
    held_out: HeldOut | None = None,
    photos: Unlabelled | None = None,
    *,
    workers: int = 1,
    watch: Watch | None = None,
    stop_after: int | None = None,
) -> Trained:
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
        mixed_precision=recipe.precision, kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)]
    )
    torch.manual_seed(recipe.seed)
    regressor, averaged = Regressor(recipe.regressor), Regressor(recipe.regressor)
    if recipe.start:
        regressor.load_state_dict(_started(recipe).state_dict())
    averaged.load_state_dict(regressor.state_dict())
    averaged.requires_grad_(False).eval().to(accelerator.device)
    optimiser = torch.optim.AdamW(
        regressor.parameters(), recipe.optimiser.learning_rate, weight_decay=recipe.optimiser.weight_decay
    )
    model, optimiser = accelerator.prepare(regressor, optimiser)

    def everybody(people: torch.Tensor) -> torch.Tensor:
        # Gradients are averaged over processes, so the mean over all people is each one's sum over this.
        return accelerator.reduce(people, "sum") / accelerator.num_processes  # pyright: ignore[reportOperatorIssue]

    def together(gradients: torch.Tensor) -> torch.Tensor:
        return accelerator.reduce(gradients, "mean")  # pyright: ignore[reportReturnType]

    adversary = None
    if recipe.adversarial.weight:
        n_betas, device = recipe.regressor.n_betas, accelerator.device
        adversary = Adversary(recipe.adversarial, synthesis.bank, n_betas, recipe.seed, device, everybody, together)
    state = _State(recipe, folder, accelerator.unwrap_model(model), averaged, optimiser, adversary)
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
    with _batches(Shards(synthesis, recipe.shard, recipe.seed), mine, workers) as drawn:
        while state.step < last:
            parts = [next(drawn) for _ in range(shards // processes)]
            inputs = Inputs.joined([part for part, _ in parts])
            truth = Truth.joined([part for _, part in parts])
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(recipe.optimiser, state.step, recipe.steps)
            inputs, truth = inputs.to(accelerator.device), truth.to(accelerator.device)
            some = None if photos is None else photos[_rows(recipe, len(photos), state.step, rank, processes)]
            with accelerator.autocast():
                prediction = model(inputs if some is None else Inputs.joined([inputs, some.inputs]))
            loss = losses(prediction[: len(truth)], truth, body, recipe.losses, everybody)
            if some is not None:
                loss = loss.plus(render_loss(prediction[len(truth) :], some, synthesis, recipe.unlabelled, everybody))
            if adversary is not None:
                loss = loss.plus(adversary.loss(prediction))
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
                seen = range(state.step * shards + rank, (state.step + 1) * shards, processes)
                loss = loss.plus(adversary.learn(prediction, seen, recipe.shard))
            state.step += 1
            _average(averaged, accelerator.unwrap_model(model), recipe.optimiser.average, state.step)
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
    return Trained(folder, state.step, state.best)


def learning_rate(setting: Optimiser, step: int, steps: int) -> float:
    """The rate of a step: up linearly, then down to zero by a cosine."""
    if step < setting.warm_up:
        return setting.learning_rate * (step + 1) / setting.warm_up
    done = (step - setting.warm_up) / max(1, steps - setting.warm_up)
    return 0.5 * setting.learning_rate * (1 + math.cos(math.pi * min(1.0, done)))


def _started(recipe: TrainingRecipe) -> Regressor:
    """The regressor that a recipe begins with."""
    found = load_regressor(recipe.start)
    if found.config != recipe.regressor:
        raise InputError(f"start: {recipe.start} is of another network than the recipe's `regressor` section describes")
    return found


def _recipe(text: str) -> TrainingRecipe | None:
    """A recipe as a state holds it; None where it is one of another version's."""
    try:
        return TrainingRecipe.model_validate_json(text)
    except ValidationError:
        return None


def _rows(recipe: TrainingRecipe, count: int, step: int, rank: int, processes: int) -> torch.Tensor:
    """Which people of the photos a step's process looks at: all get their turn, in a new order every time around."""
    wanted = torch.arange(step * recipe.unlabelled.batch, (step + 1) * recipe.unlabelled.batch)[rank::processes]
    rows = []
    for number in wanted.tolist():
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + number // count)
        rows.append(torch.randperm(count, generator=generator)[number % count])
    return torch.stack(rows)


@torch.no_grad()
def _average(averaged: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Moves the averaged weights towards the model's; faster in the beginning."""
    share = 1 - min(decay, step / (step + 10))
    for mean, value in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value.to(mean), share)
        else:
            mean.copy_(value)


@contextmanager
def _batches(data: Shards, numbers: range, workers: int) -> Iterator[Iterator[tuple[Inputs, Truth]]]:
    """Some shards, drawn ahead by other processes."""
    with threads_of_new_processes(1):
        loader = DataLoader(
            data,
            batch_size=None,
            sampler=numbers,
            num_workers=workers,
            # A process that has drawn must not fork.
            multiprocessing_context="spawn" if workers else None,
            prefetch_factor=4 if workers else None,
        )
        yield iter(loader)


class _State:
    """All that a training consists of, on disk."""

    def __init__(
        self,
        recipe: TrainingRecipe,
        folder: Path,
        model: Regressor,
        averaged: Regressor,
        optimiser: Any,
        adversary: Adversary | None,
    ) -> None:
        self.recipe, self.folder = recipe, folder
        self.model, self.averaged, self.optimiser, self.adversary = model, averaged, optimiser, adversary
        self.step = 0
        self.best: Score | None = None

    def save(self) -> None:
        """Writes everything, under a temporary name first."""
        content = {
            "recipe": self.recipe.model_dump_json(),
            "step": self.step,
            "best": None if self.best is None else self.best.__dict__,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "adversary": None if self.adversary is None else self.adversary.state(),
            "random": torch.get_rng_state(),
        }
        partial = self.folder / f".{STATE}.partial"
        torch.save(content, partial)
        partial.replace(self.folder / STATE)

    def load(self, device: torch.device) -> None:
        """Takes up what the folder holds, if it holds anything."""
        path = self.folder / STATE
        if not path.is_file():
            return
        try:
            content = torch.load(path, map_location=device, weights_only=True)
        except Exception as error:  # torch reports a damaged file in many ways
            raise InputError(f"{path}: not a readable training state, or cut off; remove it to begin anew") from error
        # Read, not compared letter by letter: what recipes have learned to say since has its default.
        if _recipe(content["recipe"]) != self.recipe:
            raise InputError(f"{self.folder}: holds the training of another recipe; choose another --out, or remove it")
        self.step = content["step"]
        self.best = None if content["best"] is None else Score(**content["best"])
        self.model.load_state_dict(content["model"])
        self.averaged.load_state_dict(content["averaged"])
        self.optimiser.load_state_dict(content["optimiser"])
        if self.adversary is not None:
            self.adversary.take_up(content["adversary"])
        torch.set_rng_state(content["random"].cpu())

    def keep_if_best(self, now: Score) -> None:
        """Writes the averaged weights if none before were better."""
        if self.best is None or now.pa_mpjpe_mm < self.best.pa_mpjpe_mm:
            self.best = now
            save_regressor(self.averaged, self.folder / REGRESSOR, note=f"{self.recipe.name}, step {self.step}")
