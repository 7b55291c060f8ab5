"""Where inputs enter: readers of the library, and commands run in this process."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import render_fit.pipelines.folder
import render_fit.pipelines.photo
import render_fit.training.loop
import render_fit.training.runs
from render_fit.bodies import load_body_or_fail
from render_fit.cli import app
from render_fit.cli.streams import tell_what_streams_can_take
from render_fit.core.errors import InputError
from render_fit.export.parameters import read_params
from render_fit.fitting.recipe import load_recipe
from render_fit.losses.priors.gmm import GaussianMixturePrior
from render_fit.losses.priors.vae import PoseVAE
from render_fit.observations.camera_files import read_camera
from render_fit.observations.images import read_photo
from render_fit.observations.keypoint_files import read_people
from render_fit.observations.label_maps import read_labels
from render_fit.observations.mask_images import hidden_pixels, person_mask, read_mask_image
from render_fit.regressors.checkpoint import load_regressor
from render_fit.synthesis.poses.bank import load_pose_bank
from render_fit.training.recipe import load_training_recipe
from tests.fuzzing.fuzz_input import FuzzInput
from tests.fuzzing.worker import MOST_LETTERS, Outcome, as_fault
from tests.photos import HEIGHT, WIDTH

SIZE = (HEIGHT, WIDTH)


def _mask(path: str) -> None:
    image = read_mask_image(path, SIZE)
    hidden_pixels(image)
    person_mask(image)


READERS: dict[str, Callable[..., Any]] = {
    "photo": read_photo,
    "mask": _mask,
    "labels": lambda path, space: read_labels(path, space, SIZE),
    "people": lambda path: read_people(path, SIZE, "photo.png"),
    "camera": lambda path: read_camera(Path(path), *SIZE),
    "recipe": load_recipe,
    "training recipe": load_training_recipe,
    "regressor": load_regressor,
    "pose_vae": PoseVAE.from_file,
    "body": load_body_or_fail,
    "mixture": GaussianMixturePrior.from_file,
    "params": read_params,
    "motion capture": lambda folder: load_pose_bank(Path(folder)),
}


def run_reader(name: str, arguments: tuple[Any, ...]) -> None:
    """Calls a reader of the library."""
    READERS[name](*arguments)


class Accepted(InputError):
    """Raised in the place of a fit whose inputs were all accepted."""


_whole_way = False
_accepted = False


def prepare() -> None:
    """Lets fits stop where their inputs have been checked, and trainings before their first step."""
    fit, train = render_fit.pipelines.photo.fit_all, render_fit.training.loop.train

    def fit_or_stop(*arguments: Any, **options: Any) -> Any:
        global _accepted
        _accepted = True
        if not _whole_way:
            raise Accepted("accepted")
        return fit(*arguments, **options)

    def train_nothing(*arguments: Any, **options: Any) -> Any:
        global _accepted
        _accepted = True
        return train(*arguments, **options, stop_after=0)

    render_fit.pipelines.photo.fit_all = fit_or_stop
    render_fit.training.runs.train = train_nothing
    render_fit.training.runs.sample_held_out = lambda *_: None
    render_fit.pipelines.folder.log.disabled = True  # tracebacks of failed photos, which only --verbose prints


def run_command(given: FuzzInput) -> Outcome:
    """Runs a command line as `render-fit` does, and judges how it ended."""
    global _whole_way, _accepted
    _whole_way, _accepted = given.whole_way, False
    try:
        code, output, errors = _invoked(given.command)
    except BaseException as error:
        return as_fault(error)
    if "Traceback" in output + errors:
        return Outcome("crashes", "traceback", (output + errors)[-3000:], "printed")
    lines = errors.strip().splitlines()
    if code == 0 or (code == 1 and given.command[0] in ("fit", "predict")):
        bugs = [reason for reason in _reasons() if _is_bug(reason)]
        if bugs:
            return Outcome("crashes", "traceback", bugs[0], f"report: {bugs[0].split(': ')[1][:60]}")
        return Outcome("works" if code == 0 else "accepted" if _accepted else "refused", detail=errors)
    if code == 2 and lines and lines[0].startswith("Usage:"):
        return Outcome("refused", detail=lines[-2] if len(lines) > 1 else lines[0])
    shown = [line for line in lines if "is now called" not in line]
    if code == 2 and len(shown) == 1 and shown[0].startswith("render-fit: ") and len(shown[0]) <= MOST_LETTERS:
        return Outcome("accepted" if _accepted and "accepted" in shown[0] else "refused", detail=shown[0])
    return Outcome(
        "refused", "message", f"exit code {code}: {(output + errors)[-1500:]}", f"exit code {code}, {len(lines)} lines"
    )


def _invoked(command: Sequence[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command; raises what the command raises."""
    streams = sys.stdout, sys.stderr
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        sys.stdout, sys.stderr = (os.fdopen(os.dup(file.fileno()), "w", encoding="utf-8") for file in (output, errors))
        code: Any = 0
        try:
            tell_what_streams_can_take()
            app(list(command))
        except SystemExit as end:
            code = end.code or 0
        finally:
            sys.stdout.close()
            sys.stderr.close()
            sys.stdout, sys.stderr = streams
        for file in (output, errors):
            file.seek(0)
        return int(code), output.read().decode(errors="replace"), errors.read().decode(errors="replace")


def _reasons() -> list[str]:
    """Reasons in the reports of the output folder."""
    found = []
    for path in Path("out").glob("*/report.json"):
        try:
            found.append(str(json.loads(path.read_text()).get("reason", "")))
        except (ValueError, AttributeError, OSError, RecursionError):
            continue
    return found


def _is_bug(reason: str) -> bool:
    """Whether a report gives the name of an error of Python as its reason: ``photo.png: KeyError: …``."""
    words = reason.split(": ")
    return any(word.isidentifier() and word.endswith(("Error", "Exception")) for word in words[:3])
