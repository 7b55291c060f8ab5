"""A regressor on the images of a data set."""

import json

import numpy as np
import pytest

from render_fit.core.errors import InputError
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson
from render_fit.datasets.benchmarks.formats import BenchmarkFormat
from render_fit.evaluation.benchmark.evaluate import annotated_people
from render_fit.evaluation.benchmark.predicting import predict_people
from render_fit.evaluation.benchmark.predictions import match, read_predictions
from tests.photos import write_person


def test_people_are_predicted_in_their_boxes_and_found_again(tmp_path):
    photo = write_person(tmp_path)
    box = np.array([30.0, 20.0, 70.0, 160.0])
    people = [AnnotatedPerson("images/person.png", photo, box_xywh=box), AnnotatedPerson("images/other.png")]
    told = []
    failures = predict_people(people, "lifter", tmp_path / "out", progress=lambda *done: told.append(done))
    assert told == [(1, 1)]
    report = tmp_path / "out/images/person_0/report.json"
    assert failures == []
    assert json.loads(report.read_text())["options"]["regressor"] == "lifter"
    ((index, prediction),) = match(people, read_predictions(tmp_path / "out"), tmp_path).pairs
    assert index == 0 and prediction.source.parent == report.parent
    before = report.stat().st_mtime_ns
    assert predict_people(people, "lifter", tmp_path / "out") == [] and report.stat().st_mtime_ns == before


def test_images_that_are_not_there_are_told(tmp_path):
    with pytest.raises(InputError, match="none of the 1 images is on this disk; expected a/b.jpg beside"):
        predict_people([AnnotatedPerson("a/b.jpg")], "lifter", tmp_path)


def test_a_limit_spreads_people_over_the_data_set(tmp_path):
    def made(n):
        return BenchmarkFormat("made", "", lambda _: True, lambda _: [AnnotatedPerson(str(i)) for i in range(n)])

    assert [one.image for one in annotated_people(made(10), tmp_path, 4)] == ["0", "2", "5", "7"]
    assert len(annotated_people(made(10), tmp_path, 40)) == 10
    with pytest.raises(InputError, match="has nobody in it"):
        annotated_people(made(0), tmp_path)
