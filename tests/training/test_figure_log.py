"""The log of a training: one line for a step, also after it was stopped or killed."""

import json
from pathlib import Path

import pytest

from render_fit.core.errors import InputError, OutputError
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.figure_log import HELD_OUT, LOG, FigureLog, read_log
from render_fit.training.loop import train
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.validation import sample_held_out


def test_every_step_of_a_resumed_training_is_there_once_with_the_figures_of_an_uninterrupted_one(
    recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path
) -> None:
    held_out = sample_held_out(synthesis, 4)
    train(recipe, tmp_path / "whole", synthesis, held_out, workers=0)

    def killed(step: int, _: dict[str, float]) -> None:
        if step == 5:  # the state is that of step 4; step 5 is in the log
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "killed", synthesis, held_out, workers=0, on_step=killed)
    assert [line["step"] for line in read_log(tmp_path / "killed")] == [1, 2, 3, 4, 5]
    train(recipe, tmp_path / "killed", synthesis, held_out, workers=0)
    whole, resumed = read_log(tmp_path / "whole"), read_log(tmp_path / "killed")
    assert [line["step"] for line in resumed] == [1, 2, 3, 4, 5, 6]
    assert len((tmp_path / "killed" / LOG).read_text().splitlines()) == 6  # in the file, not by the reader alone
    assert [without_time(line) for line in resumed] == [without_time(line) for line in whole]
    times = [line["seconds"] for line in resumed]
    assert times == sorted(times)  # the clock goes on
    validated = [line["step"] for line in whole if HELD_OUT + "pa_mpjpe_mm" in line]
    assert validated == [3, 6]
    assert {"total", "joints", "learning_rate"} <= whole[0].keys()


def without_time(line: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in line.items() if key != "seconds"}


def test_a_new_training_in_a_folder_without_a_state_begins_a_new_log(tmp_path: Path) -> None:
    first = FigureLog(tmp_path, 0, 10)
    first.add(0, {"photos: iou": 0.5}, validated=True)
    first.add(1, {"total": 2.0})
    second = FigureLog(tmp_path, 0, 10)  # killed before the first state was saved
    second.add(0, {"photos: iou": 0.6}, validated=True)
    assert [without_time(line) for line in read_log(tmp_path)] == [{"step": 0, "photos: iou": 0.6}]


def test_a_long_training_logs_about_a_thousand_steps_and_all_validations(tmp_path: Path) -> None:
    log = FigureLog(tmp_path, 0, 22_000)
    for step in range(1, 101):
        log.add(step, {"total": 1.0}, validated=step == 50)
    assert [line["step"] for line in read_log(tmp_path)] == [22, 44, 50, 66, 88]


def test_figures_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    FigureLog(tmp_path, 0, 1).add(1, {"total": 1.5, "photos: iou": float("nan")})
    assert without_time(read_log(tmp_path)[0]) == {"step": 1, "total": 1.5}
    assert json.loads((tmp_path / LOG).read_text())["total"] == 1.5


def test_a_line_that_is_being_written_is_not_read_and_is_gone_after_resuming(tmp_path: Path) -> None:
    log = FigureLog(tmp_path, 0, 3)
    log.add(1, {"total": 1.0})
    with (tmp_path / LOG).open("ab") as file:
        file.write(b'{"step": 2, "sec')
    assert [line["step"] for line in read_log(tmp_path)] == [1]
    FigureLog(tmp_path, 1, 3).add(2, {"total": 0.5})
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2]


@pytest.mark.parametrize("text", ["nonsense", "[1]", '{"step": 1}', '{"step": 1, "seconds": "two"}', "[" * 100_000])
def test_files_that_are_no_log_are_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / LOG).write_text(text + "\n")
    with pytest.raises(InputError, match=r"log\.jsonl: line 1: expected the figures of a step"):
        read_log(tmp_path)


def test_a_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no log\.jsonl; expected the folder of a training"):
        read_log(tmp_path)


def test_a_folder_that_is_gone_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    log = FigureLog(tmp_path / "out", 0, 3)
    (tmp_path / "out" / LOG).unlink()
    (tmp_path / "out").rmdir()
    with pytest.raises(OutputError, match=r"log\.jsonl: cannot write there"):
        log.add(1, {"total": 1.0})
