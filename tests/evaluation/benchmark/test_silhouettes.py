"""Masks of data sets, and silhouettes and parts of a known person against them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.bodies import open_body
from render_fit.core.errors import InputError
from render_fit.datasets.benchmarks.annotated_person import MaskSource, SmplTruth
from render_fit.evaluation.benchmark.silhouettes import silhouette_errors, true_mask
from render_fit.evaluation.fit_errors import covered_pixels
from tests.evaluation.benchmark.predicted import annotated, known_person


@pytest.fixture(scope="module")
def silhouette():
    saved = known_person()
    return covered_pixels(open_body(), saved.parameters(), saved.camera())


def test_masks_of_files_and_polygons(tmp_path):
    values = np.zeros((6, 8), dtype=np.uint8)
    values[2:5, 1:4] = 1
    Image.fromarray(values).save(tmp_path / "m.png")
    from_file = true_mask(annotated("a.jpg", mask=MaskSource(path=tmp_path / "m.png")))
    # COCO's pixels: the centre of the first one is at 0.5
    square = np.array([[1.0, 2], [4, 2], [4, 5], [1, 5]])
    person = annotated("a.jpg", image_size=(6, 8), mask=MaskSource(polygons=(square, square[:2])))
    from_polygon = true_mask(person)
    assert from_file.tolist() == (values > 0).tolist()
    assert (from_polygon & from_file).sum() == 9 and from_polygon.sum() <= 16  # Pillow also fills the outline
    assert true_mask(annotated("a.jpg")) is None
    assert true_mask(annotated("a.jpg", mask=MaskSource(path=tmp_path / "nothing.png"))) is None
    (tmp_path / "m.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"m\.png: not a readable mask"):
        true_mask(annotated("a.jpg", mask=MaskSource(path=tmp_path / "m.png")))


def test_iou_with_the_own_silhouette_and_with_half_of_it(silhouette, tmp_path):
    saved, body = known_person(), open_body()
    rows = torch.nonzero(silhouette)[:, 0]
    half = silhouette.clone()
    half[int(rows.median()) :] = False
    for mask, expected in ((silhouette, 1.0), (half, float(half.sum() / silhouette.sum()))):
        Image.fromarray(mask.numpy()).save(tmp_path / "m.png")
        person = annotated("a.jpg", mask=MaskSource(path=tmp_path / "m.png"))
        assert silhouette_errors(saved, body, person)["iou"] == pytest.approx(expected)
    # a mask of twice the size: the camera is resized
    Image.fromarray(silhouette.numpy()).resize((320, 480), Image.Resampling.NEAREST).save(tmp_path / "m.png")
    assert silhouette_errors(saved, body, person)["iou"] > 0.95


def test_parts_are_compared_with_those_of_the_true_body():
    saved, body = known_person(), open_body()
    poses = saved.poses.reshape(24, 3).astype(np.float64)
    truth = SmplTruth(poses, saved.betas.astype(np.float64), transl=saved.trans[0].astype(np.float64))
    person = annotated("a.jpg", smpl=truth, K=saved.K.astype(np.float64), image_size=saved.image_size)
    assert silhouette_errors(saved, body, person, body) == {"part_f1": 1.0}
    moved = replace(truth, transl=truth.transl + [0.1, 0, 0])
    assert 0 < silhouette_errors(saved, body, replace(person, smpl=moved), body)["part_f1"] < 0.9
    assert silhouette_errors(saved, body, person) == {}
    assert silhouette_errors(saved, body, replace(person, smpl=replace(truth, transl=None)), body) == {}
