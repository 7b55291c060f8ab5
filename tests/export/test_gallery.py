import csv
import json
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from render_fit.export.gallery import read_entries, write_gallery, write_summary


def report(folder, name, **values):
    (folder / name).mkdir()
    content = {
        "status": "ok",
        "reason": "fine",
        "image": f"{name}.jpg",
        "seconds": {"search": 1.0, "total": 2.5},
        **values,
    }
    (folder / name / "report.json").write_text(json.dumps(content))
    for picture in ("input.jpg", "overlay.png", "side.png"):
        (folder / name / picture).write_bytes(b"")


def test_the_summary_has_one_line_per_fit(tmp_path):
    shares = {
        "unexplained_share": {"before": 0.3, "after": 0.2},
        "body_outside_share": {"before": 0.1, "after": 0.05},
    }
    report(tmp_path, "b", iou={"before": 0.5, "after": 0.75}, beta_max=1.5, **shares)
    report(tmp_path, "a", status="failed", reason='no person, "sorry"', iou=None)
    rows = list(csv.DictReader(write_summary(tmp_path / "summary.csv", read_entries(tmp_path)).open(encoding="utf-8")))
    assert [(row["name"], row["status"]) for row in rows] == [("a", "failed"), ("b", "ok")]
    assert rows[0]["reason"] == 'no person, "sorry"'
    assert (rows[0]["iou"], rows[0]["iou_before"]) == ("", "")
    assert (rows[1]["iou"], rows[1]["iou_before"], rows[1]["seconds"]) == ("0.7500", "0.5000", "2.5000")
    assert (rows[1]["unexplained_share_before"], rows[1]["unexplained_share"]) == ("0.3000", "0.2000")
    assert (rows[1]["body_outside_share"], rows[0]["body_outside_share"]) == ("0.0500", "")


def test_unfinished_and_broken_folders_are_left_out(tmp_path):
    report(tmp_path, "good")
    report(tmp_path, ".bad.x.partial")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "report.json").write_text('{"status": "o')
    report(tmp_path, "other", status=["ok"])
    report(tmp_path, "list")
    (tmp_path / "list" / "report.json").write_text("[]")
    assert [entry.name for entry in read_entries(tmp_path)] == ["good"]


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href")]


def test_gallery_links_are_relative_and_names_are_escaped(tmp_path):
    hostile = '<script>alert("x")&#{cards}'
    report(tmp_path, "plain", iou={"before": 0.5, "after": 0.75})
    report(tmp_path, hostile, reason="<b>bold</b>", image='"><i>', status="<u>")
    page = write_gallery(tmp_path / "index.html", read_entries(tmp_path), title="<t>").read_text(encoding="utf-8")
    parsed = Links()
    parsed.feed(page)
    assert parsed.tags.count("script") == 1  # the page's own
    assert not {"b", "t", "i", "u"} & set(parsed.tags)
    assert page.count("<li ") == 2  # names are not templates
    assert "plain/overlay.png" in parsed.links
    assert "%3Cscript%3Ealert%28%22x%22%29%26%23%7Bcards%7D/overlay.png" in parsed.links
    assert not [link for link in parsed.links if re.match(r"[a-z]+:|/", link)]


def test_a_card_has_the_figures_that_the_fit_has(tmp_path):
    report(tmp_path, "a", unexplained_share={"before": 0.3, "after": 0.2}, body_outside_share=None)
    report(tmp_path, "b", status="failed", seconds={})
    page = write_gallery(tmp_path / "index.html", read_entries(tmp_path)).read_text(encoding="utf-8")
    first, second = re.findall(r"<li .*?</li>", page)
    assert re.findall(r'data-key="(\w+)" data-value="([\d.]+)"', first) == [
        ("unexplained_share", "0.2"),
        ("seconds", "2.5"),
    ]
    assert "; before: 0.300" in first and ">0.200<" in first
    assert "data-key" not in second and 'data-status="failed"' in second
    orders = re.findall(r'<option value="(\w+)">', page)  # by what no fit has nothing is sorted
    assert orders == ["name", "status", "unexplained_share", "seconds"]
    assert re.findall(r'data-status="(\w+)" aria-pressed', page) == ["ok", "failed"]


def test_pictures_have_their_sizes_so_that_the_page_does_not_jump(tmp_path):
    report(tmp_path, "a")
    report(tmp_path, "b")
    Image.new("RGB", (60, 40)).save(tmp_path / "a" / "overlay.png")
    (tmp_path / "b" / "side.png").unlink()
    page = write_gallery(tmp_path / "index.html", read_entries(tmp_path)).read_text(encoding="utf-8")
    assert 'src="a/overlay.png" alt="a: overlay" width="60" height="40">' in page
    assert 'src="b/overlay.png" alt="b: overlay">' in page  # a damaged picture
    assert 'data-src="a/side.png"' in page and "b/side.png" not in page


def test_gallery_of_nothing_is_a_page(tmp_path):
    assert "nothing yet" in write_gallery(tmp_path / "index.html", []).read_text()


def test_of_a_long_gallery_as_many_cards_are_hidden_as_the_script_does_not_show(tmp_path):
    page = write_gallery(tmp_path / "index.html", []).read_text()
    shown = int(re.search(r"const PAGE = (\d+);", page)[1])
    assert f"li:nth-child(n + {shown + 1}) {{ display: none; }}" in page
    assert "display: flex !important" in re.search(r"<noscript>(.*?)</noscript>", page)[1]


def test_of_a_report_only_what_is_used_is_kept_in_memory(tmp_path):
    report(tmp_path, "a", recipe={"name": "hybrid"}, versions={"torch": "2"}, options={"seed": 0})
    report(tmp_path, "b")
    (entry,) = read_entries(tmp_path, lambda name: name == "a")
    assert entry.report["options"] == {"seed": 0}
    assert not {"recipe", "versions"} & entry.report.keys()
    assert read_entries(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "content",
    [
        "[]", "null", "3", "{", "[" * 100_000, '{"status": ["ok"]}', '{"status": "ok", "iou": 0.5}',
        '{"status": "ok", "iou": {"after": "good"}}', '{"status": "ok", "image": 7}', '{"status": "ok", "people": "1"}',
        '{"status": "ok", "options": []}', '{"status": "ok", "seconds": 3}', '{"status": "ok", "reason": {}}',
    ],
)  # fmt: skip
def test_a_report_that_is_none_is_not_a_finished_fit(tmp_path, content):
    report(tmp_path, "a")
    report(tmp_path, "b")
    (tmp_path / "b" / "report.json").write_text(content)
    assert [entry.name for entry in read_entries(tmp_path)] == ["a"]


def test_figures_that_were_not_finite_are_null_in_a_report_and_empty_in_the_summary(tmp_path):
    report(tmp_path, "a", iou={"before": None, "after": 0.5}, beta_max=None, part_iou=None)
    (entry,) = read_entries(tmp_path)
    assert (entry.row()["iou_before"], entry.row()["iou"], entry.row()["beta_max"]) == ("", 0.5, "")
