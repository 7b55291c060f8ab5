"""Which saved fit belongs to which annotated person."""

from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pytest

from render_fit.core.errors import InputError
from render_fit.evaluation.benchmark.predictions import match, read_predictions
from render_fit.export.parameters import write_params
from tests.evaluation.benchmark.predicted import annotated, known_person, write_prediction


def test_folders_belong_to_images_of_their_names(tmp_path):
    for name in ("im0001", "im0003", "other"):
        write_prediction(tmp_path / name)
    people = [annotated(f"images/im000{number}.jpg") for number in (1, 2, 3)]
    found = match(people, read_predictions(tmp_path), tmp_path)
    assert [(index, one.source.parent.name) for index, one in found.pairs] == [(0, "im0001"), (2, "im0003")]
    assert found.without == 1 and found.missing == ()
    assert [one.source.parent.name for one in found.unused] == ["other"]


def test_the_photo_of_the_report_tells_frames_of_one_name_apart(tmp_path):
    write_prediction(tmp_path / "image_00007.jpg", image="/data/3DPW/imageFiles/street_01/image_00007.jpg")
    write_prediction(tmp_path / "street_00" / "image_00007")
    people = [annotated(f"imageFiles/street_0{number}/image_00007.jpg") for number in (0, 1)]
    found = match(people, read_predictions(tmp_path), tmp_path)
    assert [(index, one.names[0].parts[-2]) for index, one in found.pairs] == [(0, "street_00"), (1, "street_01")]


def test_names_that_fit_several_images_alike_are_an_error(tmp_path):
    write_prediction(tmp_path / "image_00007")
    people = [annotated(f"imageFiles/street_0{number}/image_00007.jpg") for number in (0, 1)]
    with pytest.raises(InputError, match="image_00007 could be imageFiles/street_00/image_00007.jpg, .*street_01"):
        match(people, read_predictions(tmp_path), tmp_path)


def test_people_of_one_image_are_matched_by_their_boxes(tmp_path):
    write_prediction(tmp_path / "photo_0", moved_m=0.5)
    write_prediction(tmp_path / "photo_1")
    here, right = annotated("photo.jpg"), annotated("photo.jpg", person=1)
    right = replace(right, box_xywh=right.box_xywh + [44, 0, 0, 0])  # 0.5 m at 3 m by a focal length of 264 px
    nobody = replace(here, person=2, box_xywh=np.array([0.0, 0.0, 5.0, 5.0]))
    found = match([nobody, here, right], read_predictions(tmp_path), tmp_path)
    assert [(index, one.source.parent.name) for index, one in found.pairs] == [(1, "photo_1"), (2, "photo_0")]
    assert found.missing == (0,)


def test_a_person_in_several_images_gives_one_prediction_each(tmp_path):
    one = known_person()
    twice = replace(
        one, poses=one.poses.repeat(3, 0), trans=one.trans.repeat(3, 0), joints=one.joints.repeat(3, 0),
        K=one.K[None].repeat(3, 0), image_names=np.array(["a", "b", "c"]), found=np.array([True, False, True]),
    )  # fmt: skip
    (tmp_path / "walk").mkdir()
    write_params(tmp_path / "walk/params.npz", twice)
    found = read_predictions(tmp_path)
    assert [one.names for one in found] == [(PurePosixPath(f"walk/{n}"), PurePosixPath(n)) for n in "ac"]
    assert all(len(one.fit.poses) == 1 for one in found)


def test_nothing_that_matches_says_what_was_expected(tmp_path):
    write_prediction(tmp_path / "dog")
    with pytest.raises(InputError, match=r"none of the 1 predictions .* there are dog; expected names like im1\.jpg"):
        match([annotated("im1.jpg")], read_predictions(tmp_path), tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: contains no params\.npz"):
        read_predictions(tmp_path / "empty")
