"""Trainings as the command line asks for them: data found, recipe checked, progress told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

from render_fit.bodies import load_body_or_fail
from render_fit.bodies.clothing import clothing_basis
from render_fit.core.errors import InputError
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseBank, load_pose_bank
from render_fit.training.loop import TrainingResult, train
from render_fit.training.recipe import TrainingRecipe, load_training_recipe
from render_fit.training.samples import observed_inputs
from render_fit.training.validation import sample_held_out

HELD_OUT = 512
"""People by whom weights are judged while training."""


def process_state() -> PartialState:
    """Those that train together, as they were started; the main one alone writes files and talks.

    Raises:
        InputError: if several were started that would not know of each other.
    """
    together = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if together.num_processes < started:
        raise InputError(
            f"{started} processes were started, and accelerate found no device for each of them; "
            "on processors alone, set ACCELERATE_USE_CPU=true"
        )
    return together


def people_sampler(recipe: TrainingRecipe, bank: PoseBank, size: int | None = None) -> PeopleSampler:
    """What draws a recipe's people."""
    body = load_body_or_fail(recipe.body, recipe.regressor.n_betas)
    basis = (
        clothing_basis(body, recipe.regressor.n_clothing) if recipe.clothing and recipe.regressor.n_clothing else None
    )
    return PeopleSampler(
        body,
        bank,
        basis,
        size or recipe.regressor.size,
        recipe.poses,
        recipe.people,
        recipe.observation_noise,
        images=recipe.images if recipe.regressor.sees("photo") else None,
    )


def run_training(
    name: str,
    out: Path,
    mocap: Path | None = None,
    *,
    steps: int | None = None,
    workers: int | None = None,
    watch: Callable[[int, int, dict[str, float]], None] | None = None,
) -> TrainingResult:
    """Trains, or goes on.

    Args:
        name: A training recipe, by name or path.
        out: The training's folder.
        mocap: Folder of motion capture; None: poses of the prior.
        steps: In place of the recipe's.
        workers: Processes that draw people; None: half of the cores, shared by the machine's processes.
        watch: Called with (step, all steps, figures), in the main process.

    Raises:
        InputError: for what the user can mend.
    """
    from torch.utils.tensorboard import SummaryWriter

    recipe = load_training_recipe(name)
    if steps is not None:
        recipe = recipe.model_copy(update={"steps": steps})
    synthesis = people_sampler(recipe, load_pose_bank(mocap))
    main = process_state().is_main_process
    held_out = sample_held_out(people_sampler(recipe, load_pose_bank(mocap, "held_out")), HELD_OUT) if main else None
    cores = (os.cpu_count() or 2) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    count = max(1, cores // 2) if workers is None else workers
    with ExitStack() as stack:

        @cache
        def writer() -> SummaryWriter:  # made by the first step: by then the folder is known to be this training's
            return stack.enter_context(SummaryWriter(str(out / "tensorboard")))

        def tell(step: int, figures: dict[str, float]) -> None:
            if step % 20 == 0 or any(key.startswith("held out") for key in figures):
                for key, value in figures.items():
                    writer().add_scalar(key.replace(": ", "/"), value, step)
            if watch is not None:
                watch(step, recipe.steps, figures)

        return train(recipe, out, synthesis, held_out, workers=count, watch=tell)


def write_dataset(
    name: str, out: Path, count: int, size: int, mocap: Path | None, seed: int, chunk: int = 256
) -> Iterator[int]:
    """Draws people with truth into files, ``chunk`` at a time; yields how many are done.

    Every file, ``people_00000.npz`` and so on, holds labels (SMPL part + 1), silhouettes and keypoints as observers see
    them, the truth (poses, betas, clothing, transl, joints, K), and pictures in colour where the recipe's network looks
    at them.

    Raises:
        InputError: for what the user can mend.
    """
    synthesis = people_sampler(load_training_recipe(name), load_pose_bank(mocap), size)
    out.mkdir(parents=True, exist_ok=True)
    for first in range(0, count, chunk):
        n = min(chunk, count - first)
        path = out / f"people_{first // chunk:05d}.npz"
        if not path.is_file():
            generator = torch.Generator().manual_seed(seed * 1_000_003 + first)
            drawn = synthesis.draw(n, generator)
            seen, who = observed_inputs(synthesis, drawn, generator), drawn.people
            pixels = {} if seen.photo is None else {"photo": (127.5 * (seen.photo + 1)).round().to(torch.uint8).numpy()}
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                np.savez_compressed(
                    file,
                    labels=drawn.labels.to(torch.uint8).numpy(),
                    photographed=drawn.photographed.numpy(),
                    silhouette_observed=seen.silhouette.to(torch.int8).numpy(),
                    keypoints=drawn.keypoints.numpy(),
                    keypoints_visible=drawn.visible.numpy(),
                    keypoints_observed=seen.keypoints.numpy(),
                    confidence_observed=seen.confidence.numpy(),
                    depths_observed=seen.depths.numpy(),
                    depth_confidence_observed=seen.depth_confidence.numpy(),
                    poses=who.parameters.pose.flatten(1).numpy(),
                    betas=who.parameters.betas.numpy(),
                    clothing=who.clothing.numpy(),
                    transl=who.parameters.transl.numpy(),
                    joints=who.joints.numpy(),
                    K=who.camera.K.numpy(),
                    **pixels,
                )
            partial.replace(path)
        yield first + n
