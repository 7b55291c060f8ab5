"""Conversion of CCP's labels: complete, to known labels, and left stays left."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.bodies import open_body
from render_fit.core.parts import ATR
from render_fit.datasets.images import PhotoSample
from render_fit.evaluation.ccp_labels import CCP_TO_ATR, LIMB, SHOE, ccp_as_atr, with_ccp_labels
from render_fit.synthesis import everyday_pose, synthetic_scene


def test_every_label_of_ccp_becomes_one_of_atr(shared_data: Path):
    names = json.loads((shared_data / "ccp" / "labels.json").read_text())
    assert set(names) == set(CCP_TO_ATR)
    assert set(CCP_TO_ATR.values()) - {LIMB, SHOE} <= set(ATR.labels)


@pytest.fixture
def sample(tmp_path: Path):
    """A synthetic person whose upper half is a shirt and whose lower half is skin, labelled as in CCP."""
    scene = synthetic_scene(open_body(), everyday_pose("a_pose"), 2, yaw_rad=0.0, jitter=0.0)
    names = ["null", "bag", "shirt", "skin"]
    mask = scene.mask > 0.5
    rows = mask.any(dim=1).nonzero()[:, 0]
    waist = int(rows.float().mean())
    labels = torch.where(mask, torch.where(torch.arange(mask.shape[0])[:, None] < waist, 2, 3), 0)
    labels[:3, :3] = 1
    Image.fromarray(labels.numpy().astype(np.uint8)).save(tmp_path / "a_labels.png")
    (tmp_path / "labels.json").write_text(json.dumps(names))
    return PhotoSample("ccp", "a", tmp_path / "a.jpg", *mask.shape, mask=mask), scene, labels


def test_skin_becomes_the_limb_of_the_nearest_bone(sample):
    photo, scene, labels = sample
    converted = ccp_as_atr(photo, scene.observation(parts=False))
    assert (converted[labels == 1] == ATR.labels.index("bag")).all()
    assert (converted[labels == 2] == ATR.labels.index("upper-clothes")).all()
    for side in ("left", "right"):
        knee = scene.keypoints_px[scene.skeleton.index(f"{side}_knee")].long()
        assert ATR.labels[converted[knee[1], knee[0]]] == f"{side}-leg"
    shown = {ATR.labels[i] for i in converted[labels == 3].unique()}
    assert {"left-leg", "right-leg"} <= shown <= {"left-leg", "right-leg", "left-arm", "right-arm", "upper-clothes"}


def test_labels_replace_what_was_observed(sample):
    photo, scene, _ = sample
    labelled = with_ccp_labels(photo, scene.observation(parts=False))
    assert labelled.part_space is ATR and labelled.source["parts"] == "human"
    torch.testing.assert_close(labelled.mask, photo.mask.float())
    with pytest.raises(ValueError, match="a: expected keypoints"):
        ccp_as_atr(photo, replace(scene.observation(), keypoints_px=None))
