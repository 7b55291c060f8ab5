"""The viewer in a headless browser: it draws what it should, where it should, and its controls change it."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from render_fit.core.cameras import Camera
from render_fit.export.fit_folder import write_fit
from render_fit.export.viewer.server import open_viewer
from render_fit.fitting.result import StageResult
from render_fit.renderers import make_renderer
from render_fit.renderers.base import RenderSettings
from tests.browser import Browser, waited
from tests.fits import known_fit

SIZE = (760, 420)
"""Of the page, pixels; the panel takes some 320 of the width."""

PATIENCE_S = 60
"""Longest wait, seconds: a second suffices where nothing else uses the processor."""

SLIDER_OF_STAGES = (
    "[...document.querySelectorAll('[role=slider]')].find(slider => slider.getAttribute('aria-valuemax') == '2')"
)


@pytest.fixture(autouse=True)
def defaults(viewer):
    """A test that failed does not spoil the next ones."""
    yield
    for name in ("skeleton", "uncertainty", "tapes", "part colours"):
        viewer.panel.control(name).value = False
    viewer.panel.control("opacity").value, viewer.panel.control("stage").value = 1.0, 2


def moved(parameters, metres):
    return replace(parameters, transl=parameters.transl + torch.tensor([metres, 0.0, 0.0]))


@pytest.fixture(scope="module")
def viewer(tmp_path_factory):
    pytest.importorskip("viser")
    result = known_fit()
    covariance = 0.03**2 * torch.eye(3).expand(1, 24, 3, 3)
    stages = (
        StageResult("search", moved(result.parameters, -0.5), torch.tensor([9.0])),
        StageResult("fine", moved(result.parameters, 0.4), torch.tensor([4.0])),
    )
    result = replace(result, stages=stages, joints_covariance=covariance)
    folder = write_fit(tmp_path_factory.mktemp("fit") / "photo", result, make_renderer("cpu"), save=("stages",))
    with socket.socket() as free:  # several processes run tests
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    viewer = open_viewer(folder, port=port)
    assert viewer.panel.scenes[0].girths  # found when first shown, in some seconds where others use the processor
    yield viewer
    viewer.stop()


@pytest.fixture(scope="module")
def page(viewer, tmp_path_factory):
    viewer.panel.see("front")
    browser = Browser(tmp_path_factory.mktemp("browser"), SIZE)
    browser.open(viewer.url)
    browser.wait("[...document.querySelectorAll('label')].some(label => label.textContent == 'skeleton')", PATIENCE_S)
    browser.run("document.querySelectorAll('.mantine-Notification-closeButton').forEach(button => button.click())")
    settled(browser)
    yield browser
    browser.close()


def settled(page):
    """The picture when it no longer changes: pages load, draw and fade in while others use the processor."""
    last = page.picture()

    def same():
        nonlocal last
        time.sleep(0.15)
        before, last = last, page.picture()
        return np.abs(before - last).mean() < 0.02

    waited(same, "the page does not come to rest", PATIENCE_S)
    return canvas(page, last)


def shows(page, told):
    """Waits until the scene is as a function of its picture says."""

    def drawn():
        page.run("dispatchEvent(new Event('resize'))")  # viser draws when something moves, and may miss a change
        return told(canvas(page, page.picture()))

    waited(drawn, "the scene never shows what it should", PATIENCE_S)


def across(picture):
    """Mean column of the body's pixels."""
    return np.nonzero(bluish(picture))[1].mean()


def canvas(page, picture):
    """The part of a picture that is the scene."""
    box = page.run("document.querySelector('canvas').getBoundingClientRect().toJSON()")
    left, top, width, height = (round(box[side]) for side in ("x", "y", "width", "height"))
    return picture[top : top + height, left : left + width]


def bluish(picture):
    """Pixels of the body: light blue; photo, ground and camera of these fits are grey."""
    return picture[..., 2] - picture[..., 0] > 20


def check(viewer, page, label, on=True):
    """Clicks a checkbox when the page shows its last state, and waits until the viewer knows."""
    box = (
        f"document.getElementById([...document.querySelectorAll('label')].find(one => one.textContent == '{label}')"
        ".htmlFor)"
    )
    page.wait(f"{box}.checked == {str(not on).lower()}", PATIENCE_S)
    page.run(f"{box}.click()")
    waited(lambda: viewer.panel.control(label).value is on, f"{label}: the viewer never hears of it", PATIENCE_S)


def test_the_slider_of_stages_moves_the_mesh(viewer, page):
    result = settled(page)
    page.run(f"({SLIDER_OF_STAGES}).focus()")
    page.press("ArrowLeft")
    page.wait("document.body.innerText.includes('loss 4')", PATIENCE_S)
    shows(page, lambda picture: across(picture) > across(result) + 10)  # 0.4 m to the right
    page.press("ArrowLeft")
    page.wait("document.body.innerText.includes('loss 9')", PATIENCE_S)
    shows(page, lambda picture: across(picture) < across(result) - 10)
    page.press("ArrowRight")
    page.press("ArrowRight")
    page.wait("document.body.innerText.includes('final objective')", PATIENCE_S)
    shows(page, lambda picture: abs(across(picture) - across(result)) < 3)
    assert page.problems == []


@pytest.mark.parametrize(
    ("label", "colour"),
    [
        ("skeleton", lambda p: (p[..., 0] > 170) & (p[..., 0] - p[..., 2] > 60)),
        ("uncertainty", lambda p: p[..., 0] - p[..., 1] > 40),
        ("tapes", lambda p: (p.max(2) - p.min(2) > 45) & ~bluish(p)),
    ],
)
def test_toggles_show_and_hide_what_they_name(viewer, page, label, colour):
    before = settled(page)
    check(viewer, page, label)
    shows(page, lambda picture: colour(picture).sum() > colour(before).sum() + 25)
    check(viewer, page, label, on=False)
    viewer.panel.control("opacity").value = 1.0

    def as_before(picture):  # but for edges: viser draws fewer pixels while it is slow
        body = bluish(picture).sum() / bluish(before).sum()
        return colour(picture).sum() < colour(before).sum() + 25 and 0.9 < body < 1.1

    shows(page, as_before)
    assert page.problems == []


def test_parts_are_coloured(viewer, page):
    assert (np.ptp(settled(page), axis=2) > 100).sum() < 50  # nothing is as colourful as the parts
    check(viewer, page, "part colours")
    shows(page, lambda picture: (np.ptp(picture, axis=2) > 100).sum() > 1_000)


def test_the_panel_tells_status_and_figures(page):
    text = page.run("document.body.innerText")
    for words in ("ok: made up", "silhouette IoU", "0.875", "keypoint error", "3.0", "notes"):
        assert words in text


def test_the_body_is_drawn_where_the_cameras_projection_says(viewer, page):
    height, width = settled(page).shape[:2]
    viewer.panel.control("camera").value = False
    viewer.panel.see("photo")
    result = known_fit()
    K = result.camera.K.clone()  # the photo fills the height of the scene, and the person's camera looks at its middle
    K[:, :2] *= height / result.camera.height
    K[:, 0, 2], K[:, 1, 2] = width / 2, height / 2
    drawn = make_renderer("cpu")(
        result.output.vertices, result.faces, Camera(K, height, width), RenderSettings(), outputs=("face_index",)
    )
    expected = drawn.face_index[0].numpy() >= 0
    assert expected.sum() > 3_000

    def agrees(picture):
        found = bluish(picture)
        return (found & expected).sum() > 0.93 * (found | expected).sum()

    shows(page, agrees)
    assert page.problems == []
