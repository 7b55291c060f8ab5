"""The worst predictions are those with the largest errors; plots need matplotlib."""

import importlib.util
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.evaluation.benchmark.errors import PersonErrors
from render_fit.evaluation.benchmark.evaluate import EvaluatedPerson, Evaluation
from render_fit.evaluation.benchmark.pictures import worst_people, write_plot, write_worst
from render_fit.evaluation.benchmark.predictions import SavedPrediction
from render_fit.renderers.cpu import CpuRenderer
from tests.evaluation.benchmark.predicted import annotated, known_person


def evaluation(values, image_path=None, distances=None):
    people = []
    for number, one in enumerate(values):
        prediction = SavedPrediction(Path("params.npz"), (PurePosixPath("a"),), known_person())
        errors = PersonErrors(one, distances_m=distances)
        people.append(EvaluatedPerson(annotated(f"{number}.jpg", image_path=image_path), prediction, errors))
    return Evaluation(Path("data"), "spin", people)


def test_the_worst_are_first_whichever_way_a_metric_runs():
    errors = evaluation([{"pa_mpjpe_mm": 50.0, "iou": 0.1}, {"pa_mpjpe_mm": 90.0}, {"iou": 0.2}])
    assert [one.person.image for one in worst_people(errors, 5)] == ["1.jpg", "0.jpg"]
    shares = evaluation([{"iou": 0.9}, {"iou": 0.3}, {"iou": float("nan")}, {"iou": 0.5}])
    assert [one.person.image for one in worst_people(shares, 2)] == ["1.jpg", "3.jpg"]
    assert worst_people(evaluation([{}]), 5) == []


def test_pictures_of_the_worst(tmp_path):
    photo = tmp_path / "0.png"
    Image.fromarray(np.full((240, 160, 3), 128, dtype=np.uint8)).save(photo)
    values = [{"pa_mpjpe_mm": 50.0}, {"pa_mpjpe_mm": 90.0}]
    written = write_worst(tmp_path / "worst.png", evaluation(values, photo), CpuRenderer())
    picture = np.asarray(Image.open(written))
    assert picture.shape[1] > 2 * 3 * 224 and picture.shape[2] == 3  # two people in a line, three pictures each
    assert write_worst(tmp_path / "none.png", evaluation(values), CpuRenderer()) is None


def test_plots(tmp_path, monkeypatch):
    with_joints = evaluation([{"pa_mpjpe_mm": 50.0}] * 3, distances=torch.tensor([0.01, 0.1]))
    if importlib.util.find_spec("matplotlib") is None:
        pytest.skip("matplotlib is not installed")
    wide = Image.open(write_plot(tmp_path / "a.png", with_joints))
    narrow = Image.open(write_plot(tmp_path / "b.png", evaluation([{"iou": 0.5}])))
    assert wide.width == 2 * narrow.width
    assert write_plot(tmp_path / "c.png", evaluation([{}])) is None
    monkeypatch.setattr("render_fit.evaluation.benchmark.pictures.find_spec", lambda name: None)
    assert write_plot(tmp_path / "d.png", with_joints) is None and not (tmp_path / "d.png").exists()
