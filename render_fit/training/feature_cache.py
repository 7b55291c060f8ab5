"""Features of synthetic people by a frozen backbone, computed once and kept on disk.

A frozen backbone gives the same features in every step, so that a head is trained on them for many epochs at a small
part of the cost. The folder has a file for every `PEOPLE` people. A computation that was stopped goes on with the next
file, and a smaller training reads some of the files of a larger one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from torch.utils.data import Dataset

from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output, remove_leftovers, write_bytes
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import Regressor
from render_fit.regressors.onnx_look import onnx_look
from render_fit.regressors.view_finder import ASSET
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.epoch_order import EpochOrder
from render_fit.training.mirroring import Mirror
from render_fit.training.samples import GroundTruth, LabelAvailability, ground_truth, photo_inputs

PEOPLE = 256
"""People in a file."""

KEY = "render_fit_features"
"""Key of the fingerprint in the header of a file."""

CHUNK = 32
"""People who are rendered at a time."""

_VERSION = 2

OnProgress = Callable[[int, int], None]


class CachedPeople(Dataset[tuple[RegressorInputs, GroundTruth]]):
    """A fixed set of synthetic people, in shards of equal size, in another order in every epoch.

    The number of a shard alone decides who is in it, as in `data_loading.Shards`.

    Args:
        inputs: Inputs of M people; with features for a network with a frozen backbone.
        truth: Ground truth of these people.
        people: People in a shard.
        seed: Seed of the order.
        labels: Shares of people with each kind of label. The same people have a label in every epoch.
        mirror: Mirrors half of the people, others in every epoch; None: nobody is mirrored.

    Raises:
        InputError: if there are fewer people than in a shard.
    """

    def __init__(
        self,
        inputs: RegressorInputs,
        truth: GroundTruth,
        people: int,
        seed: int,
        labels: LabelAvailability,
        mirror: Mirror | None = None,
    ) -> None:
        if len(truth) < people:
            raise InputError(f"cached_people: expected at least a shard of {people}, got {len(truth)}")
        self.inputs, self.people, self.seed, self.mirror = inputs, people, seed, mirror
        self.truth = replace(truth, labels=labels.carried(torch.arange(len(truth))))
        self._order = EpochOrder(len(truth), seed)

    def __getitem__(self, index: int) -> tuple[RegressorInputs, GroundTruth]:
        epoch, place = divmod(index, len(self.truth) // self.people)
        rows = self._order.of(epoch)[place * self.people : (place + 1) * self.people]
        inputs = self.inputs[rows]
        if inputs.features is not None:
            inputs = replace(inputs, features=inputs.features.float())
        if self.mirror is None:
            return inputs, self.truth[rows]
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        return self.mirror.people(inputs, self.truth[rows], torch.rand(self.people, generator=generator) < 0.5)

    def __len__(self) -> int:
        return 2**31


def cached_features(
    regressor: Regressor,
    sampler: PeopleSampler,
    count: int,
    seed: int,
    folder: Path,
    processes: PartialState | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[RegressorInputs, GroundTruth]:
    """Features of synthetic people, read from a folder, where those that are missing are computed and written.

    Args:
        regressor: Regressor with a frozen backbone, which onnxruntime computes if it is installed; its other weights
            are not used.
        sampler: Sampler of people with RGB images.
        count: Number of people; rounded up to whole files.
        seed: Seed of the people.
        folder: Folder of the files; created if it does not exist.
        processes: Processes, each of which computes its share of the files; None: this one alone.
        on_progress: Called with (people done, people in all) of this process.

    Returns:
        Inputs with features in float16, and ground truth, of all people.

    Raises:
        InputError: if the backbone is trained, the folder has features of other people or of another backbone, or it
            cannot be written.
    """
    if not regressor.is_frozen or regressor.config.pictures != ("photo",):
        raise InputError(
            "cached_people: features are computed once only for a frozen backbone that reads photos; expected "
            "`pictures: [photo]` and `backbone: {model_type: blazepose}`, or `cached_people: 0`"
        )
    backbone: Any = regressor.backbone
    remove_leftovers(prepare_output(folder))
    mark = fingerprint(regressor, sampler, seed)
    files = [folder / f"people_{number:05d}.safetensors" for number in range(-(-count // PEOPLE))]
    rank, n_processes = (0, 1) if processes is None else (processes.process_index, processes.num_processes)
    own = range(rank, len(files), n_processes)
    for done, number in enumerate(own, start=1):
        if _read(files[number], mark) is None:
            if backbone.look is None:
                backbone.look = onnx_look()
            _write(files[number], mark, *_people(regressor, sampler, seed, number))
        if on_progress is not None:
            on_progress(done * PEOPLE, len(own) * PEOPLE)
    if processes is not None:
        processes.wait_for_everyone()
    parts = [found for path in files if (found := _read(path, mark)) is not None]
    if len(parts) < len(files):
        raise InputError(f"{folder}: a file of features is missing or damaged; run again to compute it")
    inputs, truths = zip(*parts, strict=True)
    return RegressorInputs.joined(inputs), GroundTruth.joined(truths)


def fingerprint(regressor: Regressor, sampler: PeopleSampler, seed: int) -> str:
    """Hash of everything that decides the features: backbone, people, poses, images and seed."""
    config, bank = regressor.config, sampler.bank.pose
    settings = [sampler.poses, sampler.people, sampler.noise, sampler.images]
    backgrounds = 0 if sampler.backgrounds is None else int(sampler.backgrounds.squares.long().sum())
    content = [
        _VERSION,
        PEOPLE,
        config.backbone,
        hashlib.sha256(ASSET.read_bytes()).hexdigest(),
        sampler.size,
        sampler.body.name,
        None if sampler.basis is None else len(sampler.basis.eigenvalues),
        [None if one is None else one.model_dump(mode="json") for one in settings],
        [skeleton.name for skeleton in sampler.keypoint_formats],
        list(bank.shape),
        round(float(bank.double().abs().sum()), 2),
        backgrounds,
        seed,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


@torch.no_grad()
def _people(
    regressor: Regressor, sampler: PeopleSampler, seed: int, number: int
) -> tuple[RegressorInputs, GroundTruth]:
    """The people of a file; its number and the seed alone decide who they are."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
    parts = []
    for _ in range(PEOPLE // CHUNK):
        drawn = sampler.sample(CHUNK, generator)
        inputs = regressor.with_features(photo_inputs(sampler, drawn, generator))
        assert inputs.features is not None
        parts.append((replace(inputs, features=inputs.features.half()), ground_truth(sampler, drawn.people)))
    inputs, truths = zip(*parts, strict=True)
    return RegressorInputs.joined(inputs), GroundTruth.joined(truths)


def _write(path: Path, mark: str, inputs: RegressorInputs, truth: GroundTruth) -> None:
    content = {f"inputs.{name}": value for name, value in inputs.tensors().items()}
    content |= {f"truth.{name}": value for name, value in truth.tensors().items()}
    write_bytes(path, save({name: value.contiguous() for name, value in content.items()}, metadata={KEY: mark}))


def _read(path: Path, mark: str) -> tuple[RegressorInputs, GroundTruth] | None:
    """Content of a file; None if it does not exist or is damaged.

    Raises:
        InputError: if it has features of other people or of another backbone.
    """
    if not path.is_file():
        return None
    content: dict[str, Tensor] = {}
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get(KEY)
            if found == mark:
                content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception:  # safetensors reports a damaged file in many ways
        return None
    if found != mark:
        raise InputError(
            f"{path}: features of other people or of another backbone; choose another folder, or remove this one"
        )
    inputs, truth = (
        {key.removeprefix(prefix): value for key, value in content.items() if key.startswith(prefix)}
        for prefix in ("inputs.", "truth.")
    )
    return RegressorInputs(**inputs), GroundTruth(**truth)
