"""`course labels check`: finds damage in a label file, mends what can be mended, sets the rest aside. Deletes nothing.

Damage of the file itself (a torn page, a truncated end) is met by copying every row that can still be read into a new
file; the damaged one is kept beside it. Damage of rows is noted in `set_aside`, which the view leaves out.
Taught in lesson 04.
"""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.labels import queue
from course_lib.labels.records import CHOICES
from course_lib.labels.schema import MIGRATIONS, migrate, statements
from course_lib.labels.store import PreferenceStore, item_id

MAGIC = b"SQLite format 3\x00"
TABLES = ("meta", "items", "questions", "pairs", "undos", "labels", "set_aside")       # undos before what they undo


@dataclass(frozen=True)
class Finding:
    """One fault and what was done about it (or would be, in a dry run)."""

    fault: str
    action: str


def check(path: Path, dry_run: bool = False) -> list[Finding]:
    """Look through the label file, mend and set aside; with `dry_run` only say what would be done.

    Close the notebooks that use the file first. Raises `CourseError` when there is no such file.
    """
    if not path.is_file():
        raise CourseError(f"There is no label file {path}. It is made by the first notebook that labels.")
    findings = check_file(path, dry_run)
    if dry_run and findings:                               # rows can be judged only once the file is mended
        return findings
    store = PreferenceStore(path)
    try:
        store._connection.execute("BEGIN IMMEDIATE")
        for look in (missing_parts, damaged_items, damaged_questions, damaged_labels, double_answers, dead_leases):
            findings += list(look(store))
        store._connection.execute("ROLLBACK" if dry_run else "COMMIT")
    finally:
        store.close()
    return findings


# ---- the file ------------------------------------------------------------------------------------------------------

def check_file(path: Path, dry_run: bool) -> list[Finding]:
    """Is it an SQLite file, and are its pages whole? If not, rescue what can be read into a new one."""
    faults = integrity(path)
    if not faults:
        return []
    if dry_run:
        return [Finding(f"{path.name}: {faults[0]}", "readable rows would be copied to a new file, this one kept")]
    kept = path.with_name(f"{path.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    rescued = path.with_name(f".{path.name}.rescued")
    rescued.unlink(missing_ok=True)
    counts = rescue(path, rescued)
    for end in ("", "-wal", "-shm"):                       # the log belongs to the damaged file
        source = path.with_name(path.name + end)
        if source.exists():
            os.replace(source, kept.with_name(kept.name + end))
    os.replace(rescued, path)
    told = ", ".join(f"{counts[name]} {name}" for name in ("items", "questions", "labels"))
    return [Finding(f"{path.name}: {faults[0]}", f"new file with {told}; the damaged one is kept as {kept.name}")]


def integrity(path: Path) -> list[str]:
    """What SQLite says is wrong with the file; an empty list when it is whole."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("PRAGMA integrity_check(20)").fetchall()
            named = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        return [str(error)]
    if named and not named.intersection(TABLES):
        raise CourseError(f"{path} is some other SQLite file, not a label file. It was not touched.")
    of_rows = ("non-unique", "CHECK constraint", "NULL value")     # faults of rows: judged below
    return [row[0] for row in rows if row[0] != "ok" and not row[0].startswith(of_rows)]


def rescue(path: Path, rescued: Path) -> dict[str, int]:
    """Copy every readable row into a new label file; returns the number of rows by table."""
    counts = dict.fromkeys(TABLES, 0)
    with closing(sqlite3.connect(rescued, isolation_level=None)) as target:
        migrate(target)
        target.execute("BEGIN IMMEDIATE")
        target.execute("PRAGMA ignore_check_constraints = ON")
        for table in TABLES:
            columns = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
            for row in readable_rows(path, table):
                given = {name: row[name] for name in columns if name in row}
                marks = ", ".join("?" * len(given))
                try:
                    target.execute(f"INSERT OR IGNORE INTO {table}({', '.join(given)}) VALUES({marks})",
                                   tuple(given.values()))
                    counts[table] += 1
                except sqlite3.Error as error:             # a row that the new file refuses is kept as JSON
                    target.execute("INSERT OR IGNORE INTO set_aside VALUES('answer', ?, ?, ?, ?)",
                                   (f"{table} {list(row.values())[0]}", f"not rescued: {error}",
                                    json.dumps(row, default=repr), time.time()))
        target.execute("COMMIT")
    return counts


def readable_rows(path: Path, table: str) -> Iterator[dict]:
    """The rows of a table in a damaged file: from the front, from the back, then one by one in between."""
    rows: dict[int, dict] = {}
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row

        def read(query: str, *values: object) -> bool:
            try:
                for row in connection.execute(query, values):
                    rows[row["rowid_"]] = dict(zip(row.keys()[1:], tuple(row)[1:], strict=True))
            except (sqlite3.DatabaseError, UnicodeDecodeError):
                return False
            return True

        every = f"SELECT rowid AS rowid_, * FROM {table} NOT INDEXED"
        if not (read(f"{every} ORDER BY rowid") or read(f"{every} ORDER BY rowid DESC")) and rows:
            for rowid in range(1, max(rows) + 1):
                if rowid not in rows:
                    read(f"{every} WHERE rowid = ?", rowid)
    yield from (rows[rowid] for rowid in sorted(rows))


# ---- the rows ------------------------------------------------------------------------------------------------------

def missing_parts(store: PreferenceStore) -> Iterator[Finding]:
    """Triggers, views and indexes that someone has dropped come back."""
    there = {row["name"] for row in store._connection.execute("SELECT name FROM sqlite_master")}
    for statement in (one for step in MIGRATIONS for one in statements(step)):
        words = " ".join(line for line in statement.splitlines() if not line.startswith("--")).split()
        kind, name = words[1].lower(), words[2].split("(")[0]
        if kind in ("trigger", "view", "index") and name not in there:
            store._connection.execute(statement)
            yield Finding(f"the {kind} {name} was missing", "made again")


def damaged_items(store: PreferenceStore) -> Iterator[Finding]:
    """An item's name is the sha256 of its content: a flipped bit shows."""
    for row in store._connection.execute("SELECT item_id, kind, mime, media, arrays, info FROM items").fetchall():
        try:
            whole = item_id(row["kind"], row["mime"], row["media"], row["arrays"]) == row["item_id"]
            json.loads(row["info"])
        except (TypeError, AttributeError, ValueError):
            whole = False
        if not whole:
            yield from _aside(store, "item", row["item_id"], "its content is not what was stored")


def damaged_questions(store: PreferenceStore) -> Iterator[Finding]:
    """A question must show items that are there and whole, and imply the right pairs."""
    bad = {row["key"] for row in store._connection.execute("SELECT key FROM set_aside WHERE what = 'item'")}
    whole = {row["item_id"] for row in store._connection.execute("SELECT item_id FROM items")} - bad
    for row in store._connection.execute("SELECT question_id, shown FROM questions").fetchall():
        pairs = store._connection.execute("SELECT item_1, item_2, flip FROM pairs WHERE question_id = ?",
                                          (row["question_id"],)).fetchall()
        try:
            shown = json.loads(row["shown"])
            right = (all(pair["flip"] == (shown.index(pair["item_1"]) > shown.index(pair["item_2"])) for pair in pairs)
                     and len(pairs) == len(shown) * (len(shown) - 1) // 2 >= 1)
            missing = not whole.issuperset(shown)
        except (TypeError, ValueError):
            right, missing = False, False
        if missing or not right:
            reason = "it shows an item that is missing or damaged" if missing else "its sides and pairs do not match"
            yield from _aside(store, "question", row["question_id"], reason)


def damaged_labels(store: PreferenceStore) -> Iterator[Finding]:
    """A label must have a pair, a known choice, a side and times."""
    faults: dict[str, Callable[[sqlite3.Row], bool]] = {
        "its pair is missing": lambda row: row["there"] is None,
        "its choice is unknown": lambda row: row["choice"] not in CHOICES,
        "it does not say which side was which": lambda row: row["flip"] not in (0, 1),
        "it has no time": lambda row: not isinstance(row["answered_at"], float | int),
    }
    for row in store._connection.execute("SELECT labels.*, pairs.pair_id AS there FROM labels LEFT JOIN pairs"
                                         " USING(pair_id)").fetchall():
        for reason, found in faults.items():
            if found(row):
                yield from _aside(store, "label", row["label_id"], reason)
                break


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
