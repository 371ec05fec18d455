"""A label file that came from somebody else, judged whole before anything of it is used. Taught in lesson 07.

Such a file may hold anything: views that never end instead of tables, texts under the name of other texts, pictures
with impossible measures, undos of answers that it never saw. So it is copied, its tables are read row by row within a
time limit, nothing that is programmed into it (triggers, views, generated columns) is ever run, and every row is
checked. What comes out is plain rows.
"""

import re
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.labels.fingerprints import question_key, repeat_key
from course_lib.labels.label_file import copy_of, is_foreign
from course_lib.labels.rescue import COLUMNS
from course_lib.labels.row_faults import item_fault, label_fault, question_fault, undo_fault
from course_lib.labels.schema import MIGRATIONS, version

SECONDS = 120.0                    # to read it all; 200,000 labels with their clips take about ten
LARGEST_FILE = 8 * 2**30
LARGEST_VALUE = 128 * 2**20
NEEDED = ("meta", "items", "questions", "pairs", "labels", "undos", "set_aside")


@dataclass
class Foreign:
    """The rows of another label file, all of them sound; `damaged` counts what it had itself set aside."""

    store_id: str = ""
    items: dict[str, dict] = field(default_factory=dict)           # by item_id
    questions: dict[int, dict] = field(default_factory=dict)       # by question_id
    pairs: dict[int, dict] = field(default_factory=dict)           # by pair_id
    labels: list[dict] = field(default_factory=list)
    undos: list[dict] = field(default_factory=list)
    answers: list[dict] = field(default_factory=list)              # what it could not file: rows of set_aside
    damaged: int = 0


def read(path: Path) -> Foreign:
    """Everything in another label file. Raises `CourseError`, naming that file, where any of it is not sound."""
    if not path.is_file():
        raise CourseError(f"{path} is not there.")
    if path.stat().st_size > LARGEST_FILE:
        raise CourseError(f"{path} is larger than {LARGEST_FILE // 2**30} GiB: it is not read.")
    with tempfile.TemporaryDirectory(prefix="labels-") as folder:
        copy = Path(folder) / "copy.sqlite"
        copy_of(path, copy)
        try:
            with closing(sqlite3.connect(copy)) as connection:
                return _Judge(path, connection).whole()
        except (sqlite3.Error, OverflowError, UnicodeDecodeError, TimeoutError) as error:
            slow = isinstance(error, TimeoutError) or getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT"
            why = f"it takes longer than {SECONDS:.0f} s to read" if slow else f"SQLite says: {error}"
            raise CourseError(f"{path} is not merged: {why}. If it is a label file of this course, run `course labels "
                              f"--file {path} check` where it was made. Nothing was changed.") from error


class _Judge:
    """Reads one copy and judges it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self.connection, self.faults = path, connection, []
        connection.row_factory = sqlite3.Row
        self.end = time.monotonic() + SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > self.end, 10_000)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")

    def whole(self) -> Foreign:
        self._shape()
        found = Foreign()
        bad = {(row["what"], str(row["key"])) for row in self._rows("set_aside") if row["what"] != "answer"}
        found.store_id = next((str(row["value"]) for row in self._rows("meta") if row["key"] == "store_id"), "")
        for row in self._rows("items"):
            if ("item", row["item_id"]) not in bad and self._sound("item", row["item_id"], item_fault(row)):
                found.items[row["item_id"]] = row
        pairs: dict[int, list[dict]] = {}
        for row in self._rows("pairs"):
            pairs.setdefault(row["question_id"], []).append(row)
        rows = {row["question_id"]: row for row in self._rows("questions")}
        for number, row in rows.items():
            own = pairs.get(number, [])
            if ("question", str(number)) in bad:
                found.damaged += 1
            elif self._sound("question", number, question_fault(row, own) or self._name_fault(row, own, rows, found)):
                found.questions[number] = row
                found.pairs |= {pair["pair_id"]: pair for pair in own}
        for row in self._rows("labels"):
            pair = found.pairs.get(row["pair_id"])
            if ("label", str(row["label_id"])) in bad or pair is None and bad:
                found.damaged += 1
            elif self._sound("label", row["label_id"], label_fault(row, pair)):
                found.labels.append(row)
        for row in self._rows("undos"):
            if self._sound("undo", row["undo_id"], undo_fault(row)):
                found.undos.append(row)
        found.answers = [row for row in self._rows("set_aside") if row["what"] == "answer" and all(
            isinstance(row[name], str) and len(row[name]) < 10**6 for name in ("key", "reason"))
            and isinstance(row["content"], str | None) and isinstance(row["found_at"], float | int)]
        if self.faults:
            some = "; ".join(self.faults[:3])
            raise CourseError(f"{self.path} is not merged, since {len(self.faults)} of its rows are not sound: {some}. "
                              f"Nothing was changed. `course labels --file {self.path} check` sets such rows "
                              "aside in it; then it can be merged. If damage is a surprise, ask who sent it.")
        return found

    def _sound(self, what: str, name: object, fault: str) -> bool:
        if fault:
            self.faults.append(f"{what} {str(name)[:12]!r}: {fault}")
        return not fault

    def _shape(self) -> None:
        """Only real tables of the known columns are read."""
        if is_foreign(self.connection):
            raise CourseError(f"{self.path} is some other SQLite file, not a label file. It was not touched.")
        if not 0 < version(self.connection) <= len(MIGRATIONS):
            raise CourseError(f"{self.path} has version {version(self.connection)}; this course knows versions 1 to "
                              f"{len(MIGRATIONS)}. Update the course, or check that it is a label file.")
        there = {row["name"]: row for row in self.connection.execute("SELECT name, type, sql FROM sqlite_master")}
        for table in NEEDED:
            row = there.get(table)
            plain = row is not None and row["type"] == "table" and re.match(r"\s*CREATE\s+TABLE\b", row["sql"] or "",
                                                                            re.IGNORECASE)
            columns = [tuple(column)[1::5] for column in self.connection.execute(f"PRAGMA table_xinfo({table})")]
            if not plain or any(hidden for _, hidden in columns):
                raise CourseError(f"{self.path} is not merged: its “{table}” is not a plain table. Nothing was "
                                  "changed; ask who sent the file.")

    def _rows(self, table: str) -> list[dict]:
        """The table's rows with all columns that this course knows; columns that an older file lacks are None."""
        there = {row[1] for row in self.connection.execute(f"PRAGMA table_xinfo({table})")}
        names = ", ".join(name if name in there else f"NULL AS {name}" for name in COLUMNS[table])
        found = []
        for row in self.connection.execute(f"SELECT {names} FROM {table} NOT INDEXED"):
            if time.monotonic() > self.end:
                raise TimeoutError
            found.append(dict(row))
        return found

    def _name_fault(self, row: dict, own: list[dict], rows: dict[int, dict], found: Foreign) -> str:
        """A question is named by what it asks: else one question could pass for another one."""
        items = sorted({name for pair in own for name in (pair["item_1"], pair["item_2"])})
        if not all(name in found.items for name in items):
            return "it shows an item that is missing or damaged"
        if row["repeat_of"] is None:
            name = question_key(row["run"], row["prompt"], items, row["group_key"])
        else:
            original = rows.get(row["repeat_of"])
            name = original and repeat_key(original["question_key"], row["only_for"] or "")
        return "" if row["question_key"] == name else "its name is not that of what it asks"
