"""Plots of a training show what its log says."""

import io

import numpy as np
import pytest

from render_fit.training.figure_log import HELD_OUT, ON_PHOTOS

pytest.importorskip("matplotlib")

from render_fit.pipelines.training_page.plots import (
    curve,
    medians,
    plot_agreement,
    plot_errors,
    plot_losses,
    plot_schedule,
    smoothed,
    write_plots,
)

ERRORS = [180.0, 150.0, 140.0, 145.0]


def a_log(steps: int = 40) -> list[dict[str, float]]:
    """Losses that fall by half every ten steps, and a validation at every tenth step."""
    log = []
    for step in range(1, steps + 1):
        line = {"step": step, "seconds": 0.5 * step, "learning_rate": 1e-3 * step / steps}
        line |= {"total": 4 * 0.5 ** (step / 10), "joints": 0.4 * 0.5 ** (step / 10), "choice": -0.1, "clothing": 0.0}
        if step % 10 == 0:
            error = ERRORS[step // 10 - 1]
            line |= {HELD_OUT + "pa_mpjpe_mm": error, HELD_OUT + "mpjpe_mm": 2 * error}
            line |= {HELD_OUT + "best_pa_mpjpe_mm": 0.9 * error}
        log.append(line)
    return log


def lines_of(axes) -> list[tuple[list[float], list[float]]]:
    return [(list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))) for line in axes.get_lines()]


def test_errors_are_drawn_with_the_best_validation_marked_and_the_time_above() -> None:
    figure = plot_errors(a_log())
    assert figure is not None
    axes, other = figure.axes
    drawn = lines_of(axes)
    assert drawn[0] == ([10, 20, 30, 40], ERRORS)
    assert drawn[1][1] == [0.9 * error for error in ERRORS]
    assert drawn[2] == ([30], [140])  # the ring
    assert [text.get_text() for text in axes.texts] == ["best: 140.0 mm, step 30"]
    assert lines_of(other) == [([10, 20, 30, 40], [2 * error for error in ERRORS])]
    assert axes.get_xlabel() == "steps" and axes.get_ylabel() == "joint error, mm"
    (above,) = axes.child_axes
    figure.canvas.draw()
    assert above.get_xlabel() == "seconds of training"
    low, high = axes.get_xlim()
    assert above.get_xlim() == pytest.approx((low / 2, high / 2))  # half a second a step


def test_loss_terms_have_raw_and_smooth_lines_units_and_logarithmic_axes_where_they_help() -> None:
    figure = plot_losses(a_log())
    assert figure is not None
    shown = {axes.get_title(): axes for axes in figure.axes}
    assert list(shown) == ["weighted sum of all terms", "joints, L_3D", "choice of the hypothesis"]  # clothing is 0
    joints = shown["joints, L_3D"]
    raw, smooth = lines_of(joints)
    assert joints.get_ylabel() == "mm"
    assert raw[1] == pytest.approx([400 * 0.5 ** (step / 10) for step in range(1, 41)])
    assert len(smooth[1]) == 40 and smooth[1] != raw[1]
    assert joints.get_yscale() == "log"
    assert shown["choice of the hypothesis"].get_yscale() == "linear"  # negative


def test_terms_of_other_packages_are_drawn_under_their_names() -> None:
    figure = plot_losses([{"step": step, "seconds": step, "total": 1.0, "straight_back": 2.0} for step in (1, 2)])
    assert figure is not None
    assert "straight_back" in [axes.get_title() for axes in figure.axes]


def test_the_learning_rate_and_the_time_of_a_step_are_drawn() -> None:
    figure = plot_schedule(a_log())
    assert figure is not None
    rates, times = (lines_of(axes) for axes in figure.axes)
    assert rates[0][1] == pytest.approx([1e-3 * step / 40 for step in range(1, 41)])
    assert times[1][1] == pytest.approx([500.0] * 39)


def test_agreement_with_photos_is_drawn_from_before_the_first_step() -> None:
    log = [{"step": step, "seconds": step, ON_PHOTOS + "iou": 0.6 + step / 1000} for step in (0, 100, 150)]
    figure = plot_agreement(log)
    assert figure is not None
    assert lines_of(figure.axes[0])[0][0] == [0, 100, 150]
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.600", "0.750"]


def test_what_was_not_logged_is_not_drawn(tmp_path) -> None:
    assert write_plots(tmp_path, []) == {}
    assert list(write_plots(tmp_path, [{"step": 1, "seconds": 1.0, "total": 2.0}])) == ["losses.png"]


def test_files_are_pictures_of_more_than_1000_pixels_and_are_not_blank(tmp_path) -> None:
    from PIL import Image

    written = write_plots(tmp_path, a_log())
    assert list(written) == ["held_out.png", "losses.png", "schedule.png"]
    for name in written:
        with Image.open(io.BytesIO((tmp_path / name).read_bytes())) as picture:
            assert picture.width == 1500 and np.asarray(picture.convert("L")).std() > 10


def test_smoothing_keeps_straight_lines_inside_and_removes_noise() -> None:
    steps = np.arange(0, 1000, 10.0)
    straight = 3 * steps + 1
    assert smoothed(steps, straight, 20.0)[10:-10] == pytest.approx(straight[10:-10])
    noise = np.where(np.arange(100) % 2, 1.0, -1.0)
    assert np.abs(smoothed(steps, noise, 20.0)[10:-10]).max() < 0.01
    assert smoothed(steps[:1], straight[:1], 0.0) == pytest.approx([1.0])


def test_one_slow_step_does_not_change_the_medians() -> None:
    times = np.full(30, 0.2)
    times[12] = 9.0
    assert medians(times) == pytest.approx(np.full(30, 0.2))


def test_a_curve_has_the_steps_at_which_its_figure_was_logged() -> None:
    steps, values = curve(a_log(), HELD_OUT + "pa_mpjpe_mm")
    assert steps.tolist() == [10, 20, 30, 40] and values.tolist() == ERRORS
    assert [len(part) for part in curve(a_log(), "nothing")] == [0, 0]
