"""TensorBoard's files of a training: every step once, also after it was resumed; pictures of whoever watches."""

from pathlib import Path

import numpy as np

from render_fit.regressors.network import Regressor
from render_fit.training.figure_log import HELD_OUT
from render_fit.training.watching import TENSORBOARD, TensorBoardLog, Watcher
from tests.training.conftest import SMALL


class Painter(Watcher):
    """Draws pictures of one colour, brighter with every step; none before the first one."""

    def show_people(self, held_out, sampler, config): ...
    def show_photos(self, photos, paths, sampler, before): ...

    def validated(self, step: int, regressor: Regressor):
        return np.full((8, 8, 3), 10 + step, np.uint8) if step else None


def test_a_resumed_training_replaces_the_steps_that_it_does_again(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    regressor = Regressor(SMALL)
    for steps, offset in (((20, 40, 55, 60), 0.0), ((40, 41, 60, 80), 100.0)):  # the second goes on from step 39
        with TensorBoardLog(tmp_path, Painter()) as log:
            log.validated(0, regressor) if offset == 0 else None
            for step in steps:
                log.add(step, {"total": step + offset} | ({HELD_OUT + "mpjpe_mm": 1.0} if step == 55 else {}))
                if step % 40 == 0:
                    log.validated(step, regressor)
    events = EventAccumulator(str(tmp_path / TENSORBOARD)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("total")] == [
        (20, 20),
        (40, 140),
        (60, 160),
        (80, 180),
    ]
    assert [event.step for event in events.Images("predictions")] == [40, 80]


def test_nothing_is_written_before_the_first_entry(tmp_path: Path) -> None:
    with TensorBoardLog(tmp_path) as log:
        log.add(3, {"total": 1.0})  # is between two entries
        log.validated(3, Regressor(SMALL))  # nobody draws
    assert not (tmp_path / TENSORBOARD).exists()
