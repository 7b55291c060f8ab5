"""The gallery of a folder in a headless browser, from disk: it opens at once, sorts, filters, and obeys keys."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

from render_fit.export.gallery import read_entries, write_gallery
from tests.browser import Browser, waited

MANY = 1000
COLOURS = {"overlay.png": (200, 60, 40), "side.png": (40, 60, 200), "input.jpg": (60, 160, 60)}


def write_fits(folder, n):
    """Fits whose IoU falls with their number; every fifth failed and has no pictures, every third is poor."""
    for number in range(n):
        (one := folder / f"fit_{number}").mkdir()
        status = "failed" if number % 5 == 4 else "poor" if number % 3 == 2 else "ok"
        report = {
            "status": status,
            "reason": f"reason {number}",
            "image": f"photo_{number}.jpg",
            "seconds": {"total": 2.0},
        }
        if status != "failed":
            report["iou"] = {"before": 0.5, "after": 1 - number / (2 * n)}
            report |= {"unexplained_share": {"after": 0.1}, "body_outside_share": {"after": 0.01}, "beta_max": 2.5}
            for name, colour in COLOURS.items():
                Image.new("RGB", (30, 40), colour).save(one / name)
        (one / "report.json").write_text(json.dumps(report))
    return write_gallery(folder / "index.html", read_entries(folder), title="many").as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return write_fits(tmp_path_factory.mktemp("few"), 12)


@pytest.fixture
def page(browser, address):
    browser.prefer("light")
    browser.resize(1200, 800)
    browser.open(address)
    browser.run("localStorage.clear()")
    browser.open(address)
    yield browser
    assert browser.problems == []


def names(page):
    return page.run("[...document.querySelectorAll('.cards > li')].map(card => card.dataset.name)")


def choose(page, key):
    page.run(f"sort.value = '{key}'; sort.dispatchEvent(new Event('change'))")


def test_a_gallery_of_1000_fits_opens_at_once_and_holds_few_cards(browser, tmp_path):
    address = write_fits(tmp_path, MANY)
    browser.open(address)
    browser.wait("performance.getEntriesByName('first-contentful-paint').length")
    painted, interactive = browser.run(
        "[performance.getEntriesByName('first-contentful-paint')[0].startTime,"
        " performance.getEntriesByType('navigation')[0].domInteractive]"
    )
    assert browser.seconds() < 1.0  # 0.2 s of processor time when this was written
    if os.getloadavg()[0] < 0.7 * (os.cpu_count() or 1):
        assert max(painted, interactive) < 2_000  # milliseconds from the start of the navigation
    assert browser.run("document.getElementById('count').textContent") == "1,000 of 1,000"
    assert len(names(browser)) == 200
    assert browser.run("[...document.images].filter(image => image.naturalWidth).length") < 100  # the visible ones
    browser.run("scrollTo(0, document.body.scrollHeight)")
    browser.wait("document.querySelectorAll('.cards > li').length > 200")
    choose(browser, "iou")
    browser.run(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )  # scrolling is reported
    assert browser.run("scrollY") == 0  # another order begins at its top
    assert names(browser)[0] == "fit_0" and len(names(browser)) == 200
    assert browser.problems == []


def test_fits_are_sorted_by_name_and_figures_and_those_without_come_last(page):
    assert names(page) == [f"fit_{number}" for number in range(12)]  # 10 comes after 9
    choose(page, "iou")
    assert names(page) == [f"fit_{number}" for number in (0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 4, 9)]
    page.run("direction.click()")
    assert names(page) == [f"fit_{number}" for number in (11, 10, 8, 7, 6, 5, 3, 2, 1, 0, 4, 9)]
    choose(page, "status")
    assert names(page)[:3] == ["fit_0", "fit_1", "fit_3"]
    assert names(page)[-2:] == ["fit_4", "fit_9"]


def test_fits_are_filtered_by_status_and_words(page):
    page.run("document.querySelector('[data-status=poor]').click()")
    assert names(page) == ["fit_2", "fit_5", "fit_8", "fit_11"]
    page.press("/")
    page.write("reason 1")  # both words, anywhere
    assert names(page) == ["fit_11"]
    assert page.run("document.getElementById('count').textContent") == "1 of 12"
    page.write("zzz")
    assert names(page) == [] and page.run("!nothing.hidden")
    page.press("Escape")
    assert names(page) == ["fit_2", "fit_5", "fit_8", "fit_11"]


def focused(page):
    return page.run("document.activeElement.closest('li')?.dataset.name")


def test_keys_go_from_fit_to_fit_and_open_them(page):
    page.press("ArrowRight")
    assert focused(page) == "fit_0"
    page.press("ArrowRight")
    assert focused(page) == "fit_1"
    columns = page.run("getComputedStyle(cards).gridTemplateColumns.split(' ').length")
    assert columns == 4  # of 1200 pixels
    page.press("ArrowDown")
    assert focused(page) == "fit_5"
    page.press("Enter")
    assert page.run("large.open") and page.run("large.querySelector('h2').textContent") == "fit_5"
    page.wait("[...large.querySelectorAll('img')].every(image => image.naturalWidth == 30)")
    page.press("ArrowRight")
    assert page.run("large.querySelector('h2').textContent") == "fit_6"
    page.press("Escape")
    page.wait("!large.open && document.activeElement.closest('li')?.dataset.name == 'fit_6'")  # after the event
    page.press("?")
    assert page.run("keys.open")
    page.press("Escape")
    assert not page.run("keys.open")


def first_shows(page, name):
    """Waits until the first card shows one of the pictures."""
    box = page.run("document.querySelector('.picture').getBoundingClientRect().toJSON()")
    row, column = round(box["y"] + box["height"] / 2), round(box["x"] + box["width"] / 2)
    waited(
        lambda: np.abs(page.picture()[row, column] - COLOURS[name]).max() < 12, f"the first card does not show {name}"
    )


def test_the_side_view_is_shown_under_the_mouse_and_by_a_key(page):
    first_shows(page, "overlay.png")
    assert page.run("document.querySelectorAll('.side[src]').length") == 0  # not loaded before it is wanted
    box = page.run("document.querySelector('.picture').getBoundingClientRect().toJSON()")
    page.move(box["x"] + 20, box["y"] + 20)
    page.wait("document.querySelector('.side').naturalWidth == 30")
    first_shows(page, "side.png")
    page.move(2, 2)
    first_shows(page, "overlay.png")
    page.press("s")
    page.wait("[...document.querySelectorAll('.side')].slice(0, 4).every(image => image.naturalWidth == 30)")
    first_shows(page, "side.png")
    page.press("s")
    first_shows(page, "overlay.png")


def shows(page, told):
    """Waits until the colour of the page's lower left corner is as it should be."""
    waited(lambda: told(page.picture()[-3, 3]), "the page has another colour")


def test_dark_and_light_follow_the_system_until_one_is_chosen_and_it_is_remembered(page, address):
    shows(page, lambda corner: corner.min() > 220)
    page.prefer("dark")
    shows(page, lambda corner: corner.max() < 60)
    page.press("d")
    shows(page, lambda corner: corner.min() > 220)
    page.open(address)
    shows(page, lambda corner: corner.min() > 220)


def test_on_a_phone_nothing_is_wider_than_the_page(page):
    page.resize(390, 844, phone=True)
    assert page.run("getComputedStyle(cards).gridTemplateColumns.split(' ').length") == 1
    assert page.run("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [390, 768, 1200, 1440])
def test_figures_of_a_card_lie_within_it(page, width):
    page.resize(width, 800, phone=width == 390)
    code = """[...document.querySelectorAll('.figures dd')].filter(figure =>
        figure.getBoundingClientRect().right > figure.closest('.about').getBoundingClientRect().right).length"""
    assert page.run("document.querySelectorAll('.figures dd').length") > 0
    assert page.run(code) == 0


def test_pictures_of_an_opened_fit_stand_side_by_side_within_the_page(page):
    page.press("ArrowRight")
    page.press("Enter")
    page.wait("[...large.querySelectorAll('img')].every(image => image.style.flexGrow)")
    boxes = page.run("[...large.querySelectorAll('img')].map(image => image.getBoundingClientRect().toJSON())")
    assert len(boxes) == 3 and len({round(box["top"]) for box in boxes}) == 1
    assert boxes[2]["right"] - boxes[0]["left"] > 900  # they fill the row, however small they are
    assert max(box["bottom"] for box in boxes) <= 800 and max(box["right"] for box in boxes) <= 1200
    page.press("Escape")


def test_help_says_what_the_figures_mean(page):
    page.run("help.click()")
    told = page.run("document.getElementById('keys').textContent")
    assert "unexplained" in told and "body and clothing offsets do not cover" in told
    page.press("Escape")


def test_everything_can_be_named_and_reached(page):
    """Pictures have texts, controls have names, and each card is one stop of the tab key."""
    assert page.run("[...document.images].every(image => image.alt)")
    controls = "[...document.querySelectorAll('button, input, select')]"
    assert page.run(f"{controls}.every(one => one.textContent.trim() || one.ariaLabel)")
    assert page.run("document.querySelectorAll('.name a:not([tabindex])').length") == 0
    page.press("ArrowRight")
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
