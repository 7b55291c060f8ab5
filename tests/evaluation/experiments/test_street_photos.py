"""The experiment on street photos: agreement with labels, people who are not found, and a small run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.bodies import open_body
from render_fit.core.errors import NoPersonError
from render_fit.core.parts import ATR
from render_fit.datasets.images import PhotoSample, read_ccp
from render_fit.evaluation.experiments import street_photos
from render_fit.evaluation.experiments.runner import run_experiment
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.experiments.street_photos import LOOSE, TIGHT, label_shares
from render_fit.evaluation.fit_errors import covered_pixels
from render_fit.observations.label_maps import read_labels
from render_fit.synthesis import everyday_pose, synthetic_scene


def test_body_and_clothes_are_compared_with_their_own_pixels():
    body = open_body()
    scene = synthetic_scene(body, everyday_pose("standing"), seed=0, yaw_rad=0.0)
    bare = scene.parameters
    # clothing that widens one side of the body
    offsets = torch.zeros(1, body.n_vertices, 3)
    offsets[:, body.rest_vertices(bare.betas)[0, :, 0] > 0.15] = torch.tensor([0.15, 0.0, 0.0])
    clothed = replace(bare, offsets=offsets)
    person, under = (covered_pixels(body, one, scene.camera) for one in (clothed, bare))
    cloth, nothing = person & ~under, torch.zeros_like(person)
    assert cloth.any()
    shares = label_shares(body, clothed, scene.camera, person, under & person, cloth)
    assert shares["iou"] == shares["iou_without_loose"] == shares["tight_covered"] == 1
    assert shares["iou_body"] < 1 and shares["body_inside"] == pytest.approx(
        float((under & person).sum() / under.sum())
    )
    # An unclothed fit covers no cloth, which the IoU without loose garments does not count.
    shares = label_shares(body, bare, scene.camera, under | person, under, cloth)
    assert shares["iou"] == shares["iou_body"] < 1
    assert shares["iou_without_loose"] == shares["body_inside"] == shares["tight_covered"] == 1
    assert label_shares(body, bare, scene.camera, person, nothing, nothing)["tight_covered"] is None


def test_no_label_is_both_tight_and_loose():
    assert len({*TIGHT, *LOOSE}) == len(TIGHT) + len(LOOSE)


def test_a_missed_person_counts_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Image.fromarray(np.full((40, 40, 3), 128, dtype=np.uint8)).save(tmp_path / "a.jpg")
    sample = PhotoSample("ccp", "a", tmp_path / "a.jpg", 40, 40, mask=torch.ones(40, 40, dtype=torch.bool))

    def nobody(*_, **__):
        raise NoPersonError("nobody")

    monkeypatch.setattr(street_photos, "observe", nobody)
    monkeypatch.setattr(street_photos, "read_ccp", lambda _: (sample,))
    result = street_photos.street_photos(ExperimentConfig(tmp_path, data=tmp_path))
    assert result.people[0].values == {"name": "a", "found": "missed"} and result.people[0].pictures
    assert (result.summary["people"], result.summary["missed"], result.summary["right person found"]) == (1, 1, 0)
    assert result.summary["image alone: mean IoU with the human mask"] is None


def test_a_small_run_reports_a_photo(shared_data: Path, tmp_path: Path):
    result = run_experiment("street-photos", tmp_path, data=shared_data, limit=1, recipes=("predict",))
    assert result.summary["people"] == 1 and len(result.people[0].pictures) == 10
    assert result.summary["predicted label map: mean IoU with the human mask"] > 0.5
    assert set(result.columns) <= set(result.people[0].values)
    assert (tmp_path / "street-photos.png").stat().st_size > 0
    (photo,) = (one for one in read_ccp(shared_data) if one.name == result.people[0].values["name"])
    found = read_labels(tmp_path / "parts" / f"{photo.name}.png", "atr", (photo.height, photo.width))
    labels, space = found.labels, found.part_space
    assert space is ATR and {"hair", "upper-clothes", "background"} <= {ATR.labels[i] for i in labels.unique()}
