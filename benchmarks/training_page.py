"""What ``render-fit train --plot`` adds to a validation, beside what a validation takes: processor time of one thread.

    python -m benchmarks.training_page [--regressor lifter] [--lines 1000] [--runs 5]

Held-out people and weights are real, the log is made up: its content does not change the time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.measure import spread, take_turns
from benchmarks.people import processor_time
from render_fit.pipelines.training_page.page import TrainingPage
from render_fit.pipelines.training_page.predictions import PredictionSheet
from render_fit.regressors.checkpoint import load_regressor
from render_fit.synthesis.poses.bank import load_pose_bank
from render_fit.training.figure_log import HELD_OUT, LOG
from render_fit.training.recipe import load_training_recipe
from render_fit.training.runs import HELD_OUT as PEOPLE
from render_fit.training.runs import make_people_sampler
from render_fit.training.validation import sample_held_out, score


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regressor", default="lifter", help="name of a shipped recipe and regressor")
    parser.add_argument("--lines", type=int, default=1000, help="lines of the log")
    parser.add_argument("--runs", type=int, default=5, help="measured runs")
    options = parser.parse_args(words)
    torch.set_num_threads(1)
    recipe, regressor = load_training_recipe(options.regressor), load_regressor(options.regressor)
    sampler = make_people_sampler(recipe, load_pose_bank(None, "held_out"))
    held_out = sample_held_out(sampler, 64)
    sheet = PredictionSheet.of_people(held_out, sampler, recipe.regressor)
    with tempfile.TemporaryDirectory() as folder:
        write_log(Path(folder), options.lines)
        page = TrainingPage(folder)
        cases = {
            "predictions of six people": processor_time(lambda: sheet(regressor)),
            "plots and page": processor_time(page.write),
            f"errors of 64 people (a validation has {PEOPLE})": processor_time(
                lambda: score(regressor, held_out, sampler.body)
            ),
        }
        for name, seconds in take_turns(cases, options.runs).items():
            print(f"{name}: {spread(seconds[:, 0], 's')}")
    return 0


def write_log(folder: Path, lines: int) -> None:
    """Writes a log with eight terms in each line, and a validation in every fiftieth."""
    names = ("total", "joints", "rotations", "betas", "projection", "pelvis_offset", "clothing", "choice")
    with (folder / LOG).open("w", encoding="utf-8") as file:
        for step in range(1, lines + 1):
            line = {"step": step, "seconds": 0.3 * step, "learning_rate": 1e-3, **dict.fromkeys(names, 1 / step)}
            if step % 50 == 0:
                line |= {HELD_OUT + name: 90 + 1000 / step for name in ("pa_mpjpe_mm", "mpjpe_mm", "best_pa_mpjpe_mm")}
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    sys.exit(main())
