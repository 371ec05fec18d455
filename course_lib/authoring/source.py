"""Reads what an author writes: the lessons' folders, and their cells with the line where each one starts."""

import re
from dataclasses import dataclass
from pathlib import Path

from course_lib import paths
from course_lib.errors import CourseError

_SLUG = re.compile(r"\d\d_[a-z0-9_]+")
_CELL = re.compile(r"#\s?%%")


@dataclass(frozen=True)
class Fault:
    """Something an author must mend: the file, the line (from 1; 0 for the whole file), and what to do."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        path = self.path.relative_to(paths.root()) if self.path.is_relative_to(paths.root()) else self.path
        return f"{path.as_posix()}:{self.line}: {self.message}"


class SourceError(CourseError):
    """A source file that cannot be read at all; `fault` says where and why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(frozen=True)
class Cell:
    """One cell of a source file. `line` is the line of its `# %%`."""

    kind: str                     # "code" or "markdown"
    source: str
    tags: tuple[str, ...]
    path: Path
    line: int

    def fault(self, message: str, offset: int = 0) -> Fault:
        """A fault in this cell, `offset` source lines below its `# %%`."""
        return Fault(self.path, self.line + offset, message)


@dataclass(frozen=True)
class Lesson:
    """One folder of `lessons/`."""

    folder: Path

    @property
    def slug(self) -> str:
        """For example `03_bradley_terry`: the name of all three notebooks."""
        return self.folder.name

    @property
    def number(self) -> str:
        """For example `03`."""
        return self.slug[:2]

    @property
    def lesson(self) -> Path:
        """The source of `notebooks/`."""
        return self.folder / "lesson.py"

    @property
    def exercises(self) -> Path:
        """The source of `exercises/` and `solutions/`."""
        return self.folder / "exercises.py"


def lessons(wanted: list[str] | None = None) -> list[Lesson]:
    """All lessons in order, or the wanted ones (`03`, `3`, `03_bradley_terry`). Raises `CourseError` if unknown."""
    folder = paths.root() / "lessons"
    found = [Lesson(path) for path in sorted(folder.glob("*")) if path.is_dir() and _SLUG.fullmatch(path.name)]
    if not wanted:
        return found
    chosen = []
    for word in wanted:
        matching = [lesson for lesson in found if word in (lesson.slug, lesson.number, lesson.number.lstrip("0"))]
        if not matching:
            known = ", ".join(lesson.number for lesson in found) or "none yet"
            raise CourseError(f"there is no lesson {word} in {folder} (there are: {known})")
        chosen += matching
    return chosen


def read_cells(path: Path) -> list[Cell]:
    """The cells of a percent-format file. Raises `SourceError` where the text cannot be cut into cells."""
    import jupytext

    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines, start=1) if _CELL.match(line)]
    first = next((number for number, line in enumerate(lines, start=1) if line.strip()), 0)
    if not starts or first != starts[0]:
        raise SourceError(Fault(path, first, "the file must begin with a cell, `# %% [markdown]` or `# %%`"))
    parsed = jupytext.reads(text, fmt="py:percent").cells
    if len(parsed) != len(starts):
        message = f"{len(starts)} lines begin with `# %%` but only {len(parsed)} begin a cell: is one inside a string?"
        raise SourceError(Fault(path, starts[0], message))
    return [Cell(cell.cell_type, cell.source, tuple(cell.metadata.get("tags", ())), path, line)
            for cell, line in zip(parsed, starts, strict=True)]
