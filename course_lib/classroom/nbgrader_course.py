"""A class's folder as a course of nbgrader: `course classroom init DIR --nbgrader`.

    DIR/nbgrader_config.py      what nbgrader reads: where things are, and that scores come from `course grade`
    DIR/source/03_bradley_terry/03_bradley_terry.ipynb      the exercises of a lesson, cells marked for nbgrader
    DIR/release/03_bradley_terry/03_bradley_terry.ipynb     what students fetch, written by nbgrader
    DIR/gradebook.db            nbgrader's database: assignments, exercises with their points, students

Each lesson is an assignment, each exercise a cell to write in and a locked cell with its points. nbgrader is an extra
(`make classroom`); this file loads it when it is needed.
"""

import importlib.util
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib import atomic, paths
from course_lib.classroom import deadlines
from course_lib.classroom.gradebooks import Roster
from course_lib.errors import CourseError
from course_lib.exercises import registry

if TYPE_CHECKING:
    from nbgrader.apps import NbGraderAPI

CONFIG = "nbgrader_config.py"
DATABASE = "gradebook.db"
COURSE_ID = "rlhf"
TEXT = '''"""nbgrader's configuration of this class, written by `course classroom init`. It is yours to change."""

import os
from pathlib import Path

c = get_config()  # noqa: F821
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = "{course}"
if "COURSE_EXCHANGE" in os.environ:             # on the class's hub
    c.Exchange.root = os.environ["COURSE_EXCHANGE"]

# The exercises are stubs already; there is nothing to cut out of them.
c.GenerateAssignment.preprocessors = ["nbgrader.preprocessors." + name for name in (
    "LockCells", "ClearOutput", "CheckCellMetadata", "ComputeChecksums", "SaveCells")]

# nbgrader never runs a student's code: what it calls autograding takes the scores of `course grade`.
c.Autograde.sanitize_preprocessors = ["course_lib.classroom.nbgrader_plugins.ScoresOfCourseGrade"]
c.Autograde.autograde_preprocessors = []

# The table of scores has no 0 for what was not graded or not handed in.
c.ExportApp.plugin_class = "course_lib.classroom.nbgrader_plugins.Csv"

# When a notebook was handed in is read from the file system, not from a file that the student wrote.
c.ExchangeFactory.collect = "course_lib.classroom.nbgrader_plugins.Collect"
'''
STUDENTS = '''"""nbgrader's configuration for students: which class, and nothing of the teacher's."""

import os

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "{course}"
if "COURSE_EXCHANGE" in os.environ:             # on the class's hub
    c.Exchange.root = os.environ["COURSE_EXCHANGE"]
'''


def require() -> None:
    """Make sure that nbgrader is installed.

    Raises:
        CourseError: it is not.
    """
    if importlib.util.find_spec("nbgrader") is None:
        raise CourseError("nbgrader is not installed. It is an extra: `make classroom` in the course's folder installs "
                          "it (or: python tools/bootstrap.py --classroom).")


def assignment(lesson: str) -> str:
    """The name of a lesson's assignment, and of its notebook: `03_bradley_terry`."""
    found = sorted((paths.root() / "exercises").glob(f"{lesson}_*.ipynb"))
    if not found:
        raise CourseError(f"There are no exercises of lesson {lesson!r}.")
    return found[0].stem


def check_cell(exercise: str) -> str:
    """nbgrader's name for the cell with an exercise's points: `check-03-1`."""
    return f"check-{exercise.replace('.', '-')}"


def marked(book: dict[str, Any]) -> dict[str, Any]:
    """An exercise notebook with nbgrader's marks: the cells to write in, and the locked ones that carry the points."""
    points = {exercise.id: exercise.points
              for exercise in (registry.load(key) for key in sorted(_tagged(book, "check")))}
    counts: Counter[str] = Counter()
    cells = []
    for cell in book["cells"]:
        kind, exercise = _tag(cell)
        if kind:
            counts[kind + exercise] += 1
            number = f"-{counts[kind + exercise]}" if counts[kind + exercise] > 1 else ""
            mark: dict[str, Any] = {"schema_version": 3, "grade": kind == "check", "solution": kind == "exercise",
                                    "locked": kind == "check", "task": False, "cell_type": "code",
                                    "grade_id": f"{kind}-{exercise.replace('.', '-')}{number}"}
            if kind == "check":
                mark["points"] = points[exercise]
            cell = {**cell, "metadata": {**cell["metadata"], "nbgrader": mark}}
        cells.append(cell)
    return {**book, "cells": cells}


def _tag(cell: dict[str, Any]) -> tuple[str, str]:
    """("exercise" or "check", "03.1") of a cell; two empty texts where it is neither."""
    for tag in cell["metadata"].get("tags", ()):
        if found := re.fullmatch(r"(exercise|check):(\d\d\.\d+)", tag):
            return found[1], found[2]
    return "", ""


def _tagged(book: dict[str, Any], kind: str) -> set[str]:
    return {exercise for one, exercise in map(_tag, book["cells"]) if one == kind}


def write(folder: Path, roster: Roster) -> list[str]:
    """Make nbgrader's files and database, or bring them up to date. Returns a line for each step.

    A configuration that is there stays; students and scores in the database stay.

    Raises:
        CourseError: nbgrader is missing, or it could not make an assignment.
    """
    require()
    with atomic.in_a_sentence(folder):
        for name, text in ((CONFIG, TEXT), (f"for_students/{CONFIG}", STUDENTS)):
            if not (folder / name).exists():
                atomic.create(folder / name, text.format(course=COURSE_ID).encode())
        names = [_source(folder, path) for path in sorted((paths.root() / "exercises").glob("[0-9][0-9]_*.ipynb"))]
    nbgrader = api(folder)
    for name in names:
        made = nbgrader.generate_assignment(name)
        if not made["success"]:
            said = "".join(str(made[key]) for key in ("log", "error") if made.get(key))
            raise CourseError(f"nbgrader could not make the assignment {name}. It said:\n{said[-3000:]}")
    students(nbgrader, roster)
    due_dates(nbgrader, deadlines.read(folder / deadlines.FILE))
    return [f"{len(names)} assignments for nbgrader: {folder / 'source'}, released from {folder / 'release'}",
            f"nbgrader's database, with {len(roster)} students of the roster: {folder / DATABASE}"]


def _source(folder: Path, path: Path) -> str:
    """Write the source of an assignment; returns its name."""
    source = folder / "source" / path.stem / path.name
    source.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(source, json.dumps(marked(json.loads(path.read_text(encoding="utf-8"))), indent=1) + "\n")
    return path.stem


def api(folder: Path) -> "NbGraderAPI":
    """nbgrader, with the class's own configuration.

    Raises:
        CourseError: the folder is no course of nbgrader.
    """
    require()
    if not (folder / CONFIG).is_file():
        raise CourseError(f"{folder / CONFIG} is missing. Make it: course classroom init {folder} --nbgrader")
    from nbgrader.apps import NbGraderAPI
    from traitlets.config.loader import PyFileConfigLoader

    programs = str(Path(sys.executable).parent)             # nbgrader starts `alembic`, which lies beside Python
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join(filter(None, (programs, os.environ.get("PATH", ""))))
    return NbGraderAPI(config=PyFileConfigLoader(CONFIG, path=str(folder.resolve())).load_config())


def students(nbgrader: "NbGraderAPI", roster: Roster) -> None:
    """Bring the roster into the database; nobody is taken out of it."""
    with nbgrader.gradebook as gradebook:
        for student, row in roster.items():
            first, _, last = row.get("name", "").rpartition(" ")
            gradebook.update_or_create_student(
                student, first_name=row.get("first_name") or first, last_name=row.get("last_name") or last or student,
                email=row.get("email") or None, lms_user_id=row.get("canvas_id") or None)


def due_dates(nbgrader: "NbGraderAPI", due: deadlines.Due) -> None:
    """Bring the class's due dates into the database (UTC, without a zone, as nbgrader keeps them).

    A due date that was set in formgrader stays where `due.csv` has none.
    """
    with nbgrader.gradebook as gradebook:
        for lesson, time in due.items():
            gradebook.update_or_create_assignment(assignment(lesson), duedate=time.replace(tzinfo=None))
