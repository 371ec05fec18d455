"""The functions of a lesson's exercise notebook, filled or as stubs, without a kernel: its cells are run one by one."""

import linecache
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from course_lib.authoring.render import fill, strip
from course_lib.authoring.source import Cell, Lesson, read_cells
from course_lib.exercises.isolation import captured
from course_lib.exercises.registry import Exercise


@dataclass(frozen=True)
class CellFunction:
    """A function as its cell left it, or why there is none."""

    fn: Callable[..., Any] | None
    problem: str = ""


def functions(lesson: Lesson, exercises: Sequence[Exercise], *, filled: bool) -> dict[str, CellFunction]:
    """What each exercise's function is after its tagged cell, by exercise id.

    Cells before it are run too, but checks are not. A cell that raises (among stubs, one that calls a stub) matters
    only when the function is not there afterwards; whole notebooks are run elsewhere.
    """
    by_tag = {f"exercise:{exercise.id}": exercise for exercise in exercises}
    found = {exercise.id: CellFunction(None, f"no cell of {lesson.exercises} has the tag exercise:{exercise.id}")
             for exercise in exercises}
    space: dict[str, Any] = {"__name__": "__main__"}
    broken = ""
    with aside(), captured():
        for cell in read_cells(lesson.exercises):
            if not _to_run(cell):
                continue
            exercise = next((by_tag[tag] for tag in cell.tags if tag in by_tag), None)
            if exercise is not None:
                space.pop(exercise.function, None)          # an earlier exercise may have used the name
            problem = _run(cell, fill(cell.source) if filled else strip(cell.source), space)
            if exercise is not None:
                fn = space.get(exercise.function)
                missing = f"its cell does not define `{exercise.function}`"
                found[exercise.id] = CellFunction(fn if callable(fn) else None, problem or broken or missing)
            else:
                broken = broken or problem
    return found


def _to_run(cell: Cell) -> bool:
    """Not checks, and not the cells that only show what follows from a solution: some of them train agents."""
    checks = any(tag.startswith("check:") for tag in cell.tags)
    return cell.kind == "code" and not checks and "solution-only" not in cell.tags


def _run(cell: Cell, source: str, space: dict[str, Any]) -> str:
    """Run a cell in `space`; returns what went wrong, or an empty text."""
    text = "\n".join("" if line.startswith(("%", "!")) else line for line in source.split("\n"))
    name = f"<{cell.path.name} line {cell.line}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        exec(compile(text, name, "exec"), space)
    except Exception as error:
        return f"the cell at {cell.path.name}:{cell.line} raises {type(error).__name__}: {error}"
    return ""


@contextmanager
def aside() -> Iterator[None]:
    """Keep away from the author's own work: another `my_work`, short runs, no strict mode, no windows."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"COURSE_WORK": folder, "COURSE_BUDGET": "ci", "COURSE_STRICT": "0",
                    "COURSE_LABELER": "scripted", "MPLBACKEND": "Agg"}
        before = {key: os.environ.get(key) for key in settings}
        os.environ.update(settings)
        try:
            yield
        finally:
            for key, value in before.items():
                if value is None:
                    os.environ.pop(key, None)
                else:
                    os.environ[key] = value
