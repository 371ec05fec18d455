"""The learner's progress: one SQLite file in `my_work`, shared by all notebooks that are open.

Every write is one short transaction on a connection of its own, begun with BEGIN IMMEDIATE so that it waits for its
turn (up to `PATIENCE`) instead of failing half-way. The journal is SQLite's rollback journal, not WAL: a home folder
may be on a network disk, where WAL's shared memory does not work, and the writes are rare.

Version 1 has the exercise numbers of before course_lib/renumbered.py; whoever opens one gives it the new ones first.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from course_lib import paths
from course_lib.renumbered import NUMBERS

PATIENCE = 20.0         # seconds to wait for other notebooks' writes
VERSION = 2

_TABLES = """
create table if not exists attempts(
    id integer primary key, exercise text not null, status text not null, passed integer not null,
    cases integer not null, points real not null, out_of real not null, at text not null);
create table if not exists hints(
    id integer primary key, exercise text not null, step integer not null, how text not null, at text not null);
"""


class CannotSave(Exception):
    """The progress file cannot be used; the text is one sentence that says why."""


@dataclass(frozen=True)
class Standing:
    """What the progress file knows about one exercise."""

    attempts: int           # times the check was run on something written
    failures: int           # of these, how many failed
    points: float           # the best so far
    passed: bool
    hints: int              # steps of the ladder that were opened


def file() -> Path:
    """Where the progress is."""
    return paths.my_work() / "progress.sqlite"


def add_attempt(exercise: str, status: str, passed: int, cases: int, points: float, out_of: float) -> str:
    """Save one run of a check. Returns a sentence when a damaged file had to be moved aside, else an empty text.

    Raises:
        CannotSave: nothing was saved.
    """
    return _write("insert into attempts(exercise, status, passed, cases, points, out_of, at) values(?,?,?,?,?,?,?)",
                  (exercise, status, passed, cases, points, out_of, _now()))


def add_hint(exercise: str, step: int, how: str) -> str:
    """Save that a step of the ladder was opened: `how` is `asked` (files of earlier versions: also `failed`).

    Raises:
        CannotSave: nothing was saved.
    """
    return _write("insert into hints(exercise, step, how, at) values(?,?,?,?)", (exercise, step, how, _now()))


def standings() -> dict[str, Standing]:
    """The standing of every exercise that was tried or hinted at; empty before the first.

    Raises:
        CannotSave: the file cannot be read.
    """
    try:
        if not file().exists():
            return {}
    except OSError as error:
        raise CannotSave(f"{file()} cannot be read ({error.strerror})") from error
    with _usable() as connection:
        if _version(connection) < VERSION:
            connection.execute("begin immediate")
            _bring_forward(connection)
            connection.execute("commit")
        tried = connection.execute(
            "select exercise, sum(status <> 'unwritten'), sum(status not in ('unwritten', 'passed')), max(points), "
            "max(status = 'passed') from attempts group by exercise").fetchall()
        hinted = dict(connection.execute("select exercise, max(step) from hints group by exercise").fetchall())
    found = {row[0]: Standing(row[1], row[2], row[3], bool(row[4]), hinted.pop(row[0], 0)) for row in tried}
    return found | {key: Standing(0, 0, 0.0, False, step) for key, step in hinted.items()}


def standing(exercise: str) -> Standing:
    """The standing of one exercise.

    Raises:
        CannotSave: the file cannot be read.
    """
    return standings().get(exercise, Standing(0, 0, 0.0, False, 0))


def days() -> tuple[date, date] | None:
    """The first and the last day on which something written was checked; None before the first.

    Raises:
        CannotSave: the file cannot be read.
    """
    if not file().exists():
        return None
    with _usable() as connection:
        ends = connection.execute("select min(at), max(at) from attempts where status <> 'unwritten'").fetchone()
    return (date.fromisoformat(ends[0][:10]), date.fromisoformat(ends[1][:10])) if ends[0] else None


def _write(statement: str, values: tuple[object, ...]) -> str:
    try:
        _write_once(statement, values)
        return ""
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise CannotSave(_why(error)) from error
    aside = _move_aside()
    try:
        _write_once(statement, values)
    except sqlite3.Error as error:
        raise CannotSave(_why(error)) from error
    return aside


def _write_once(statement: str, values: tuple[object, ...]) -> None:
    with closing(_connect()) as connection:
        connection.execute("begin immediate")
        _bring_forward(connection)
        connection.execute(statement, values)
        connection.execute("commit")


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("pragma user_version").fetchone()[0]


def _bring_forward(connection: sqlite3.Connection) -> None:
    """Within a transaction: make the tables of a new file, give the exercises of version 1 their new numbers."""
    version = _version(connection)
    if version < 1:
        for table in _TABLES.split(";"):
            connection.execute(table)
    if version == 1:
        for table in ("attempts", "hints"):
            connection.execute(f"update {table} set exercise = printf('%02d', substr(exercise, 1, 2) + 1) || "
                               "substr(exercise, 3) where substr(exercise, 1, 2) between ? and ?",
                               (NUMBERS[0], NUMBERS[-1]))
    if version < VERSION:
        connection.execute(f"pragma user_version = {VERSION}")


@contextmanager
def _usable() -> Iterator[sqlite3.Connection]:
    try:
        with closing(_connect()) as connection:
            yield connection
    except sqlite3.Error as error:
        raise CannotSave(_why(error)) from error


def _connect() -> sqlite3.Connection:
    try:
        file().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotSave(f"the folder {file().parent} cannot be made ({error.strerror})") from error
    return sqlite3.connect(file(), timeout=PATIENCE, isolation_level=None)


def _why(error: sqlite3.Error) -> str:
    return f"{file()} cannot be used ({error})"


def _move_aside() -> str:
    """Keep a damaged file under another name, with its journal, so that a new one can begin.

    Only one process moves it: who holds the lock file looks again, and leaves a file that is sound by then.
    """
    lock = file().with_name("progress.moving")
    waited = 0.0
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            time.sleep(0.05)
            waited += 0.05
            if waited > 5:
                lock.unlink(missing_ok=True)        # its owner died
        except OSError as error:
            raise CannotSave(f"{file()} is damaged and cannot be moved aside ({error.strerror})") from error
    try:
        if _sound():
            return ""
        number = next(n for n in range(1, 10_000) if not _aside(n).exists())
        for ending in ("-journal", ""):
            part = file().with_name(file().name + ending)
            if part.exists():
                os.replace(part, _aside(number).with_name(_aside(number).name + ending))
        return (f"Your progress file was damaged. It is kept as {_aside(number).name} in {file().parent}, and a new "
                "one was begun; your answers and notebooks are not touched.")
    except OSError as error:
        raise CannotSave(f"{file()} is damaged and cannot be moved aside ({error.strerror})") from error
    finally:
        lock.unlink(missing_ok=True)


def _aside(number: int) -> Path:
    return file().with_name(f"progress.corrupt-{number}.sqlite")


def _sound() -> bool:
    try:
        with closing(_connect()) as connection:
            connection.execute("select count(*) from sqlite_master").fetchone()
            return connection.execute("pragma quick_check").fetchone()[0] == "ok"
    except sqlite3.Error:
        return False


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
