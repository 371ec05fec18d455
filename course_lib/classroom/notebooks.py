"""Submitted notebooks as files: read without trusting them, and matched with a lesson.

A notebook is foreign: it may be a link to somebody else's file, a gigabyte, half a file, or no notebook at all. All of
that is `Unreadable`, with a sentence for the student; nothing of it ever counts as 0 points.
"""

import ast
import functools
import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib import paths
from course_lib.exercises import registry

LARGEST = 100 * 1024 * 1024         # bytes of a notebook; outputs count
LONGEST = 1024 * 1024               # characters of all code cells together


class Unreadable(Exception):
    """A file that cannot be graded; the text ends the sentence "Not graded, because …"."""


@dataclass(frozen=True)
class Cell:
    """A code cell."""

    source: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Submission:
    """A notebook that was handed in."""

    path: Path
    student: str
    digest: str                     # SHA-256 of the file
    cells: tuple[Cell, ...]


def read(path: Path, student: str) -> Submission:
    """Read a notebook.

    Raises:
        Unreadable: it is none.
    """
    found = content(path)
    if not found.strip():
        raise Unreadable("the file is empty. Save the notebook and hand it in again")
    try:
        text = found.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("the file is not UTF-8 text. Open it in JupyterLab, save it and hand it in again") from None
    try:
        book = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("the file is no whole notebook: it may have been cut off on its way. "
                         "Hand it in again") from None
    cells = book.get("cells") if isinstance(book, dict) else None
    if cells is None and isinstance(book, dict) and isinstance(book.get("worksheets"), list):        # before 2015
        cells = [cell for sheet in book["worksheets"] if isinstance(sheet, dict) for cell in sheet.get("cells") or []]
    if not isinstance(cells, list):
        raise Unreadable("the file has no cells: it is no notebook. Hand in the .ipynb file")
    code = tuple(_cell(cell) for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code")
    if not code:
        raise Unreadable("the notebook has no code cells")
    long = sum(len(cell.source) for cell in code)
    if long > LONGEST:
        raise Unreadable(f"its code cells have {long:,} characters, and at most {LONGEST:,} are read. Take out what is "
                         "no code of yours (data, pictures as text), save, and hand it in again")
    return Submission(path, student, hashlib.sha256(found).hexdigest(), code)


def content(path: Path) -> bytes:
    """The bytes of an ordinary file that is not too large.

    Raises:
        Unreadable: it is none.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise Unreadable("the file is a link. Hand in the notebook itself" if path.is_symlink() else
                         f"the file cannot be read ({error.strerror})") from None
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise Unreadable("it is no ordinary file")
        if about.st_size > LARGEST:
            raise Unreadable(f"the file has {about.st_size / 1e6:,.0f} MB, and at most {LARGEST // 1024**2} MB are "
                             f"read. "
                             "Clear the outputs (Edit > Clear Outputs of All Cells), save, and hand it in again")
        return file.read(LARGEST + 1)


def _cell(cell: dict[str, Any]) -> Cell:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    about = cell.get("metadata")
    tags = about.get("tags") if isinstance(about, dict) else None
    text = source if isinstance(source, str) else ""
    return Cell(text, tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ())


@dataclass(frozen=True)
class Lesson:
    """What the grader knows of a lesson's exercises."""

    number: str
    exercises: tuple[registry.Exercise, ...]
    stubs: tuple[str, ...]                  # sources of the exercises' cells as they are released

    @property
    def functions(self) -> dict[str, str]:
        """Name of each exercise's function."""
        return {exercise.id: exercise.function for exercise in self.exercises}


@functools.lru_cache(maxsize=32)
def lesson(number: str) -> Lesson:
    """A lesson's exercises and stubs."""
    files = sorted((paths.root() / "exercises").glob(f"{number}_*.ipynb"))
    cells = [_cell(cell) for file in files for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]
             if cell["cell_type"] == "code"]
    stubs = tuple(cell.source for cell in cells if any(tag.startswith("exercise:") for tag in cell.tags))
    return Lesson(number, tuple(registry.of_lesson(number)), stubs)


def references() -> dict[str, str]:
    """Where the course's own functions are, for `mine`: exercise -> `module:name`, without those in files of checks."""
    return {exercise.id: exercise.reference for number in registry.lessons() for exercise in registry.of_lesson(number)
            if not exercise.reference.startswith("course_lib.exercises.lesson_checks")}


def lesson_of(submission: Submission) -> str:
    """The lesson that a notebook belongs to: by the tags of its cells, else by what it defines, else by its name.

    Raises:
        Unreadable: it belongs to none, or could belong to several.
    """
    known = registry.lessons()
    tags = Counter(tag[9:11] for cell in submission.cells for tag in cell.tags if re.match(r"exercise:\d\d\.", tag))
    pattern = re.compile(r"""\bcheck\(["'](\d\d)\.\d""")
    checks = Counter(number for cell in submission.cells for number in pattern.findall(cell.source))

    def defined() -> Counter[str]:
        names = _names(submission.cells)
        return Counter({number: len(names & {exercise.function for exercise in registry.of_lesson(number)})
                        for number in known})

    for look in (lambda: tags, lambda: checks, defined):
        count = look()
        best = [number for number, times in count.items() if number in known and times and times == max(count.values())]
        if len(best) == 1:
            return best[0]
    if named(submission.path):
        return named(submission.path)
    raise Unreadable("no lesson's exercises are in it. Hand in the notebook of the lesson's exercises")


def named(path: Path) -> str:
    """The lesson in the name of a file, as the course gives it: `03_bradley_terry.ipynb`; empty where there is none."""
    found = re.match(r"(\d\d)_", path.name)
    return found[1] if found and found[1] in registry.lessons() else ""


def _names(cells: Sequence[Cell]) -> set[str]:
    names: set[str] = set()
    for cell in cells:
        try:
            body = ast.parse(cell.source).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        names |= {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return names


def find(given: Sequence[Path]) -> list[tuple[str, Path]]:
    """(student, notebook) of files and folders, in order.

    In a folder each folder is a student's, with all notebooks in it (nbgrader's `submitted`, Moodle's download); a
    notebook that lies there by itself is the student's whose name it has (Canvas's download). Checkpoints are left out.
    """
    found: list[tuple[str, Path]] = []
    for path in given:
        if not path.is_dir():
            found.append((path.stem, path))
            continue
        for one in sorted(_notebooks(path)):
            inside = one.relative_to(path).parts
            found.append((inside[0] if len(inside) > 1 else one.stem, one))
    return found


def _notebooks(folder: Path) -> list[Path]:
    found = []
    for parent, folders, names in os.walk(folder):          # does not follow links
        folders[:] = [name for name in folders if name != ".ipynb_checkpoints"]
        found += [Path(parent, name) for name in names if name.endswith(".ipynb")]
    return found
