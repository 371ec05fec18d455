"""Errors of the label file in words that say what to do, for the widget, the terminal and the command line."""

import sqlite3
from pathlib import Path

from course_lib.errors import CourseError

FULL = ("SQLITE_FULL", "SQLITE_IOERR_WRITE")
READ_ONLY = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


def in_words(error: BaseException, path: Path) -> str:
    """What happened to the label file at `path` and what the reader can do about it."""
    if isinstance(error, CourseError):
        return str(error)
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(FULL):
            return f"The disk is full, so {path.name} cannot take more answers. Free some space (the file is {path})."
        if name.startswith(READ_ONLY):
            return f"{path} cannot be written. Check that the folder is there and that the file is yours."
        if name.startswith(DAMAGED):
            return f"{path} is damaged. Run `course labels check` in a terminal: it saves what can be read."
        if name.startswith("SQLITE_BUSY"):
            return f"Another program has kept {path.name} busy for a while. Close other notebooks that use it."
        return f"{path.name} could not be used ({error}). Run `course labels check` in a terminal."
    return f"{type(error).__name__}: {error}. This looks like a bug in the course or in the notebook's own function."
