"""Plots of the lecture's experiments: what is drawn comes from the rows, and rows without a figure are left out."""

from pathlib import Path

import numpy as np
import pytest

from render_fit.evaluation.experiments.plots import PLOTS, bars, basin, curves, part_maps, write_plot
from render_fit.evaluation.experiments.table import GROUPS
from render_fit.evaluation.tables import ExperimentResult, Metrics

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_every_experiment_of_the_lecture_has_a_plot():
    assert set(PLOTS) == set(GROUPS["lecture"])


def test_bars_have_values_spread_and_published_figures(axes):
    rows = [
        {"what": "a", "mpjpe_mm": 80.0, "mpjpe_mm_sd": 5.0, "published_3d_mm": 83.7},
        {"what": "b", "mpjpe_mm": 60.0},
        {"what": "c", "mpjpe_mm": None},
    ]
    bars("mpjpe_mm").draw(axes, rows)
    assert [patch.get_width() for patch in axes.patches] == [80.0, 60.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    ((first, second),) = [container.get_segments() for container in axes.collections[:1]]
    assert first[:, 0].tolist() == [75.0, 85.0] and not np.isfinite(second).any()
    assert axes.collections[-1].get_offsets().tolist() == [[83.7, 0.0]]


def test_a_curve_for_each_name_in_the_order_of_the_other_figure(axes):
    rows = [
        {"what": "slow", "seconds": 4.0, "pa_mpjpe_mm": 40.0, "pa_mpjpe_mm_sem": 1.0},
        {"what": "slow", "seconds": 1.0, "pa_mpjpe_mm": 90.0},
        {"what": "fast", "seconds": 2.0, "pa_mpjpe_mm": 50.0},
        {"what": "fast", "seconds": None, "pa_mpjpe_mm": 50.0},
    ]
    curves("seconds", "pa_mpjpe_mm").draw(axes, rows)
    slow, fast = (container.lines[0] for container in axes.containers)
    assert slow.get_xdata().tolist() == [1.0, 4.0] and slow.get_ydata().tolist() == [90.0, 40.0]
    assert fast.get_xdata().tolist() == [2.0]


def test_a_basin_is_drawn_against_the_size_of_the_move(axes):
    basin("shift").draw(axes, [{"what": "L2", "shift 0.1": 100.0, "shift 0.4": 25.0, "turn 15": 50.0}])
    (line,) = axes.lines
    assert line.get_xdata().tolist() == [0.1, 0.4] and line.get_ydata().tolist() == [100.0, 25.0]


def test_the_plot_of_part_maps_has_both_trainings(axes, tmp_path: Path):
    row = {"part_f1": 0.8, "exact_mpjpe_mm": 80.0, "exact_pa_mpjpe_mm": 60.0, "flawed_mpjpe_mm": 70.0}
    row |= {"flawed_pa_mpjpe_mm": 55.0, "flawed_pa_mpjpe_mm_sd": 2.0}
    part_maps("pa_mpjpe_mm").draw(axes, [row])
    assert [container.lines[0].get_ydata().tolist() for container in axes.containers] == [[60.0], [55.0]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["trained on exact", "trained on flawed"]
    result = ExperimentResult("segmentation-quality", [Metrics({"what": "errors × 1", **row})], {"seeds": 1}, ())
    path = write_plot(tmp_path / "a.png", result)
    assert path is not None and path.read_bytes()[:4] == b"\x89PNG"


def test_an_experiment_without_plot_writes_none(tmp_path: Path):
    assert write_plot(tmp_path / "a.png", ExperimentResult("real-3d", [Metrics({"x": 1})], {}, ())) is None
    assert write_plot(tmp_path / "a.png", ExperimentResult("supervision", [], {}, ())) is None
    assert not list(tmp_path.iterdir())
