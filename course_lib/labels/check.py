"""`course labels check`: finds damage in a label file, mends what can be mended, sets the rest aside. Deletes nothing.

Damage of the file itself (a torn page, a truncated end) is met by a new file with every row that can still be read
(rescue.py); the damaged one is kept beside it. Damage of rows is noted in `set_aside`, which the view leaves out; a
copy of the file is made before. Taught in lesson 04.
"""

import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.labels import queue
from course_lib.labels.backups import back_up
from course_lib.labels.in_use import alone
from course_lib.labels.label_file import LOGS, copy_of, is_foreign
from course_lib.labels.rescue import Rescued, rescue
from course_lib.labels.row_faults import item_fault, label_fault, question_fault
from course_lib.labels.schema import LIVE_ANSWERS, MIGRATIONS, count_again, statements, table_names, version
from course_lib.labels.store import PreferenceStore


@dataclass(frozen=True)
class Finding:
    """One fault and what was done about it (or would be, in a dry run)."""

    fault: str
    action: str
    lost: bool = False                                     # whether labels are gone that no command brings back


def check(path: Path, dry_run: bool = False) -> list[Finding]:
    """Look through the label file, mend and set aside; with `dry_run` only say what would be done, and write nothing.

    Close the notebooks that use the file first. Raises `CourseError` when there is no such file, when it is some other
    program's, and when nothing of a damaged one can be read: then it is left as it is.
    """
    if not path.is_file():
        raise CourseError(f"There is no label file {path}. It is made by the first notebook that labels.")
    with tempfile.TemporaryDirectory(prefix="labels-") as folder:
        copy = Path(folder) / path.name
        copy_of(path, copy)
        faults = integrity(copy)
        found = [] if faults else check_rows(copy)
    if faults:
        return _rescued(path, faults, dry_run)
    if dry_run or not found:
        return found
    kept = back_up(path, "check")
    return [*check_rows(path), Finding("the file as it was before", f"kept as {kept.parent.name}/{kept.name}")]


def check_rows(path: Path) -> list[Finding]:
    """Judge every row of a file whose pages are whole, and set aside what is damaged."""
    store, found = PreferenceStore(path), []
    try:
        with store.transaction():
            for look in (missing_parts, damaged_items, damaged_questions, damaged_labels, double_answers, wrong_counts,
                         dead_leases):
                found += list(look(store))
    finally:
        store.close()
    return found


# ---- the file ------------------------------------------------------------------------------------------------------

def integrity(path: Path) -> list[str]:
    """What SQLite says is wrong with the file; an empty list when it is whole. Raises `CourseError` for other files."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            if is_foreign(connection):
                raise CourseError(f"{path.name} is some other SQLite file, not a label file. It was not touched.")
            rows = connection.execute("PRAGMA integrity_check(20)").fetchall()
            if table_names(connection) and not version(connection):
                return ["the number of its version is lost"]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    of_rows = ("non-unique", "CHECK constraint", "NULL value")     # faults of rows: judged below
    return [row[0] for row in rows if row[0] != "ok" and not row[0].startswith(of_rows)]


def _rescued(path: Path, faults: list[str], dry_run: bool) -> list[Finding]:
    """Put a new file with all that can be read in the place of the damaged one, which is kept."""
    fault = f"{path.name}: {' '.join(faults[0].split())}"
    if dry_run:
        with tempfile.TemporaryDirectory(prefix="labels-") as folder:
            result = rescue(path, Path(folder) / path.name)
        _refuse_nothing(path, result, fault)
        return [Finding(fault, f"a new file would be made with {_told(result)}; this one would be kept"),
                *_missing(result)]
    fresh = path.with_name(f".{path.name}.rescued")
    try:
        with alone(path):
            result = rescue(path, fresh)
            _refuse_nothing(path, result, fault)
            kept = _set_beside(path)
            os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    return [Finding(fault, f"new file with {_told(result)}; the damaged one is kept as {kept.name}"),
            *_missing(result), *check_rows(path)]


def _refuse_nothing(path: Path, result: Rescued, fault: str) -> None:
    if result.nothing:
        raise CourseError(f"{fault}. Nothing in {path} can be read, so it is left as it is. `course labels restore` "
                          "brings back the latest backup; without one, move the file away: the next notebook that "
                          "labels makes a new one.")


def _told(result: Rescued) -> str:
    return f"{result.items} items, {result.questions} questions, {result.labels} labels"


def _missing(result: Rescued) -> Iterator[Finding]:
    for number, fault, action in (
            (result.rebuilt, "questions were lost", "made again from what their labels kept of them"),
            (result.damaged, "labels are not what was stored", "not taken; their rows are kept in set_aside"),
            (result.homeless, "labels are left of whose questions nothing is", "kept in set_aside, not counted"),
            (result.unread, "labels could not be found any more", "a backup may hold them: `course labels restore`")):
        if number:
            yield Finding(f"{number} {fault}", action, lost=fault != "questions were lost")


def _set_beside(path: Path) -> Path:
    """Rename the damaged file and its log; returns the new name."""
    kept = path.with_name(f"{path.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{number}{path.suffix}")
    for end in ("", *LOGS):                                # the log belongs to the damaged file
        source = path.with_name(path.name + end)
        if source.exists():
            os.replace(source, kept.with_name(kept.name + end))
    return kept


# ---- the rows ------------------------------------------------------------------------------------------------------

def missing_parts(store: PreferenceStore) -> Iterator[Finding]:
    """Triggers, views and indexes that someone has dropped come back."""
    there = {row["name"] for row in store._connection.execute("SELECT name FROM sqlite_master")}
    wanted: dict[str, tuple[str, str]] = {}                # in the latest form of each
    for statement in (one for step in MIGRATIONS for one in statements(step)):
        words = " ".join(line for line in statement.splitlines() if not line.startswith("--")).split()
        if words[0] == "CREATE" and words[1] in ("TRIGGER", "VIEW", "INDEX"):
            wanted[words[2].split("(")[0]] = (words[1].lower(), statement)
    for name, (kind, statement) in sorted(wanted.items(), key=lambda one: "triggerview".find(one[1][0]), reverse=True):
        if name not in there:
            store._connection.execute(statement)
            yield Finding(f"the {kind} {name} was missing", "made again")


def damaged_items(store: PreferenceStore) -> Iterator[Finding]:
    """An item's name is the sha256 of its content: a flipped bit shows."""
    names = [row[0] for row in store._connection.execute("SELECT rowid FROM items")]
    for name in names:                                     # one by one: all pictures at once may not fit the memory
        row = store._connection.execute("SELECT * FROM items WHERE rowid = ?", (name,)).fetchone()
        if fault := item_fault(row):
            yield from _aside(store, "item", row["item_id"], fault)


def damaged_questions(store: PreferenceStore) -> Iterator[Finding]:
    """A question must show items that are there and whole, and imply the right pairs."""
    bad = {row["key"] for row in store._connection.execute("SELECT key FROM set_aside WHERE what = 'item'")}
    whole = {row["item_id"] for row in store._connection.execute("SELECT item_id FROM items")} - bad
    pairs: dict[int, list[sqlite3.Row]] = {}
    for pair in store._connection.execute("SELECT * FROM pairs"):
        pairs.setdefault(pair["question_id"], []).append(pair)
    for row in store._connection.execute("SELECT * FROM questions").fetchall():
        own = pairs.get(row["question_id"], [])
        fault = question_fault(row, own)
        if not whole.issuperset(name for pair in own for name in (pair["item_1"], pair["item_2"])):
            fault = "it shows an item that is missing or damaged"
        if fault:
            yield from _aside(store, "question", row["question_id"], fault)


def damaged_labels(store: PreferenceStore) -> Iterator[Finding]:
    """A label must have a pair of a question that is there, a known choice, a side, times, and a seal that fits."""
    pairs = {row["pair_id"]: row for row in store._connection.execute("SELECT * FROM pairs")}
    questions = {row[0] for row in store._connection.execute("SELECT question_id FROM questions")}
    names = [row[0] for row in store._connection.execute("SELECT label_id FROM labels")]
    for name in names:
        row = dict(store._connection.execute("SELECT * FROM labels WHERE label_id = ?", (name,)).fetchone())
        pair = pairs.get(row["pair_id"])
        fault = label_fault(row, pair)
        if not fault and pair["question_id"] not in questions:
            fault = "its question is missing"
        if fault:
            yield from _aside(store, "label", name, fault)


def wrong_counts(store: PreferenceStore) -> Iterator[Finding]:
    """What is kept counted must be what counting gives."""
    def differs() -> bool:
        twins = ((f"SELECT * FROM ({LIVE_ANSWERS} GROUP BY question_id, labeler)", "SELECT * FROM answers"),
                 ("SELECT run, SUM(number) FROM tallies WHERE number GROUP BY run",
                  "SELECT run, COUNT(*) FROM answers GROUP BY run"),
                 ("SELECT question_id, answered_by FROM questions WHERE answered_by",
                  "SELECT question_id, COUNT(*) FROM answers GROUP BY question_id"),
                 ("SELECT run, SUM(repeat_of IS NULL), SUM(repeat_of IS NULL AND answered_by = 0) FROM questions"
                  " GROUP BY run", "SELECT run, questions, unanswered FROM runs"))
        return any(store._connection.execute(f"SELECT EXISTS({one} EXCEPT {other})").fetchone()[0]
                   for twin in twins for one, other in (twin, twin[::-1]))

    if differs():
        count_again(store._connection)
        yield Finding("the counts were not those of the labels", "counted again")


def double_answers(store: PreferenceStore) -> Iterator[Finding]:
    """One person's second answer to a pair can only come from outside the course; the first one counts."""
    for row in store._connection.execute(
            "SELECT later.label_id FROM live_labels earlier JOIN live_labels later USING(pair_id, labeler)"
            " WHERE earlier.label_id < later.label_id GROUP BY later.label_id").fetchall():
        yield from _aside(store, "label", row["label_id"], "the same person had answered this pair already")


def dead_leases(store: PreferenceStore) -> Iterator[Finding]:
    """Questions held by a process that has ended are free again."""
    freed = queue.free_the_gone(store)
    if freed:
        yield Finding(f"{freed} questions were held by a notebook that has ended", "freed")


def _aside(store: PreferenceStore, what: str, key: object, reason: str) -> Iterator[Finding]:
    known = store._connection.execute("SELECT 1 FROM set_aside WHERE what = ? AND key = ?", (what, str(key))).fetchone()
    if not known:
        store.set_aside(what, str(key), reason)
        yield Finding(f"{what} {str(key)[:12]}: {reason}", "set aside: kept, but left out of preferences")
