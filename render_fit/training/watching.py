"""Who follows a training: what is told of it while it runs, and TensorBoard's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.network import Regressor
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.figure_log import HELD_OUT, ON_PHOTOS
from render_fit.training.unlabelled_photos import UnlabelledPhotos
from render_fit.training.validation import HeldOut

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

TENSORBOARD = "tensorboard"
"""Folder of TensorBoard's files, in the folder of a training."""

EVERY = 20
"""Steps between two entries of TensorBoard; validations are always written."""


@runtime_checkable
class Watcher(Protocol):
    """Draws a training while it runs, in the main process (`pipelines.training_page.TrainingPage`)."""

    def show_people(self, held_out: HeldOut, sampler: PeopleSampler, config: RegressorConfig) -> None:
        """Takes people whose predictions are drawn, with their images, and the network's configuration."""
        ...

    def show_photos(
        self, photos: UnlabelledPhotos, paths: Sequence[Path], sampler: PeopleSampler, before: Regressor
    ) -> None:
        """Takes people in photos whose predictions are drawn, and the regressor that the training starts from."""
        ...

    def validated(self, step: int, regressor: Regressor) -> UInt8[np.ndarray, "h w 3"] | None:
        """Draws predictions of the averaged weights after a validation, whose figures are in the log by then."""
        ...


class TensorBoardLog:
    """Writes TensorBoard's files. They are begun with the first entry: the folder then belongs to this training.

    A resumed training writes a file of its own, which replaces what others have from its first step on.

    Args:
        folder: Folder of the training.
        watcher: Draws pictures of predictions, which are written too.

    Raises:
        ImportError: if tensorboard is not installed.
    """

    def __init__(self, folder: Path, watcher: Watcher | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder, self._watcher, self._kind = folder / TENSORBOARD, watcher, SummaryWriter
        self._writer: SummaryWriter | None = None

    def __enter__(self) -> TensorBoardLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Writes the figures of a step, if it is one of every `EVERY` or a validation."""
        if step % EVERY == 0 or any(key.startswith((HELD_OUT, ON_PHOTOS)) for key in figures):
            for key, value in figures.items():
                self._begun(step).add_scalar(key.replace(": ", "/"), value, step)

    def validated(self, step: int, regressor: Regressor) -> None:
        """Lets the watcher draw predictions, and writes their picture."""
        picture = None if self._watcher is None else self._watcher.validated(step, regressor)
        if picture is not None:
            self._begun(step).add_image("predictions", picture, step, dataformats="HWC")

    def _begun(self, step: int) -> SummaryWriter:
        self._writer = self._writer or self._kind(str(self._folder), purge_step=step)
        return self._writer
