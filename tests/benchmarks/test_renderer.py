"""The renderer's benchmark runs, and does not time wrong results."""

import json
from dataclasses import replace

import pytest

from benchmarks import gate, renderer, tables
from benchmarks.bodies import REST
from benchmarks.drawing import picture
from benchmarks.gradients import WrongGradient, check_gradients
from render_fit.renderers import CpuRenderer


def test_a_small_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.gradients.CHECKED", (REST,))
    monkeypatch.setattr(renderer, "PICTURES", renderer.COMPARED)
    file = tmp_path / "renderer.json"
    assert renderer.main(["--size", "32", "--runs", "1", "--bodies", "2", "--threads", "1", "--json", str(file)]) == 0
    results = json.loads(file.read_text())
    assert {one["row"] for one in results["figures"]} == {*(what.name for what in renderer.COMPARED), "hard pass"}
    assert all(one["median"] > 0 and one["low"] <= one["median"] <= one["high"] for one in results["figures"])
    assert results["ratios"]["softras, σ 1 px ÷ hard pass, posed"]["better"] == "lower"
    assert {"commit", "cpu", "cores", "versions", "date"} <= set(results["record"])
    baseline = tmp_path / "baseline.json"
    assert gate.main([str(tmp_path), "--baseline", str(baseline), "--update"]) == 0
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- renderer -->\nold\n<!-- /renderer -->\nend\n")
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "renderer.json").write_text(file.read_text())
    assert tables.main([str(tmp_path / "only"), "--page", str(page)]) == 0
    text = page.read_text()
    assert "old" not in text and text.endswith("<!-- /renderer -->\nend\n")
    assert "softras, σ 1 px" in text


def test_a_page_without_a_place_is_an_error():
    with pytest.raises(ValueError, match="<!-- body -->"):
        tables.filled("# Page\n", {"body": "results"})


class Slipped(CpuRenderer):
    """Renders with an edge that is slightly too soft."""

    name = "slipped"

    def __call__(self, vertices_camera, faces, camera, settings, **rest):
        return super().__call__(vertices_camera, faces, camera, replace(settings, sigma_px=1.001), **rest)


def test_a_renderer_with_wrong_images_is_not_timed(monkeypatch, capsys):
    what = [picture("contour", 1.0)]
    assert "values within" in check_gradients(CpuRenderer(), what, [REST])
    with pytest.raises(WrongGradient, match="slipped, contour, σ 1 px, rest: t pose: not timed"):
        check_gradients(Slipped(), what, [REST])
    monkeypatch.setattr(renderer, "make_renderer", lambda name: Slipped())
    assert renderer.main(["--size", "32", "--runs", "1", "--bodies", "2"]) == 1
    assert "not timed" in capsys.readouterr().out
