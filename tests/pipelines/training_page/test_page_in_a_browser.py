"""The page of a training in a headless browser, from disk: slider, strip and keys show the steps; dark mode; phones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib")

from render_fit.pipelines.training_page.page import TrainingPage
from render_fit.pipelines.training_page.predictions import COLUMNS, SIZE_PX
from render_fit.training.figure_log import HELD_OUT, LOG
from tests.browser import Browser, waited

STEPS = tuple(range(0, 1300, 100))


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page of a training of 1,200 steps. Columns of its pictures have colours; the prediction's gets brighter."""
    folder = tmp_path_factory.mktemp("lifter")
    with (folder / LOG).open("w") as file:
        for step in range(1, 1201):
            line = {"step": step, "seconds": step / 3, "learning_rate": 1e-3, "total": 100 / step}
            file.write(json.dumps(line | ({HELD_OUT + "pa_mpjpe_mm": 90 + 9000 / step} if step % 100 == 0 else {})))
            file.write("\n")
    (folder / "predictions").mkdir()
    pitch = SIZE_PX + 4
    for number, step in enumerate(STEPS):
        sheet = np.zeros((448, COLUMNS * pitch - 4, 3), np.uint8)
        for column, colour in enumerate([(200, 0, 0), (20 * number,) * 3, (0, 0, 200), (90, 90, 90), (90, 90, 90)]):
            sheet[:, column * pitch : column * pitch + SIZE_PX] = colour
        Image.fromarray(sheet).save(folder / f"predictions/step_{step:07d}.jpg")
    return TrainingPage(folder).write().as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def page(browser, address):
    browser.prefer("light")
    browser.resize(1200, 900)
    browser.open(address)
    browser.run("localStorage.clear()")
    browser.open(address)
    browser.wait("document.querySelector('#sheet img').naturalWidth > 0")
    yield browser
    assert browser.problems == []


def shown(page) -> tuple[str, str, str]:
    """The step beside the slider, the file of the large picture, and the step that the strip marks."""
    return tuple(
        page.run(
            "[at.textContent, document.querySelector('#sheet img').src.split('/').pop(),"
            " document.querySelector('[aria-current=true]').textContent]"
        )
    )


def test_the_last_step_is_shown_and_slider_strip_and_keys_show_others(page) -> None:
    assert shown(page) == ("step 1,200", "step_0001200.jpg", "step 1,200")
    page.run("step.value = 3; step.dispatchEvent(new Event('input'))")
    assert shown(page) == ("step 300", "step_0000300.jpg", "step 300")
    page.press("ArrowRight")
    page.press("ArrowRight")
    page.press("ArrowLeft")
    assert shown(page) == ("step 400", "step_0000400.jpg", "step 400")
    page.run("document.querySelector('.strip button').click()")
    assert shown(page) == ("step 0", "step_0000000.jpg", "step 0")
    page.press("ArrowLeft")  # there is none before
    assert shown(page)[0] == "step 0"


def test_playing_begins_at_the_first_step_and_stops_at_the_last(page) -> None:
    page.press(" ")
    assert shown(page)[0] == "step 0" and page.run("part('play').textContent") == "stop"
    page.wait("at.textContent == 'step 100'")
    page.run("step.value = 11; step.dispatchEvent(new Event('input')); part('play').click()")
    page.wait("part('play').textContent == 'play'")
    assert shown(page)[0] == "step 1,200"


def test_the_strip_shows_the_column_of_predictions_between_input_and_truth(page) -> None:
    """Colours in the middle of columns that can be seen: input red, the prediction of the last step, truth blue."""
    boxes = page.run(
        "['.edge .column', '[aria-current=true] .column', '.edge:last-child .column'].map(name => {"
        " const box = document.querySelector(name).getBoundingClientRect();"
        " return [box.y + box.height / 2, box.x + box.width / 2].map(Math.round); })"
    )
    expected = [(200, 0, 0), (240, 240, 240), (0, 0, 200)]

    def seen() -> bool:
        picture = page.picture()
        return all(
            np.abs(picture[row, x] - colour).max() < 12 for (row, x), colour in zip(boxes, expected, strict=True)
        )

    waited(seen, "the strip shows other columns")


def test_plots_are_dark_in_dark_mode(page) -> None:
    page.run("scrollTo(0, document.querySelector('.plot').getBoundingClientRect().top - 100)")
    page.wait("[...document.querySelectorAll('.plot img')].some(image => image.naturalWidth == 1500)")

    def paper(limit) -> bool:
        box = page.run("document.querySelector('.plot').getBoundingClientRect().toJSON()")
        picture = page.picture()[round(box["y"]) + 20 : round(box["y"]) + 200, round(box["x"]) + 20 : -60]
        return limit(np.median(picture))

    waited(lambda: paper(lambda grey: grey > 240), "the plot is not light")
    page.press("d")
    waited(lambda: paper(lambda grey: grey < 60), "the plot is not dark")


def test_on_a_phone_nothing_is_wider_than_the_page(page) -> None:
    page.resize(390, 844, phone=True)
    assert page.run("document.documentElement.scrollWidth") <= 390


def test_everything_can_be_named(page) -> None:
    assert page.run("[...document.images].every(image => image.alt)")
    controls = "[...document.querySelectorAll('button, input')]"
    assert page.run(f"{controls}.every(one => one.textContent.trim() || one.ariaLabel)")
