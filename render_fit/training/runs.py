"""Trainings from names and paths: recipe, data, processes, TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from render_fit.bodies import load_body_or_fail
from render_fit.bodies.clothing import clothing_basis
from render_fit.core.array_files import write_arrays
from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output, remove_leftovers
from render_fit.core.locks import only_user_of
from render_fit.core.threads import available_cores
from render_fit.datasets.photo_search import find_photos
from render_fit.regressors.network import Regressor
from render_fit.synthesis.images.background_photos import BackgroundPhotos
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseBank, load_pose_bank
from render_fit.training.feature_cache import CachedPeople, OnProgress, cached_features
from render_fit.training.loop import TrainingResult, train
from render_fit.training.mirroring import Mirror
from render_fit.training.processes import process_state
from render_fit.training.recipe import TrainingRecipe, load_training_recipe
from render_fit.training.samples import observed_inputs
from render_fit.training.validation import sample_held_out
from render_fit.training.watching import TensorBoardLog, Watcher

HELD_OUT = 512
"""Held-out people of a validation."""


FEATURES = "features"
"""Folder of cached features inside of the folder of a training."""


def make_people_sampler(
    recipe: TrainingRecipe, bank: PoseBank, size: int | None = None, backgrounds: Path | None = None
) -> PeopleSampler:
    """Sampler of a recipe's synthetic people, in images of ``size`` pixels, by default the regressor's.

    Raises:
        InputError: if ``backgrounds`` is given and the recipe's network uses no photos, or the folder has none.
    """
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
        images=recipe.images if recipe.regressor.uses("photo") else None,
        backgrounds=None if backgrounds is None else _background_photos(recipe, backgrounds),
    )


def _background_photos(recipe: TrainingRecipe, folder: Path) -> BackgroundPhotos:
    if not recipe.regressor.uses("photo"):
        raise InputError(f"--backgrounds: the network of the recipe {recipe.name} uses no photos; hmr does")
    return BackgroundPhotos.read(list(find_photos([folder]).images))


def cached_people(
    recipe: TrainingRecipe, sampler: PeopleSampler, folder: Path, on_progress: OnProgress | None = None
) -> CachedPeople | None:
    """Synthetic people of a recipe with features, read from a folder or computed; None if it wants new ones always.

    Raises:
        InputError: if the backbone is not frozen, or the folder has features of other people.
    """
    if not recipe.cached_people:
        return None
    regressor = Regressor(recipe.regressor)
    inputs, truth = cached_features(
        regressor, sampler, recipe.cached_people, recipe.seed, folder, process_state(), on_progress
    )
    mirror = Mirror.of(sampler.body, sampler.basis) if regressor.is_turned and regressor.is_symmetric else None
    return CachedPeople(inputs, truth, recipe.shard, recipe.seed, recipe.label_availability, mirror)


def run_training(
    name: str,
    out: Path,
    mocap: Path | None = None,
    *,
    steps: int | None = None,
    workers: int | None = None,
    backgrounds: Path | None = None,
    features: Path | None = None,
    on_step: Callable[[int, int, dict[str, float]], None] | None = None,
    on_features: OnProgress | None = None,
    watcher: Watcher | None = None,
) -> TrainingResult:
    """Trains a regressor, or resumes the training in ``out``.

    Args:
        name: Training recipe, by name or path.
        out: Folder of the training.
        mocap: Folder of motion capture; None: poses of the pose prior.
        steps: Number of steps; None: that of the recipe.
        workers: Processes that sample people; None: half of the cores, divided among the machine's processes.
        backgrounds: Folder of photos without people, behind the people of RGB images; None: synthetic backgrounds.
        features: Folder of cached features, which trainings may share; None: a folder in ``out``.
        on_step: Called in the main process with (step, steps in all, values for the log).
        on_features: Called with (people whose features are there, people in all).
        watcher: Draws predictions for the first held-out people at every validation, in the main process.

    Raises:
        InputError: if the recipe, the motion capture, the photos or a folder cannot be used, or another process trains
            there.
    """
    recipe = load_training_recipe(name)
    if steps is not None:
        recipe = recipe.model_copy(update={"steps": steps})
    sampler = make_people_sampler(recipe, load_pose_bank(mocap), backgrounds=backgrounds)
    main = process_state().is_main_process
    held_out = None
    if main:
        others = make_people_sampler(recipe, load_pose_bank(mocap, "held_out"), backgrounds=backgrounds)
        held_out = sample_held_out(others, HELD_OUT)
    cores = available_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    count = max(1, cores // 2) if workers is None else workers
    with ExitStack() as stack:
        if main:
            stack.enter_context(only_user_of(prepare_output(out)))
        tensorboard = stack.enter_context(TensorBoardLog(out, watcher))
        cached = cached_people(recipe, sampler, features or out / FEATURES, on_features)
        if watcher is not None and held_out is not None:
            watcher.show_people(held_out, sampler, recipe.regressor)
        if cached is not None and held_out is not None:
            held_out = replace(held_out, inputs=Regressor(recipe.regressor).with_features(held_out.inputs))

        def log(step: int, figures: dict[str, float]) -> None:
            tensorboard.add(step, figures)
            if on_step is not None:
                on_step(step, recipe.steps, figures)

        return train(
            recipe,
            out,
            sampler,
            held_out,
            cached=cached,
            workers=count,
            on_validation=tensorboard.validated,
            on_step=log,
        )


def write_dataset(
    name: str, out: Path, count: int, size: int, mocap: Path | None, seed: int, chunk: int = 256
) -> Iterator[int]:
    """Writes ``count`` synthetic people with ground truth, ``chunk`` in a file; yields the number of people done.

    Every file, ``people_00000.npz`` and so on, contains part labels (SMPL part + 1), silhouettes and keypoints without
    and with observation noise, and the ground truth (poses, betas, clothing, transl, joints, K). RGB images are added
    if the recipe's network uses them. Existing files are kept.

    Raises:
        InputError: if the recipe, the motion capture or the folder cannot be used.
    """
    sampler = make_people_sampler(load_training_recipe(name), load_pose_bank(mocap), size)
    remove_leftovers(prepare_output(out))
    for first in range(0, count, chunk):
        n = min(chunk, count - first)
        path = out / f"people_{first // chunk:05d}.npz"
        if not path.is_file():
            generator = torch.Generator().manual_seed(seed * 1_000_003 + first)
            drawn = sampler.sample(n, generator)
            observed, people = observed_inputs(sampler, drawn, generator), drawn.people
            rgb = {}
            if observed.photo is not None:
                rgb["photo"] = (127.5 * (observed.photo + 1)).round().to(torch.uint8).numpy()
            write_arrays(
                path,
                labels=drawn.labels.to(torch.uint8).numpy(),
                photographed=drawn.in_image.numpy(),
                silhouette_observed=observed.silhouette.to(torch.int8).numpy(),
                keypoints=drawn.keypoints.numpy(),
                keypoints_visible=drawn.visible.numpy(),
                keypoints_observed=observed.keypoints.numpy(),
                confidence_observed=observed.confidence.numpy(),
                depths_observed=observed.depths.numpy(),
                depth_confidence_observed=observed.depth_confidence.numpy(),
                poses=people.parameters.pose.flatten(1).numpy(),
                betas=people.parameters.betas.numpy(),
                clothing=people.clothing.numpy(),
                transl=people.parameters.transl.numpy(),
                joints=people.joints.numpy(),
                K=people.camera.K.numpy(),
                **rgb,
            )
        yield first + n
