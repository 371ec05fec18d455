"""`check` on files that were damaged on purpose: it mends or sets aside, says so, and loses nothing readable."""

import os
import sqlite3

import pytest
from labelling import clip_store, into_one_file, rows, text_store

from course_lib.errors import CourseError
from course_lib.labels.check import check
from course_lib.labels.store import PreferenceStore


@pytest.fixture
def store(tmp_path):
    """Twelve pairs of clips, all answered; the file is closed, its log written back."""
    store = clip_store(tmp_path / "labels.sqlite", 12)
    for question in store.questions_of("clips"):
        store.answer(question, "left", labeler="ann", event_id=f"e{question}")
    into_one_file(store)
    store.close()
    return store


def tamper(store, *statements):
    """Change rows behind the store's back, without its triggers and checks."""
    with sqlite3.connect(store.path) as raw:
        raw.execute("PRAGMA ignore_check_constraints = ON")
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            raw.execute(statement)
    raw.close()


def faults(path, **options):
    return [finding.fault for finding in check(path, **options) if not finding.fault.startswith("the trigger")]


def count(path, table):
    return sqlite3.connect(path).execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


def test_a_whole_file_is_whole(store):
    assert check(store.path) == []


def test_a_changed_picture_is_set_aside_with_its_pairs(store):
    tamper(store, "UPDATE items SET media = X'00' WHERE item_id = (SELECT item_1 FROM pairs WHERE pair_id = 3)")
    found = faults(store.path)
    assert any("content is not what was stored" in fault for fault in found)
    assert any("shows an item that is missing or damaged" in fault for fault in found)
    assert len(store.preferences("clips")) == 11
    assert count(store.path, "labels") == 12 and count(store.path, "items") == 24
    assert check(store.path) == [], "found once, told once"


@pytest.mark.parametrize(("statement", "fault", "left"), [
    ("DELETE FROM items WHERE item_id = (SELECT item_2 FROM pairs WHERE pair_id = 2)", "missing or damaged", 11),
    ("DELETE FROM pairs WHERE pair_id = 4", "its pair is missing", 11),
    ("UPDATE pairs SET flip = 1 - flip WHERE pair_id = 4", "sides and pairs do not match", 11),
    ("UPDATE labels SET choice = 'both' WHERE label_id = 1", "choice is unknown", 11),
    ("UPDATE labels SET answered_at = 'then' WHERE label_id = 1", "has no time", 11),
    ("UPDATE labels SET flip = 7 WHERE label_id = 1", "which side was which", 11),
    ("INSERT INTO labels(event_id, pair_id, choice, flip, labeler, source, answered_at, saved_at)"
     " SELECT 'again', pair_id, 'right', flip, labeler, source, answered_at, saved_at FROM labels WHERE label_id = 5",
     "had answered this pair already", 12),
])
def test_damaged_rows_are_left_out_and_kept(store, statement, fault, left):
    tamper(store, statement)
    before = count(store.path, "labels")
    assert any(fault in found for found in faults(store.path))
    assert len(store.preferences("clips")) == left and count(store.path, "labels") == before


def test_missing_parts_come_back(store):
    tamper(store, "DROP VIEW preferences", "DROP INDEX labels_of_pair")
    names = " ".join(finding.fault for finding in check(store.path))
    assert "view preferences" in names and "index labels_of_pair" in names and "trigger labels_never_change" in names
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        rows(store, "UPDATE labels SET choice = 'skip'")


def test_a_dry_run_changes_nothing(store):
    tamper(store, "UPDATE labels SET choice = 'both' WHERE label_id = 1")
    assert any("choice is unknown" in fault for fault in faults(store.path, dry_run=True))
    assert count(store.path, "set_aside") == 0
    assert any("choice is unknown" in fault for fault in faults(store.path))


def test_questions_of_a_dead_notebook_are_freed(store):
    tamper(store, f"UPDATE questions SET leased_by = '{'0' * 12}:1:0', leased_until = 9e9")
    assert not any("held by" in fault for fault in faults(store.path)), "another machine's stay"
    from course_lib.processes import session_name

    machine, process, started = session_name().split(":")
    tamper(store, f"UPDATE questions SET leased_by = '{machine}:{process}:{int(started) - 999}'")
    assert "12 questions were held by a notebook that has ended" in faults(store.path)


# ---- damage of the file itself -------------------------------------------------------------------------------------

def page_of(path, table):
    """A leaf page of the table's tree, found by its root page number."""
    return sqlite3.connect(path).execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]


def overwrite(path, page, size=4096):
    with open(path, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(os.urandom(size))


def kept_copies(path):
    return [other for other in path.parent.glob("*.damaged-*.sqlite")]


def test_a_torn_page_loses_only_what_was_on_it(store):
    overwrite(store.path, page_of(store.path, "items"))        # the root of the items: it leads to all pictures
    [finding] = check(store.path)
    assert "24 items, 12 questions, 12 labels" in finding.action and kept_copies(store.path)
    assert count(store.path, "labels") == 12 and count(store.path, "questions") == 12
    assert len(PreferenceStore(store.path).preferences("clips")) == 12, "the pages that it leads to are whole"
    assert check(store.path) == []


def test_labels_on_a_torn_index_are_all_rescued(store):
    overwrite(store.path, page_of(store.path, "labels_of_pair"))
    check(store.path)
    assert len(PreferenceStore(store.path).preferences("clips")) == 12


def test_a_cut_file_keeps_what_is_left(store):
    whole = store.path.stat().st_size
    with open(store.path, "r+b") as file:
        file.truncate(whole - 8192)
    before = store.path.read_bytes()
    assert "the damaged one is kept" in check(store.path)[0].action
    assert kept_copies(store.path)[0].read_bytes() == before
    assert PreferenceStore(store.path).counts("clips", []).total == 12


def test_lost_labels_are_counted(store):
    """The last two pages hold all the labels; an index still names them."""
    with open(store.path, "r+b") as file:
        file.truncate(store.path.stat().st_size - 8192)
    [lost] = [finding for finding in check(store.path) if finding.lost]
    assert lost.fault.startswith(f"{12 - count(store.path, 'labels')} labels could not be found")


def test_what_is_no_database_is_left_as_it_is(store):
    store.path.write_bytes(b"these are not the labels you are looking for" * 100)
    before = store.path.read_bytes()
    for dry_run in (True, False):
        with pytest.raises(CourseError, match="Nothing in .* can be read.*course labels restore"):
            check(store.path, dry_run)
    assert store.path.read_bytes() == before and not kept_copies(store.path)


def test_damage_between_readable_rows(tmp_path):
    store = text_store(tmp_path / "long.sqlite", 1)
    with store.transaction():
        for number in range(400):
            store.add_text(f"{number} " + "x" * 200)
    into_one_file(store)
    before, pages = count(store.path, "items"), []
    store.close()
    content = store.path.read_bytes()
    for page in range(1, len(content) // 4096):
        if b"200 xxx" in content[page * 4096:(page + 1) * 4096]:
            pages.append(page + 1)
    overwrite(store.path, pages[0])
    check(store.path)
    assert before - 40 < count(store.path, "items") < before


def test_other_files_are_refused_untouched(tmp_path):
    with pytest.raises(CourseError, match="no label file"):
        check(tmp_path / "nowhere.sqlite")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as raw:
        raw.execute("CREATE TABLE progress(id)")
    raw.close()
    before = other.read_bytes()
    with pytest.raises(CourseError, match="not a label file"):
        check(other)
    assert other.read_bytes() == before
