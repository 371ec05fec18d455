"""Damaged files: never fewer labels than SQLite's own `.recover` finds, never a wrong one, nothing without a word."""

import os
import random
import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest
from conftest import skip_unless_ci
from labelling import into_one_file, many_labels, rows

from course_lib.errors import CourseError
from course_lib.labels.check import check, integrity
from course_lib.labels.rescue import rescue
from course_lib.labels.store import PreferenceStore

PAGE = 4096
LABEL = ("label_id", "event_id", "choice", "flip", "labeler", "answered_at", "asked", "seal")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A file of 300 labels by two people, ten of them taken back and given anew; and what its labels say."""
    path = tmp_path_factory.mktemp("whole") / "labels.sqlite"
    store = many_labels(path, 280)
    for question in store.questions_of("texts")[:10]:
        store.undo("texts", "ann", event_id=next(
            label.event_id for label in store.labels("texts") if label.question_id == question))
        store.answer(question, "skip", labeler="ann")
        store.answer(question, "left", labeler="bob")
    into_one_file(store)
    store.close()
    return path


def labels_in(path):
    """The labels by number, as SQLite reads them."""
    with closing(sqlite3.connect(path)) as connection:
        return {row[0]: row for row in connection.execute(f"SELECT {', '.join(LABEL)} FROM labels")}


def recovered(path, folder):
    """The labels that `sqlite3 FILE .recover` finds, as far as they are what was stored."""
    if shutil.which("sqlite3") is None:
        skip_unless_ci("no sqlite3 found: install it (Debian: apt install sqlite3) to compare with its .recover")
    script = subprocess.run(["sqlite3", str(path), ".recover"], capture_output=True, check=False).stdout
    goal = folder / "recovered.sqlite"
    goal.unlink(missing_ok=True)
    subprocess.run(["sqlite3", str(goal)], input=script, capture_output=True, check=False)
    try:
        return labels_in(goal)
    except sqlite3.DatabaseError:
        return {}


def overwrite(path, page, content):
    with open(path, "r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(content)


def same(found, true):
    return {number for number, row in found.items() if true.get(number) == row}


def compare(whole, damaged, folder):
    """Rescue the damaged file and compare with the truth and with `.recover`; returns how many labels there are."""
    true, goal = labels_in(whole), folder / "rescued.sqlite"
    result = rescue(damaged, goal)
    mine = labels_in(goal)
    assert same(mine, true) == set(mine), "never a wrong one"
    assert same(mine, true) >= same(recovered(damaged, folder), true), "never fewer than .recover"
    assert result.labels == len(mine) and integrity(goal) == []
    assert result.labels + result.damaged + result.homeless + result.unread >= len(true) or result.labels == 0
    return len(mine)


@pytest.mark.parametrize("seed", range(6))
def test_random_pages(whole, tmp_path, seed):
    draw, damaged = random.Random(seed), tmp_path / "labels.sqlite"
    shutil.copy(whole, damaged)
    pages = whole.stat().st_size // PAGE
    for page in draw.sample(range(1, pages + 1), 1 + seed):
        overwrite(damaged, page, draw.choice([draw.randbytes(PAGE), bytes(PAGE), whole.read_bytes()[-PAGE:]]))
    compare(whole, damaged, tmp_path)


@pytest.mark.parametrize("first", [bytes(PAGE), os.urandom(PAGE)], ids=["zeros", "noise"])
def test_the_head_of_the_file_is_lost(whole, tmp_path, first):
    """Page 1 says how large the pages are, and leads to all tables: nothing but itself is lost with it."""
    damaged = tmp_path / "labels.sqlite"
    shutil.copy(whole, damaged)
    overwrite(damaged, 1, first)
    assert compare(whole, damaged, tmp_path) == 300


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 40))
def test_many_random_pages(whole, tmp_path, seed):
    test_random_pages(whole, tmp_path, seed % 40)


@pytest.mark.parametrize("share", [0.99, 0.8, 0.6, 0.3])
def test_cut(whole, tmp_path, share):
    damaged = tmp_path / "labels.sqlite"
    shutil.copy(whole, damaged)
    os.truncate(damaged, int(whole.stat().st_size * share))
    found = compare(whole, damaged, tmp_path)
    assert found > 200 * (share - 0.4)


@pytest.mark.slow
def test_cut_at_every_page(whole, tmp_path):
    damaged, found = tmp_path / "labels.sqlite", []
    for page in range(1, whole.stat().st_size // PAGE):
        shutil.copy(whole, damaged)
        os.truncate(damaged, page * PAGE)
        found.append(compare(whole, damaged, tmp_path))
    assert found == sorted(found) and found[-1] > 250


@pytest.mark.parametrize("what", ["whole", "zeroed", "torn", "cut", "gone"])
def test_the_log(tmp_path, what):
    """Ten labels are still in the log alone."""
    store = many_labels(tmp_path / "live.sqlite", 100)
    into_one_file(store)
    for question in store.questions_of("texts")[100:110]:
        store.answer(question, "left", labeler="ann")
    damaged = tmp_path / "labels.sqlite"
    shutil.copy(store.path, damaged)
    log, copy = (path.with_name(path.name + "-wal") for path in (store.path, damaged))
    content = bytearray(log.read_bytes())
    if what == "zeroed":
        content[:] = bytes(len(content))
    elif what == "torn":
        content[len(content) // 2] ^= 1
    elif what == "cut":
        del content[-5000:]
    if what != "gone":
        copy.write_bytes(content)
    goal = tmp_path / "rescued.sqlite"
    result, true = rescue(damaged, goal), labels_in(store.path)
    assert same(labels_in(goal), true) == set(labels_in(goal))
    few = {"whole": (110, 110), "zeroed": (100, 100), "torn": (100, 109), "cut": (105, 110), "gone": (100, 100)}[what]
    assert few[0] <= result.labels <= few[1]


@pytest.mark.parametrize("bit", range(0, 8 * 600, 367))
def test_a_flipped_bit_of_a_label_is_noticed(whole, tmp_path, bit):
    """Each label is sealed: no bit of it changes unnoticed."""
    damaged, true = tmp_path / "labels.sqlite", labels_in(whole)
    content = bytearray(whole.read_bytes())
    event = true[150][1].encode()
    start = content.index(event)
    content[start + bit // 8] ^= 1 << bit % 8
    damaged.write_bytes(content)
    rescue(damaged, tmp_path / "rescued.sqlite")
    found = labels_in(tmp_path / "rescued.sqlite")
    assert same(found, true) == set(found)
    assert len(found) >= len(true) - 1


def test_questions_are_made_again_from_their_labels(whole, tmp_path):
    """Every page of questions and pairs is lost; what the labels kept is enough."""
    damaged = tmp_path / "labels.sqlite"
    shutil.copy(whole, damaged)
    before = PreferenceStore(whole, read_only=True).preference_rows("texts")
    content = whole.read_bytes()
    from course_lib.labels import rescue as module
    from course_lib.labels.salvage import rows as all_rows

    gone = {page for page, _, values in all_rows(whole) if module._table_of(values) in ("questions", "pairs")}
    for page in gone:
        overwrite(damaged, page, os.urandom(PAGE))
    assert len(content) // PAGE > len(gone) > 10
    findings = check(damaged)
    assert any("were lost" in one.fault and "made again" in one.action for one in findings)
    after = PreferenceStore(damaged).preference_rows("texts")
    assert [(row["event_id"], row["sigma1"], row["sigma2"], row["mu"], row["question_key"]) for row in after] == [
        (row["event_id"], row["sigma1"], row["sigma2"], row["mu"], row["question_key"]) for row in before]


def test_a_lost_undo_does_not_bring_the_old_answer_back(whole, tmp_path):
    damaged = tmp_path / "labels.sqlite"
    shutil.copy(whole, damaged)
    live = {row["event_id"] for row in PreferenceStore(whole, read_only=True).preference_rows("texts")}
    with closing(sqlite3.connect(whole)) as connection:
        undos = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'undos'").fetchone()[0]
    overwrite(damaged, undos, os.urandom(PAGE))
    check(damaged)
    assert {row["event_id"] for row in PreferenceStore(damaged).preference_rows("texts")} == live


def test_labels_of_a_lost_question_are_told(tmp_path):
    """Labels of version 2 kept nothing of their question."""
    store = many_labels(tmp_path / "labels.sqlite", 20)
    rows(store, "DROP TRIGGER labels_never_change")
    rows(store, "UPDATE labels SET asked = NULL, seal = NULL")
    rows(store, "PRAGMA foreign_keys = OFF")
    rows(store, "DELETE FROM questions WHERE question_id < 4")
    store.close()
    found = [one.fault for one in check(store.path)]
    assert sum("its question is missing" in fault for fault in found) == 3
    assert PreferenceStore(store.path).counts("texts", ["ann"]).done == 17


def test_a_rescue_of_nothing_is_an_error(tmp_path):
    path = tmp_path / "labels.sqlite"
    path.write_bytes(os.urandom(50_000))
    with pytest.raises(CourseError, match="Nothing in .* can be read"):
        check(path)


def test_a_lost_version_number_does_not_go_in_a_circle(whole, tmp_path):
    damaged = tmp_path / "labels.sqlite"
    shutil.copy(whole, damaged)
    with closing(sqlite3.connect(damaged)) as connection:
        connection.execute("PRAGMA user_version = 0")
    with pytest.raises(CourseError, match="course labels check"):
        PreferenceStore(damaged)
    assert "version is lost" in check(damaged)[0].fault
    assert PreferenceStore(damaged).preference_rows("texts") == PreferenceStore(whole).preference_rows("texts")
