import csv
import json
import re
from html.parser import HTMLParser

import pytest

from render_fit.export.gallery import SHOWN, read_entries, write_gallery, write_summary

SORTED = {"IoU": "iou", "unexplained": "unexplained_share", "body outside": "body_outside_share", "seconds": "seconds"}
"""Headings of some columns of the gallery, and the figures under them."""


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
    hostile = '<script>alert("x")&#'
    report(tmp_path, "plain", iou={"before": 0.5, "after": 0.75})
    report(tmp_path, hostile, reason="<b>bold</b>")
    page = write_gallery(tmp_path / "index.html", read_entries(tmp_path), title="<t>").read_text(encoding="utf-8")
    parsed = Links()
    parsed.feed(page)
    assert parsed.tags.count("script") == 1  # the page's own
    assert "b" not in parsed.tags and "t" not in parsed.tags
    assert "plain/overlay.png" in parsed.links
    assert "%3Cscript%3Ealert%28%22x%22%29%26%23/overlay.png" in parsed.links
    assert not [link for link in parsed.links if re.match(r"[a-z]+:|/", link)]
    assert 'data-value="0.75"' in page


def test_every_column_of_figures_has_a_heading_that_sorts(tmp_path):
    report(tmp_path, "a", unexplained_share={"before": 0.3, "after": 0.2}, body_outside_share=None)
    page = write_gallery(tmp_path / "index.html", read_entries(tmp_path)).read_text(encoding="utf-8")
    headings = re.findall(r"<th[ >].*?</th>", page)
    cells = re.findall(r"<td[ >].*?</td>", page)
    assert len(headings) == len(cells) == 4 + len(SHOWN) + 1  # name and images, figures, status
    places = {name: place for place, heading in enumerate(headings) for name in SORTED if f">{name}<" in heading}
    assert [places[name] for name in SORTED] == [4 + list(SHOWN).index(key) for key in SORTED.values()]
    assert all("<button>" in headings[place] for place in places.values())
    assert 'data-value="0.2" title="before: 0.300">0.200<' in cells[places["unexplained"]]
    assert 'data-value=""' in cells[places["body outside"]]


def test_gallery_of_nothing_is_a_page(tmp_path):
    assert "nothing yet" in write_gallery(tmp_path / "index.html", []).read_text()


def test_of_a_long_gallery_as_many_rows_are_hidden_as_the_script_does_not_show(tmp_path):
    page = write_gallery(tmp_path / "index.html", []).read_text()
    shown = int(re.search(r"const PAGE = (\d+);", page)[1])
    assert f"tbody tr:nth-child(n + {shown + 1}) {{ display: none; }}" in page
    assert "display: table-row !important" in re.search(r"<noscript>(.*?)</noscript>", page)[1]


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
