"""What every experiment about learning is told, and how regressors are judged in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from render_fit.datasets.images import data_folder
from render_fit.synthesis.poses.bank import PoseBank


@dataclass(frozen=True)
class Settings:
    """What the command line says.

    Attributes:
        out: Folder for tables and trainings.
        data: Folder of the research data, or None.
        regressors: Names or paths of those to judge.
        people: How many held-out people judge.
        scale: Multiplies the number of steps of every training; 1 is the experiment, less a trial.
        workers: Processes that draw people.
        seed: Of every random choice.
        recipes: Names or paths of recipes of `render-fit fit` to judge.
        fits: How many people are fitted by each recipe.
        say: Called with what is being done.
    """

    out: Path
    data: Path | None = None
    regressors: tuple[str, ...] = ("lifter",)
    people: int = 512
    scale: float = 1.0
    workers: int = 1
    seed: int = 0
    recipes: tuple[str, ...] = ()
    fits: int = 128
    say: Callable[[str], None] = print

    def bank(self, split: str) -> PoseBank:
        """Poses of the motion capture, split by subject."""
        return PoseBank.from_motion_capture(data_folder(self.data), split)

    def steps(self, count: int) -> int:
        """A training's number of steps."""
        return max(1, round(self.scale * count))
