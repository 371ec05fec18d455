"""Ratings on several axes: on the disk at once, never lost, resumable, and only what is a rating."""

import json
import os
import subprocess
import sys

import pytest

from course_lib.errors import CourseError
from course_lib.labels.labeler import NotYetLabelled
from course_lib.labels.ratings import AXES, Rater, RatingBook, RatingItem
from course_lib.paths import root

GOOD = dict.fromkeys(AXES, 5)
ITEMS = [RatingItem(f"item-{k}", f"Text <b>{k}</b>", f"Summary {k}") for k in range(4)]


@pytest.fixture
def book(tmp_path):
    return RatingBook(tmp_path / "ratings" / "summaries.jsonl")


@pytest.mark.parametrize(("scores", "message"), [
    (GOOD | {"coverage": 8}, "coverage is 8; it is a whole number from 1"), (GOOD | {"overall": 0}, "overall is 0"),
    (GOOD | {"accuracy": 4.5}, "accuracy is 4.5"), (GOOD | {"accuracy": True}, "accuracy is True"),
    (GOOD | {"coherence": "6"}, "coherence is '6'"), (GOOD | {"coherence": float("nan")}, "coherence is nan"),
    ({"coverage": 3}, "Not rated yet: accuracy, coherence, overall"), (GOOD | {"style": 3}, "no axis 'style'")])
def test_what_is_no_rating_is_refused_and_nothing_is_lost(book, scores, message):
    book.add("item-0", GOOD, "me")
    before = book.path.read_bytes()
    with pytest.raises(CourseError, match=message):
        book.add("item-1", scores, "me")
    assert book.path.read_bytes() == before and len(book.all()) == 1


def test_the_file_only_grows_and_the_newest_counts(book):
    first = book.add("item-0", GOOD, "me")
    before = book.path.read_bytes()
    book.add("item-0", GOOD | {"overall": 2}, "me")
    book.add("item-0", GOOD | {"overall": 7}, "you")
    assert book.path.read_bytes().startswith(before)
    assert book.latest("me")["item-0"].scores["overall"] == 2 and book.latest()["item-0"].labeler == "you"
    assert len(book.all()) == 3 and book.all()[0] == first


@pytest.mark.parametrize("damage", [b'{"item_id": "item-1", "scor', b"\x00\xff\n", b"[1, 2]\n", b'{"item_id": "x"}\n'])
def test_half_a_line_hides_nothing(book, damage):
    book.add("item-0", GOOD, "me")
    with book.path.open("ab") as file:
        file.write(damage)
    book.add("item-2", GOOD, "me")
    assert [one.item_id for one in book.all()] == ["item-0", "item-2"]


def test_a_killed_program_has_lost_nothing(book):
    script = ("import os\nfrom course_lib.labels.ratings import AXES, RatingBook\n"
              f"book = RatingBook({str(book.path)!r})\n"
              "book.add('item-0', dict.fromkeys(AXES, 3), 'me')\nos.kill(os.getpid(), 9)")
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(root())}, check=False)
    assert book.latest("me")["item-0"].scores["overall"] == 3


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="cannot be written .* still on the screen"):
        RatingBook(tmp_path / "file" / "ratings.jsonl").add("item-0", GOOD, "me")


def test_a_rater_goes_on_where_it_stopped(book):
    rater = Rater(book, ITEMS, target=3, labeler="me")
    rater.rate("item-1", GOOD)
    with pytest.raises(NotYetLabelled, match="1 of 3 are rated"):
        rater.require()
    again = Rater(book, ITEMS, target=3, labeler="me")
    assert [item.item_id for item in again.waiting()] == ["item-0", "item-2", "item-3"]
    with pytest.raises(CourseError, match="no item 'other'"):
        again.rate("other", GOOD)
    for bad in ([], [ITEMS[0], ITEMS[0]]):
        with pytest.raises(CourseError, match="an id of its own"):
            Rater(book, bad)


def test_a_function_rates_only_where_nobody_sits(book, monkeypatch):
    monkeypatch.delenv("COURSE_LABELER", raising=False)
    rater = Rater(book, ITEMS, labeler="me", synthetic=lambda item: GOOD)
    with pytest.raises(NotYetLabelled):
        rater.require(2)
    rater.rate("item-0", GOOD | {"overall": 1})
    monkeypatch.setenv("COURSE_LABELER", "scripted")
    found = rater.require(3)
    assert [one.source for one in found] == ["human", "scripted", "scripted"] and found[0].scores["overall"] == 1
    with pytest.raises(CourseError, match="no synthetic labeler"):
        Rater(book, ITEMS, labeler="me").rate_synthetic()


def test_the_view_saves_on_each_press_and_names_what_is_missing(book):
    from course_lib.labels.rating_view import RatingView

    view = RatingView(Rater(book, ITEMS, target=2, labeler="me"))
    view.axes["coverage"].value = 6
    view.press()
    assert "Not rated yet: accuracy" in view.note.value and view.axes["coverage"].value == 6 and not book.all()
    for buttons in view.axes.values():
        buttons.value = 4
    view.press()
    assert book.latest("me")["item-0"].scores == dict.fromkeys(AXES, 4)
    assert view.item.item_id == "item-1" and all(buttons.value is None for buttons in view.axes.values())
    assert "&lt;b&gt;1" in view.text.value
    view.return_to_last()
    assert view.item.item_id == "item-0" and view.axes["overall"].value == 4
    view.axes["overall"].value = 1
    view.press()
    assert view.item.item_id == "item-1" and book.latest("me")["item-0"].scores["overall"] == 1
    for buttons in view.axes.values():
        buttons.value = 7
    view.press()
    assert view.item is None and "Run the next cell" in view.note.value
    assert len(json.loads(book.path.read_text().splitlines()[0])) == 5 and len(book.all()) == 3
