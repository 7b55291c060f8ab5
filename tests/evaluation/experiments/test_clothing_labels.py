"""The experiment on predicted clothing labels: one photo, and a photo without anybody."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.datasets.images import PhotoSample
from render_fit.evaluation.experiments import clothing_labels
from render_fit.evaluation.experiments.runner import run_experiment
from render_fit.evaluation.experiments.settings import ExperimentConfig


def test_a_small_run_compares_a_photo_with_human_labels(shared_data: Path, tmp_path: Path):
    result = run_experiment("clothing-labels", tmp_path, data=shared_data, limit=1)
    (person,) = result.people
    assert person.values["found"] == "right" and len(person.pictures) == 3
    assert result.summary["right person found"] == 1
    # One of 18 labels at random has an IoU below 0.06.
    assert result.summary["IoU, whole photo: mean"] > 0.2
    assert set(result.columns) <= set(person.values) and (tmp_path / "clothing-labels.json").exists()


def test_a_missed_person_has_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Image.fromarray(np.full((40, 40, 3), 128, dtype=np.uint8)).save(tmp_path / "a.jpg")
    sample = PhotoSample("ccp", "a", tmp_path / "a.jpg", 40, 40, mask=torch.ones(40, 40, dtype=torch.bool))
    monkeypatch.setattr(clothing_labels, "read_ccp", lambda _: (sample,))
    result = clothing_labels.clothing_labels(ExperimentConfig(tmp_path, data=tmp_path))
    assert result.people[0].values == {"name": "a", "found": "missed"}
    assert result.summary == {"people": 1, "right person found": 0}
