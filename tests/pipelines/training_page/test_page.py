"""The page of a training: drawn while it trains and from its log, with predictions for the same people."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from render_fit.core.errors import InputError
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.figure_log import read_log
from render_fit.training.loop import train
from render_fit.training.recipe import Optimiser, TrainingRecipe
from render_fit.training.validation import HeldOut, sample_held_out
from tests.training.conftest import SMALL

pytest.importorskip("matplotlib")

from render_fit.pipelines.training_page import predictions
from render_fit.pipelines.training_page.page import TrainingPage
from render_fit.pipelines.training_page.predictions import PredictionSheet
from render_fit.regressors.network import Regressor

RECIPE = TrainingRecipe(
    name="small",
    description="for <tests>",
    regressor=SMALL,
    optimiser=Optimiser(learning_rate=3e-3, warm_up=1, average=0.5),
    steps=4,
    batch=8,
    shard=4,
    save_every=2,
    validate_every=2,
)


@pytest.fixture(scope="module", autouse=True)
def few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions, "PEOPLE", 2)
        yield


@pytest.fixture(scope="module")
def held_out(synthesis: PeopleSampler) -> HeldOut:
    return sample_held_out(synthesis, 4)


@pytest.fixture(scope="module")
def trained(held_out: HeldOut, synthesis: PeopleSampler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a training with a page, stopped after two steps and resumed."""
    folder = tmp_path_factory.mktemp("trained")
    for stop in (2, None):
        page = TrainingPage(folder)
        page.show_people(held_out, synthesis, SMALL)
        options = {"workers": 0, "on_validation": page.validated, "stop_after": stop}
        train(RECIPE, folder, synthesis, held_out, **options)
    return folder


def test_the_page_shows_plots_and_the_predictions_of_each_validation_once(trained: Path) -> None:
    page = (trained / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'data-path="([^"]*)"', page) == [f"predictions/step_000000{step}.jpg" for step in (0, 2, 4)]
    assert sorted(path.name for path in (trained / "plots").iterdir()) == ["held_out.png", "losses.png", "schedule.png"]
    assert "recipe small, 4 steps, complete" in page and "for &lt;tests&gt;" in page
    best = min(line["held out: pa_mpjpe_mm"] for line in read_log(trained) if "held out: pa_mpjpe_mm" in line)
    assert f"{best:.1f} mm at step" in page
    for link in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert (trained / link).is_file(), link
    assert "http" not in page  # works from disk


def test_the_picture_of_an_untrained_regressor_differs_from_later_ones_in_the_predictions_alone(trained: Path) -> None:
    first, last = (
        np.asarray(Image.open(trained / f"predictions/step_000000{step}.jpg")).astype(float) for step in (0, 4)
    )
    assert first.shape == last.shape
    cell = predictions.SIZE_PX + (first.shape[1] - 5 * predictions.SIZE_PX) // 4
    changes = [np.abs(first - last)[20 : predictions.SIZE_PX, i * cell : (i + 1) * cell].mean() for i in range(5)]
    assert min(changes[1], changes[3]) > 20 * max(changes[0], changes[2], changes[4])


def test_a_page_changes_nothing_of_the_training(
    trained: Path, held_out: HeldOut, synthesis: PeopleSampler, tmp_path: Path
) -> None:
    train(RECIPE, tmp_path, synthesis, held_out, workers=0)
    drawn, plain = (load_file(folder / "regressor.safetensors") for folder in (trained, tmp_path))
    assert all(torch.equal(value, drawn[name]) for name, value in plain.items())
    assert not (tmp_path / "index.html").exists()


def test_a_page_is_drawn_from_the_log_alone(held_out: HeldOut, synthesis: PeopleSampler, tmp_path: Path) -> None:
    train(RECIPE, tmp_path, synthesis, held_out, workers=0, stop_after=3)
    page = TrainingPage(tmp_path).write().read_text(encoding="utf-8")
    assert "3 of 4 steps" in page and "still needed" in page
    assert "plots/losses.png" in page and "predictions/" not in page
    (tmp_path / "predictions").mkdir()
    for name in ("step_0000002.jpg", "step_0000004.jpg", "step_x.jpg"):  # 4: of a later step than the log has
        Image.new("RGB", (1056, 224)).save(tmp_path / "predictions" / name)
    page = TrainingPage(tmp_path).write().read_text(encoding="utf-8")
    assert set(re.findall(r"predictions/(\w+)", page)) == {"step_0000002"}


def test_a_folder_without_a_log_has_no_page(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no log\.jsonl"):
        TrainingPage(tmp_path).write()


def test_predictions_that_are_true_look_like_the_truth(held_out: HeldOut, synthesis: PeopleSampler) -> None:
    class Knowing(Regressor):
        """Predicts the truth."""

        def forward(self, inputs):
            found = super().forward(inputs)
            truth, shape = held_out.truth[: len(inputs)], found.log_likelihood.shape
            values = {
                name: getattr(truth, name)[:, None].expand(*shape, *getattr(truth, name).shape[1:])
                for name in ("rotations", "betas", "pelvis_offset", "clothing")
            }
            return type(found)(**{**found.tensors(), **values})

    picture = PredictionSheet.of_people(held_out, synthesis, SMALL)(Knowing(SMALL).eval()).astype(float)
    cell = predictions.SIZE_PX + (picture.shape[1] - 5 * predictions.SIZE_PX) // 4
    body = picture[20 : predictions.SIZE_PX]  # below the captions
    columns = [body[:, i * cell : i * cell + predictions.SIZE_PX] for i in range(5)]
    assert np.abs(columns[1] - columns[2]).mean() < 0.5
    assert np.abs(columns[3] - columns[4]).mean() < 0.5
    assert np.abs(columns[0] - columns[2]).mean() > 3
