"""The teacher's dashboard: counts as by hand, foreign text stays text, usable with keys, and nothing is loaded."""

import json
import re
from html.parser import HTMLParser

import pytest
from axe import axe_core

from course_lib import cli
from course_lib.classroom import dashboard
from course_lib.errors import CourseError

EVIL = "<img src=x onerror=alert(1)></script><script>document.title='taken'</script>\"'&"


def item(key, status, points, of=1, feedback="", title="A title"):
    cases = [{"case": "a case", "status": "passed" if status == "passed" else status, "feedback": feedback}]
    return {"id": key, "title": title, "points": points, "of": of, "status": status, "passed": 0, "cases": cases}


def record(student, *items, lesson="03", points=None, reason="", late=None, file="", handed="2027-01-01"):
    return {"student": student, "lesson": lesson, "file": file or f"{student}/{lesson}.ipynb", "points": points,
            "status": "not graded" if reason else "graded", "of": 3, "reason": reason, "exercises": list(items),
            "late_days": late, "handed_in": handed, "flags": [], "notes": []}


ASKED = "Called: f(1)\nExpected: 2\nGot: 3\nThe mean, not the sum.\nWhere: line 3"
CLASS = [
    record("ada", item("03.1", "passed", 1), item("03.2", "failed", 0, feedback=ASKED), points=1, late=2),
    record("bob", item("03.1", "passed", 1), item("03.2", "failed", 0.5, feedback=ASKED), points=1.5),
    record("cleo", item("03.1", "failed", 0, feedback="Called: f()\nGot: 7"),
           item("03.2", "unwritten", 0, feedback="Not written yet."), points=0),
    record("dora", reason="Not graded, because the file is empty."),
    record("ada", item("03.1", "failed", 0, feedback="Old."), item("03.2", "failed", 0), points=0, file="ada/old.ipynb",
           handed="2026-12-01"),
    record("ada", item("10.10", "passed", 1), item("10.9", "passed", 1), lesson="10", points=2, late=1)]


class Tables(HTMLParser):
    """The texts of each table's rows, by the table's label."""

    def __init__(self):
        super().__init__()
        self.found, self.cell = {}, None

    def handle_starttag(self, tag, attrs):
        if dict(attrs).get("role") == "region":
            self.rows = self.found.setdefault(dict(attrs)["aria-label"], [])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.cell = ""

    def handle_data(self, data):
        self.cell = None if self.cell is None else self.cell + data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.rows[-1].append(self.cell)
            self.cell = None


def tables(records):
    parser = Tables()
    parser.feed(dashboard.page(records))
    return parser.found


def test_the_exercise_that_stops_the_class_comes_first_with_counts_as_by_hand():
    rows = tables(CLASS)["Exercises, the hardest first"]
    assert rows[0] == ["Exercise", "Title", "Students", "Passed", "Tried, not passed", "Not written", "Handed in"]
    assert rows[1] == ["03.2", "A title", "3", "0%", "2", "1", "1"]
    assert rows[2] == ["03.1", "A title", "3", "67%", "1", "0", "1"]
    assert [row[0] for row in rows[3:]] == ["10.9", "10.10"]


def test_the_message_is_told_without_its_values_and_counted_by_students():
    assert tables(CLASS)["Messages, the most frequent first"][1:] == [
        ["2", "03.2", "The mean, not the sum."], ["1", "03.1", "Another value than expected."]]


def test_who_is_where_and_not_graded_is_never_zero():
    rows = tables(CLASS)["Students and exercises"]
    assert rows[0] == ["Student", "Points", "Lessons", "Not graded", "Late", "03.1", "03.2", "10.9", "10.10"]
    assert rows[1] == ["ada", "3", "2", "0", "3", "✓ 1 of 1", "✗ 0 of 1", "✓ 1 of 1", "✓ 1 of 1"]
    assert rows[2][5:] == ["✓ 1 of 1", "◐ 0.5 of 1", "", ""] and rows[3][5:7] == ["✗ 0 of 1", "○ 0 of 1"]
    assert rows[4] == ["dora", "0", "1", "1", "0", "? not graded", "? not graded", "", ""]
    assert tables(CLASS)["Notebooks that were not graded"][1] == [
        "dora", "03.ipynb", "Not graded, because the file is empty."]


def test_every_foreign_text_is_escaped():
    found = dashboard.page([record(EVIL, item("03.1", "failed", 0, feedback=EVIL, title=EVIL), points=0),
                            record("b" + EVIL, reason=EVIL, file=EVIL)])
    assert "<img" not in found and found.count("<script>") == 1 and found.count("</script>") == 1
    assert EVIL in next(iter(tables([record(EVIL, item("03.1", "failed", 0), points=0)])["Students and exercises"][1:]))


def test_what_is_no_result_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(CourseError, match="Grade first"):
        dashboard.read(tmp_path)
    for text in ("{", "{}", "[1]", '[{"student": "ada"}]'):
        (tmp_path / "results.json").write_text(text)
        with pytest.raises(CourseError, match=r"course grade"):
            dashboard.read(tmp_path)


def test_the_command_writes_the_page(tmp_path, capsys):
    (tmp_path / "results.json").write_text(json.dumps(CLASS))
    assert cli.main(["classroom", "dashboard", str(tmp_path)]) == 0
    assert f"4 students, 6 notebooks: {tmp_path / 'dashboard.html'}" in capsys.readouterr().out
    assert cli.main(["classroom", "dashboard", str(tmp_path), "--out", str(tmp_path / "other.html")]) == 0
    assert (tmp_path / "other.html").read_bytes() == (tmp_path / "dashboard.html").read_bytes()


def opened(page, tmp_path, records):
    asked = []
    page.route(re.compile("^https?:"), lambda route: (asked.append(route.request.url), route.abort()))
    dashboard.write(records, tmp_path / "page.html")
    page.goto((tmp_path / "page.html").as_uri())
    return asked


def column(page, number):
    return page.locator("section").nth(2).locator(f"tbody tr > :nth-child({number})").all_inner_texts()


@pytest.mark.browser
def test_keys_sort_it_a_screen_reader_is_told_and_nothing_is_loaded(tmp_path, browser_page):
    errors = []
    browser_page.on("pageerror", lambda error: errors.append(str(error)))
    browser_page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    evil = record(EVIL, item("03.1", "passed", 1, title=EVIL), points=11)
    asked = opened(browser_page, tmp_path, [*CLASS, evil])
    button = browser_page.get_by_role("button", name="Points")
    button.focus()
    browser_page.keyboard.press("Enter")
    assert column(browser_page, 2) == ["0", "0", "1.5", "3", "11"]
    head = browser_page.get_by_role("columnheader", name="Points")
    assert head.get_attribute("aria-sort") == "ascending"
    browser_page.keyboard.press("Space")
    assert column(browser_page, 2) == ["11", "3", "1.5", "0", "0"] and head.get_attribute("aria-sort") == "descending"
    assert browser_page.get_by_role("status").inner_text() == "Sorted by Points, descending."
    browser_page.get_by_role("button", name="03.2").press("Enter")
    assert column(browser_page, 7)[-1].startswith("◐") and head.get_attribute("aria-sort") is None
    browser_page.get_by_role("button", name="Student", exact=True).first.press("Enter")
    assert column(browser_page, 1)[1:] == ["ada", "bob", "cleo", "dora"]
    assert browser_page.title() == "The class: results" and asked == [] and errors == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation(tmp_path, browser_page, theme):
    source = axe_core(tmp_path)
    browser_page.emulate_media(color_scheme=theme)
    opened(browser_page, tmp_path, CLASS)
    browser_page.evaluate(source)
    found = browser_page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in found] == []
