"""Writes the page of a training: ``index.html``, with plots and pictures of predictions beside it."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from render_fit.core.files import prepare_output, remove_leftovers
from render_fit.core.text_files import read_json
from render_fit.export.overlays import Pixels, write_image
from render_fit.export.pages import write_page
from render_fit.pipelines.training_page.plots import Log, curve, write_plots
from render_fit.pipelines.training_page.predictions import COLUMNS, SIZE_PX, PredictionSheet
from render_fit.pipelines.training_page.requirements import check_matplotlib
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.network import Regressor
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.checkpointing import RECIPE, REGRESSOR
from render_fit.training.figure_log import HELD_OUT, LOG, ON_PHOTOS, read_log
from render_fit.training.unlabelled_photos import UnlabelledPhotos
from render_fit.training.validation import HeldOut

PAGE, PLOTS, PREDICTIONS = "index.html", "plots", "predictions"
"""The page in the folder of a training, and the folders of its pictures."""


class TrainingPage:
    """Draws the page of a training: while it runs, at every validation, or from its log afterwards.

    ``TrainingPage("training/lifter").write()`` draws the page of any training that has a log. A training that is given
    such a page (``watcher=``, or ``on_validation=page.validated`` of `train`) also draws predictions.

    Args:
        folder: Folder of the training.

    Raises:
        MissingDependencyError: if matplotlib is not installed.
    """

    def __init__(self, folder: Path | str) -> None:
        check_matplotlib()
        self.folder = Path(folder)
        self._sheet: PredictionSheet | None = None

    def show_people(self, held_out: HeldOut, sampler: PeopleSampler, config: RegressorConfig) -> None:
        """Takes held-out people, of whom the first are drawn at every validation.

        Args:
            held_out: Held-out people, with their images.
            sampler: Sampler with the body and the clothing basis.
            config: Configuration of the network; says which inputs are drawn.
        """
        self._sheet = PredictionSheet.of_people(held_out, sampler, config)

    def show_photos(
        self, photos: UnlabelledPhotos, paths: Sequence[Path], sampler: PeopleSampler, before: Regressor
    ) -> None:
        """Takes people in photos, of whom the first are drawn at every validation.

        Args:
            photos: One person in each photo.
            paths: The photos' files.
            sampler: Sampler with the body and the clothing basis.
            before: The regressor that the training starts from.
        """
        self._sheet = PredictionSheet.of_photos(photos, paths, sampler, before)

    def validated(self, step: int, regressor: Regressor) -> Pixels | None:
        """Draws the predictions of a regressor after a step, and the page.

        Returns:
            The picture of the predictions; None if no people were given.
        """
        picture = None if self._sheet is None else self._sheet(regressor)
        if picture is not None:
            write_image(_prepared(self.folder / PREDICTIONS) / f"step_{step:07d}.jpg", picture)
        self.write()
        return picture

    def write(self) -> Path:
        """Draws the page from the log, with the pictures of predictions that are there.

        Returns:
            The page.

        Raises:
            InputError: if the folder has no log, or cannot be written to.
        """
        log = read_log(self.folder)
        plots = write_plots(_prepared(self.folder / PLOTS), log)
        recipe = _recipe(self.folder)
        name = self.folder.resolve().name
        parts = {
            "title": html.escape(name),
            "summary": html.escape(_summary(log, recipe)),
            "description": html.escape(str(recipe.get("description", ""))),
            "figures": "".join(
                f"<div><dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd></div>"
                for key, value in _figures(log, recipe).items()
            ),
            "predictions": _predictions(self.folder, self._pictures(log), len(curve(log, ON_PHOTOS + "iou")[0]) > 0),
            "plots": "\n".join(_plot(file, title) for file, title in plots.items()),
            "files": "".join(
                f'<li><a href="{file}">{file}</a>: {what}</li>'
                for file, what in FILES.items()
                if (self.folder / file).is_file()
            ),
        }
        return write_page(self.folder / PAGE, "render_fit.pipelines.training_page", "page", parts)

    def _pictures(self, log: Log) -> list[tuple[int, str]]:
        """Steps and paths of the pictures of predictions. Those of steps that are not done any more are left out."""
        last = int(log[-1]["step"]) if log else 0
        found = [
            (int(path.stem.removeprefix("step_")), f"{PREDICTIONS}/{path.name}")
            for path in sorted((self.folder / PREDICTIONS).glob("step_*.jpg"))
            if re.fullmatch(r"step_\d+", path.stem)
        ]
        return [(step, path) for step, path in found if step <= last]


FILES = {
    LOG: "the figures of this page, one step a line",
    RECIPE: "the recipe, with all defaults",
    REGRESSOR: "the best averaged weights, for --regressor",
}
"""Files that the page names, and what they are."""


def _prepared(folder: Path) -> Path:
    """A folder for pictures, without what killed processes left in it."""
    remove_leftovers(prepare_output(folder))
    return folder


def _recipe(folder: Path) -> dict[str, Any]:
    """The recipe of a training; empty if there is none."""
    path = folder / RECIPE
    found = read_json(path, "the recipe of a training") if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _summary(log: Log, recipe: dict[str, Any]) -> str:
    """One line: recipe, steps done, and whether that is all."""
    done, steps = (int(log[-1]["step"]) if log else 0), recipe.get("steps")
    name = f"recipe {recipe['name']}, " if recipe.get("name") else ""
    if not isinstance(steps, int):
        return f"{name}{done:,} steps"
    return f"{name}{steps:,} steps, complete" if done >= steps else f"{name}{done:,} of {steps:,} steps"


def _figures(log: Log, recipe: dict[str, Any]) -> dict[str, str]:
    """The most important figures by name."""
    found: dict[str, str] = {}
    if len(log) < 2:
        return found
    steps, errors = curve(log, HELD_OUT + "pa_mpjpe_mm")
    if len(steps):
        best = int(errors.argmin())
        found["best PA-MPJPE"] = f"{errors[best]:.1f} mm at step {steps[best]:,.0f}"
        found["last PA-MPJPE"] = f"{errors[-1]:.1f} mm"
    steps, overlaps = curve(log, ON_PHOTOS + "iou")
    if len(steps):
        found["IoU with the photos"] = f"{overlaps[0]:.3f} → {overlaps[-1]:.3f}"
    seconds, done = log[-1]["seconds"], log[-1]["step"]
    found["time of training"] = _time(seconds)
    if isinstance(recipe.get("steps"), int) and done < recipe["steps"]:
        found["still needed, about"] = _time(seconds / done * (recipe["steps"] - done))
    if isinstance(recipe.get("batch"), int) and seconds > 0:
        found["people per second"] = f"{done * recipe['batch'] / seconds:.0f}"
    return found


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _predictions(folder: Path, pictures: list[tuple[int, str]], of_photos: bool) -> str:
    """The section with predictions: a strip of all steps, and one picture with a slider; empty without pictures."""
    first, compared = ("photo", "before") if of_photos else ("input", "truth")
    if not pictures:
        return ""
    last = len(pictures) - 1
    with Image.open(folder / pictures[-1][1]) as sheet:
        width, height = sheet.size
    shape = f"--shape:{SIZE_PX}/{height};--wide:{100 * width / SIZE_PX:.2f}%"
    columns = [_column(pictures[-1][1], 0, first)]
    for number, (step, path) in enumerate(pictures):
        columns.append(_column(path, 1, f"step {step:,}", number))
    columns.append(_column(pictures[-1][1], 2, compared))
    return (
        '<section id="predictions"><h2>Predictions</h2>'
        f'<ol class="strip" style="{shape}">{"".join(columns)}</ol>'
        '<div class="tools"><button type="button" id="play" title="space">play</button>'
        f'<input id="step" type="range" min="0" max="{last}" value="{last}" aria-label="validation">'
        f'<output id="at">step {pictures[-1][0]:,}</output></div>'
        f'<a id="sheet" href="{pictures[-1][1]}"><img src="{pictures[-1][1]}" '
        f'alt="{first}, prediction and {compared}, a person in each row"></a></section>'
    )


def _column(path: str, column: int, label: str, number: int | None = None) -> str:
    """A column of a picture of predictions, by CSS: the picture as a background that is as wide as all columns."""
    place = f"background-image:url({path});background-position-x:{100 * column / (COLUMNS - 1):g}%"
    chosen = "" if number is None else f' data-number="{number}" data-path="{path}"'
    picture = f'<span class="column" style="{place}"></span>{html.escape(label)}'
    if not chosen:
        return f'<li class="edge"><div>{picture}</div></li>'
    return f'<li><button type="button"{chosen}>{picture}</button></li>'


def _plot(file: str, title: str) -> str:
    return (
        f'<section><h2>{html.escape(title)}</h2><a class="plot" href="{PLOTS}/{file}">'
        f'<img loading="lazy" src="{PLOTS}/{file}" alt="{html.escape(title)}"></a></section>'
    )
