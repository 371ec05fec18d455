"""Copies of the label file, made before a command changes it; `course labels restore` brings one back.

They lie in `backups/` beside the label file, named by the time and by what was about to happen. The latest ten are
kept, and always the latest one of each kind of command. Taught in lesson 04.
"""

import contextlib
import os
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.labels.in_use import alone
from course_lib.labels.label_file import LOGS, copy_of

KEPT = 10
DAY = r"\d{8}-\d{6}"


def back_up(path: Path, reason: str) -> Path:
    """Copy the label file, with what is still in its log, as it is at this moment; returns the copy.

    reason: the command that is about to change the file: check, merge, import, update, restore. A damaged file is
    copied byte by byte. Raises `CourseError` where there is no room: then nothing should be changed.
    """
    folder = path.parent / "backups"
    goal = folder / f"{path.stem}.{time.strftime('%Y%m%d-%H%M%S')}.{reason}{path.suffix}"
    part = goal.with_name(f".{goal.name}.part")
    try:
        folder.mkdir(exist_ok=True)
        goal = _free(goal)
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as source, \
                    closing(sqlite3.connect(part)) as target:
                source.backup(target)
                target.execute("PRAGMA journal_mode = DELETE")           # one file, without a log beside it
        except sqlite3.DatabaseError:
            part.unlink(missing_ok=True)
            copy_of(path, part)
            for end in LOGS[:2]:
                with contextlib.suppress(FileNotFoundError):
                    os.replace(part.with_name(part.name + end), goal.with_name(goal.name + end))
        _on_disk(part)
        os.replace(part, goal)
    except OSError as error:
        for end in ("", *LOGS):
            part.with_name(part.name + end).unlink(missing_ok=True)
        raise CourseError(f"No backup of {path} could be made in {folder} ({error.strerror or error}), so nothing was "
                          "changed. Make room there, then run the command again.") from error
    _rotate(path)
    return goal


def backups(path: Path) -> list[Path]:
    """The backups of this label file, the latest first."""
    named = re.compile(rf"{re.escape(path.stem)}\.({DAY})\.[a-z]+(-\d+)?{re.escape(path.suffix)}")
    found = [other for other in (path.parent / "backups").glob("*") if named.fullmatch(other.name)]
    return sorted(found, key=lambda other: (named.fullmatch(other.name)[1], other.stat().st_mtime_ns), reverse=True)


def restore(path: Path, backup: Path) -> Path | None:
    """Put a backup in the place of the label file; returns the copy of what was there before, None without one.

    Raises `CourseError` where the backup is damaged, or a notebook has the label file open.
    """
    fault = _fault(backup)
    if fault:
        raise CourseError(f"{backup} is not restored, since it is damaged itself ({fault}). Nothing was changed; "
                          "`course labels restore` lists the other backups.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path):
        before = back_up(path, "restore") if path.exists() else None
        fresh = path.with_name(f".{path.name}.restored")
        try:
            copy_of(backup, fresh)
            _on_disk(fresh)
            for end in LOGS:                       # they belong to the file that goes
                path.with_name(path.name + end).unlink(missing_ok=True)
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    return before


def _free(goal: Path) -> Path:
    """The first of this name, name-2, name-3, ... that is not taken."""
    number, free = 1, goal
    while free.exists():
        number += 1
        free = goal.with_name(f"{goal.stem}-{number}{goal.suffix}")
    return free


def _fault(backup: Path) -> str:
    try:
        with closing(sqlite3.connect(f"{backup.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            connection.execute("SELECT COUNT(*) FROM labels").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found == "ok" else found


def _on_disk(file: Path) -> None:
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())


def _rotate(path: Path) -> None:
    """Delete old backups: beyond the latest ten, and not the latest of its kind."""
    kinds: set[str] = set()
    for place, old in enumerate(backups(path)):
        kind = re.search(rf"{DAY}\.([a-z]+)", old.name)[1]
        if place >= KEPT and kind in kinds:
            for end in ("", *LOGS[:2]):
                old.with_name(old.name + end).unlink(missing_ok=True)
        kinds.add(kind)
