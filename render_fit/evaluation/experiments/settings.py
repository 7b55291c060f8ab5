"""The configuration of an experiment: declared once for Python and for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from render_fit.core.errors import InputError
from render_fit.core.threads import available_cores

if TYPE_CHECKING:  # imported where needed, so that --help does not import torch
    from render_fit.datasets.mocap import MocapPoses, Split
    from render_fit.synthesis.poses.bank import PoseBank

Sample = TypeVar("Sample")


@dataclass(frozen=True)
class ExperimentConfig:
    """Options of `render-fit experiment`; an experiment uses those that its entry in `table.EXPERIMENTS` lists.

    Each field's annotation contains its description, which is also the help text of the command line's option.

    Raises:
        InputError: if a number is too small.
    """

    out: Annotated[Path, "Folder for JSON, CSV, contact sheet and trainings."]
    data: Annotated[Path | None, "Folder of the research data. Default: RENDER_FIT_DATA, or ../shared/data."] = None
    seed: Annotated[int, "Seed of all random choices."] = 0
    limit: Annotated[int | None, "Largest number of people per data set."] = None
    jobs: Annotated[int, "Processes that fit people, each with cores / jobs threads."] = 1
    recipes: Annotated[
        tuple[str, ...], "Fit recipe: a name or a file. Default: hybrid. regressor-baselines takes several."
    ] = ()
    regressors: Annotated[
        tuple[str, ...],
        "Regressor that initialises the fits: a name, a file or none. Default: the recipe's. "
        "regressor-baselines evaluates several, lifter by default.",
    ] = ()
    clothing: Annotated[
        Literal["none", "smooth", "free"] | None,
        "Clothing offsets. Default: the recipe's. coco-masks always compares all three.",
    ] = None
    keypoints_only: Annotated[bool, "Refine with keypoints alone, for as many iterations as with images."] = False
    observer_3d: Annotated[
        Literal["recipe", "none"], "Observer's 3D keypoints: if the recipe has a term on them, or never."
    ] = "recipe"
    backbones: Annotated[
        tuple[str, ...],
        "Pretrained backbone that the experiment backbones compares, frozen, beside its own: efficientnet-lite0, a "
        "model on the hub (owner/name) or a folder. May be given several times.",
    ] = ()
    people: Annotated[int, "Held-out synthetic people."] = 512
    repeats: Annotated[int, "Trainings of each variant, with other seeds; tables give mean and standard deviation."] = 3
    scale: Annotated[float, "Factor on the steps and people of every training."] = 1.0
    workers: Annotated[int, "Processes that generate synthetic people during training."] = 1
    fits: Annotated[int, "People that each recipe fits."] = 128
    frames: Annotated[int, "Frames of each clip, 30 a second."] = 60
    images: Annotated[int, "Largest number of images of a person."] = 8
    iterations: Annotated[int, "Iterations of each fit of convergence-basin."] = 40
    rows: Path | None = field(default=None, compare=False)
    """Folder in which finished rows are kept, for `runner.run_experiment`; None: nowhere. No option."""

    def __post_init__(self) -> None:
        least = dict.fromkeys(("limit", "jobs", "people", "repeats", "fits", "iterations"), 1)
        least |= {"frames": 4, "images": 2, "workers": 0, "scale": 0}
        for name, minimum in least.items():
            value = getattr(self, name)
            if value is not None and value < minimum:
                raise InputError(f"{flag(name)} {value}: expected at least {minimum}")

    @property
    def recipe(self) -> str:
        """The one fit recipe, for experiments that do not compare several."""
        return _only("recipes", self.recipes) or "hybrid"

    @property
    def regressor(self) -> str | None:
        """The one regressor that initialises fits; None for the recipe's."""
        return _only("regressors", self.regressors)

    @property
    def threads(self) -> int:
        """Threads of each of the ``jobs`` processes."""
        return max(1, available_cores() // self.jobs)

    def bank(self, split: Split) -> PoseBank:
        """Everyday poses of the subjects in a split for trainings, made once per process."""
        from render_fit.datasets.images import data_folder

        return _bank(data_folder(self.data), split)

    def poses(self, split: Split) -> MocapPoses:
        """Motion-capture poses of the subjects in a split, read once per process."""
        from render_fit.datasets.images import data_folder

        return _poses(data_folder(self.data), split)

    def training_folder(self, experiment: str, name: str, steps: int, seed: int) -> Path:
        """Folder of a training: of each length and seed its own, so that a trial and a full run do not meet."""
        return self.out / "trainings" / experiment / f"{steps}_steps" / in_path(f"{name}, seed {seed}")

    def limited(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """The first ``limit`` samples, or all."""
        return samples[: self.limit]

    def steps(self, count: int) -> int:
        """A number of training steps or people, scaled."""
        return max(1, round(self.scale * count))


def in_path(name: str) -> str:
    """A name as a part of a path: without blanks and slashes."""
    return name.replace(" ", "_").replace("/", "_")


def flag(field: str) -> str:
    """Name of the command-line option of a field."""
    singular = {"recipes": "recipe", "regressors": "regressor", "backbones": "backbone"}
    return "--" + singular.get(field, field).replace("_", "-")


@lru_cache(maxsize=2)
def _bank(folder: Path, split: Split) -> PoseBank:
    from render_fit.synthesis.poses.bank import PoseBank

    return PoseBank.from_motion_capture(folder, split)


@lru_cache(maxsize=2)
def _poses(folder: Path, split: Split) -> MocapPoses:
    from render_fit.datasets.mocap import load_poses

    return load_poses(folder, split)


def _only(field: str, values: tuple[str, ...]) -> str | None:
    if len(values) > 1:
        raise InputError(
            f"{flag(field)}: expected one, got {', '.join(values)}; only regressor-baselines takes several"
        )
    return values[0] if values else None
