"""The gate: verdicts and exit status."""

import json

import pytest

from benchmarks import gate


def ratio(median, better="lower", tolerance=0.75):
    return {"median": median, "better": better, "tolerance": tolerance}


def known(value, better="lower", tolerance=0.75):
    return {"value": value, "better": better, "tolerance": tolerance}


@pytest.mark.parametrize(
    ("better", "now", "word"),
    [
        ("lower", 10.0, "ok"),
        ("lower", 13.0, "ok"),  # 10 / 13 = 0.77
        ("lower", 13.5, "worse"),  # 10 / 13.5 = 0.74
        ("lower", 7.0, "better"),
        ("higher", 8.0, "ok"),
        ("higher", 7.0, "worse"),
        ("higher", 13.0, "better"),
        ("lower", float("nan"), "worse"),
    ],
)
def test_verdict(better, now, word):
    (verdict,) = gate.compare_ratios({"a": ratio(now, better)}, {"a": known(10.0, better)}, {})
    assert verdict.word == word


def test_each_ratio_has_its_own_tolerance():
    (verdict,) = gate.compare_ratios({"a": ratio(15.0)}, {"a": known(10.0, tolerance=0.5)}, {})
    assert verdict.word == "ok"


def test_missing_measurements_are_reported_and_do_not_fail():
    verdicts = gate.compare_ratios(
        {"new one": ratio(1.0)}, {"a": known(10.0), "b": known(1.0)}, {"a": "no PyTorch3D", "c": "?"}
    )
    assert [(verdict.name, verdict.word) for verdict in verdicts] == [
        ("a", "not measured"), ("b", "not measured"), ("new one", "new"), ("c", "not measured"),
    ]  # fmt: skip
    assert "no PyTorch3D" in str(verdicts[0])
    assert "no results" in str(verdicts[1])


def write_results(folder, median):
    folder.mkdir(exist_ok=True)
    content = {
        "benchmark": "body", "record": {"commit": "abc"}, "ratios": {"a": ratio(median)}, "missing": {"b": "one core"},
    }  # fmt: skip
    (folder / "body.json").write_text(json.dumps(content))
    return str(folder)


def test_exit_status(tmp_path, capsys):
    baseline = ["--baseline", str(tmp_path / "baseline.json")]
    good = write_results(tmp_path / "good", 10.0)
    assert gate.main([good, *baseline, "--update"]) == 0
    assert gate.main([good, *baseline]) == 0
    assert "ok           body: a: now 10, baseline 10, merit 1.00" in capsys.readouterr().out
    bad = write_results(tmp_path / "bad", 20.0)
    assert gate.main([bad, *baseline]) == 1
    assert "worse        body: a: now 20" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert gate.main([str(tmp_path / "empty"), *baseline]) == 2


def test_an_update_keeps_what_was_not_measured_and_tolerances_set_by_hand():
    before = {
        "body: a": known(10.0, tolerance=0.5),
        "body: renamed since": known(1.0),
        "body: two threads": known(1.5, "higher"),
        "pytorch3d: rest": known(500.0, "higher"),
    }
    measured = {"body: a": ratio(8.0), "body: new": ratio(3.0, "higher", 0.6)}
    assert gate.updated(before, measured, {"body: two threads": "one core"}, ["body"]) == {
        "body: a": known(8.0, tolerance=0.5),
        "body: two threads": known(1.5, "higher"),
        "pytorch3d: rest": known(500.0, "higher"),
        "body: new": known(3.0, "higher", 0.6),
    }
