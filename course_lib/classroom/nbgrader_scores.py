"""Scores of `course grade` in nbgrader's database, and the notebooks that formgrader and nbgrader's feedback show.

`course classroom export DIR --to nbgrader` may be run again and again: the same results leave the database as it is.
What a teacher has given by hand in formgrader (a score, extra credit, a comment) stays; where the student has handed in
again since, nbgrader asks the teacher to look at it again. A notebook that was not graded gets no score, so it never
shows as 0; its student gets a page of feedback with the reason.

Of a student's notebook only code is shown, each cell as text, in the frame of the exercises as they were released: text
cells and outputs of a student are pages of HTML, and would run in the teacher's browser.
"""

import ast
import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_lib import atomic, paths
from course_lib.classroom import deadlines, feedback, nbgrader_course, notebooks
from course_lib.classroom.gradebooks import Roster, counted
from course_lib.classroom.notebooks import Cell
from course_lib.classroom.results import FIXED, JSON, Record
from course_lib.errors import CourseError
from course_lib.exercises import registry

if TYPE_CHECKING:
    from nbgrader.api import Gradebook
    from nbgrader.apps import NbGraderAPI

TIMES, SECRET = "timestamp.txt", "submission_secret.txt"      # nbgrader's names
LONGEST_SECRET = 1000                                         # characters; nbgrader's own have 128


def bring(folder: Path, records: Sequence[Record], roster: Roster) -> list[str]:
    """Bring the results of a class into its database. Returns a line for each thing that the teacher should know.

    Args:
        folder: the class's.
        roster: students who are not in it are left out; empty: nobody is.

    Raises:
        CourseError: nbgrader or its files are missing.
    """
    nbgrader = nbgrader_course.api(folder)
    nbgrader_course.students(nbgrader, roster)
    nbgrader_course.due_dates(nbgrader, deadlines.read(folder / deadlines.FILE))
    brought, lines = 0, []
    for (student, lesson), one in sorted(counted(records).items()):
        who = f"{student}, {lesson or Path(one['file']).name}"
        if (roster and student not in roster) or Path(student).name != student or student in (".", ".."):
            continue
        if not lesson:
            lines.append(f"{who}: {one['reason']}")
        elif one["points"] is None:
            _explain(folder, one)
            lines.append(f"{who}: {one['reason']}")
            if has_scores(nbgrader, student, lesson):
                lines.append(f"{who}: nbgrader keeps the scores of the notebook before this one.")
        else:
            try:
                cells = read(one, Path(one["file"]))
            except CourseError as error:
                lines.append(f"{who}: left as it was: {error}")
                continue
            _write_notebook(folder, one, cells)
            save(nbgrader, one)
            brought += 1
    return [f"{brought} notebooks with their scores: {folder / nbgrader_course.DATABASE}", *lines]


def read(one: Record, path: Path) -> tuple[Cell, ...]:
    """The code cells of the notebook that a record is of.

    Raises:
        CourseError: it has changed since it was graded, or is gone.
    """
    try:
        submission = notebooks.read(path, one["student"])
    except notebooks.Unreadable as error:
        raise CourseError(f"{path}: {error}.") from None
    if submission.digest != one["sha256"]:
        raise CourseError(f"{path} has changed since it was graded. Run `course grade` again.")
    return submission.cells


def result_of(folder: Path, student: str, assignment: str) -> Record | None:
    """What `course grade` has found of a student's notebook; None where it was not asked yet."""
    try:
        records = json.loads((folder / "results" / JSON).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return counted(records).get((student, assignment[:2]))


def has_scores(nbgrader: "NbGraderAPI", student: str, lesson: str) -> bool:
    """Whether the database has scores of a student for a lesson; an entry without any, nbgrader's 0, is removed."""
    from nbgrader.api import MissingEntry

    name = nbgrader_course.assignment(lesson)
    with nbgrader.gradebook as gradebook:
        try:
            if complete(gradebook.find_submission(name, student)):
                return True
            gradebook.remove_submission(name, student)
        except MissingEntry:
            pass
        return False


def complete(submission: Any) -> bool:
    """Whether each exercise of a submission in the database has a score, of the grader or of the teacher."""
    return all(grade.auto_score is not None or grade.manual_score is not None
               for notebook in submission.notebooks for grade in notebook.grades)


def save(nbgrader: "NbGraderAPI", one: Record) -> None:
    """Write the scores of a graded notebook into the database."""
    with nbgrader.gradebook as gradebook:
        save_into(gradebook, one)


def save_into(gradebook: "Gradebook", one: Record) -> None:
    """As `save`, into an open database.

    Raises:
        CourseError: the database does not know one of the exercises.
    """
    from nbgrader.api import MissingEntry

    student, name = one["student"], nbgrader_course.assignment(one["lesson"])
    handed_in = datetime.fromisoformat(one["handed_in"]).replace(tzinfo=None) if one.get("handed_in") else None
    with gradebook.db.no_autoflush:
        try:
            gradebook.find_student(student)
        except MissingEntry:
            gradebook.add_student(student)
        try:
            again = gradebook.find_submission(name, student).timestamp != handed_in
        except MissingEntry:
            again = False
        try:
            gradebook.update_or_create_submission(name, student, timestamp=handed_in)
            for item in one["exercises"]:
                grade = gradebook.find_grade(nbgrader_course.check_cell(item["id"]), name, name, student)
                grade.auto_score = float(item["points"])
                if grade.manual_score is None:
                    grade.needs_manual_grade = False
                elif again:
                    grade.needs_manual_grade = True
        except MissingEntry as error:
            raise CourseError(f"nbgrader's database does not know this ({error}). The lesson may have changed since: "
                              "run `course classroom init DIR --nbgrader` again, with the class's folder.") from None
    gradebook.db.commit()


def shown(one: Record, cells: Sequence[Cell]) -> dict[str, Any]:
    """The notebook that formgrader and the feedback show, as JSON: the exercises, the student's code, what came of it.

    Args:
        one: the record of a graded notebook.
        cells: its code cells.
    """
    name = nbgrader_course.assignment(one["lesson"])
    released = json.loads((paths.root() / "exercises" / f"{name}.ipynb").read_text(encoding="utf-8"))
    book = nbgrader_course.marked(released)
    items = {nbgrader_course.check_cell(item["id"]): item for item in one["exercises"]}
    waiting = list(cells)
    given = {_text(cell) for cell in book["cells"]}
    for cell in book["cells"]:
        mark = cell["metadata"].get("nbgrader", {})
        if mark.get("solution"):
            cell["source"] = _answer(cell, waiting)
        elif mark.get("grade") and mark["grade_id"] in items:
            cell["outputs"] = [_printed(_told(items[mark["grade_id"]]))]
    others = [cell.source for cell in waiting if cell.source.strip() and cell.source not in given]
    if others:
        book["cells"].append(_cell("markdown", "others", "## Other code cells of this notebook"))
        book["cells"] += [_cell("code", f"other-{i}", source) for i, source in enumerate(others)]
    late = one.get("late_days")
    days = f", {late} {'day' if late == 1 else 'days'} late" if late else ""
    top = _cell("code", "summary", "# What `course grade` found")
    top["outputs"] = [_printed("\n".join([f"{one['points']:g} of {one['of']:g} points{days}", *one["notes"]]))]
    book["cells"].insert(0, top)
    return book


def _answer(cell: dict[str, Any], waiting: list[Cell]) -> str:
    """The student's code for an exercise's cell, by its tag, else by what it defines; taken out of `waiting`."""
    tag = next(tag for tag in cell["metadata"]["tags"] if tag.startswith("exercise:"))
    function = registry.load(tag[9:]).function
    for fits in (lambda one: tag in one.tags, lambda one: function in _defined(one.source)):
        for one in waiting:
            if fits(one):
                waiting.remove(one)
                return one.source
    return f"# The notebook has no cell for `{function}`."


def _defined(source: str) -> set[str]:
    try:
        return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()


def _told(item: dict[str, Any]) -> str:
    """What came of one exercise, in lines of text."""
    lines = [f"{item['id']} {item['title']}: {item['points']:g} of {item['of']:g}"]
    for case in item["cases"]:
        lines.append(f"  {feedback.WORDS.get(case['status'], case['status'])}: {case['case']}")
        if case["feedback"] and case["feedback"] not in FIXED.values():
            lines += [f"      {line}" for line in case["feedback"].splitlines()]
    return "\n".join(lines)


def _text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def _printed(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text + "\n"}


def _cell(kind: str, id: str, source: str) -> dict[str, Any]:
    more = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": id, "metadata": {}, "source": source, **more}


def _write_notebook(folder: Path, one: Record, cells: Sequence[Cell]) -> None:
    name = nbgrader_course.assignment(one["lesson"])
    text = json.dumps(shown(one, cells), indent=1).encode(errors="replace").decode()
    _write(folder, one, folder / "autograded" / one["student"] / name, f"{name}.ipynb", text)


def _explain(folder: Path, one: Record) -> None:
    """A page of feedback for a notebook that was not graded, where nbgrader's `release_feedback` finds it."""
    name = nbgrader_course.assignment(one["lesson"])
    _write(folder, one, folder / "feedback" / one["student"] / name, f"{name}.html", feedback.page(one))


def _write(folder: Path, one: Record, place: Path, file: str, text: str) -> None:
    """Write a file and, beside it, the two that nbgrader needs to give feedback back to the submission it is of."""
    submitted = folder / "submitted" / one["student"] / nbgrader_course.assignment(one["lesson"])
    with atomic.in_a_sentence(place):
        place.mkdir(parents=True, exist_ok=True)
        atomic.write_text(place / file, text)
        secret = _line(submitted / SECRET) or _line(place / SECRET) or secrets.token_hex(64)
        beside = {SECRET: secret}
        if one.get("handed_in"):
            beside[TIMES] = stamp(datetime.fromisoformat(one["handed_in"]))
        for where in (place, submitted) if submitted.is_dir() else (place,):
            for name, line in beside.items():
                if _line(where / name) != line:
                    _replace(where / name, line)


def stamp(time: datetime) -> str:
    """A time as nbgrader's `timestamp.txt` has it."""
    return f"{time:%Y-%m-%d %H:%M:%S.%f} UTC"


def _line(path: Path) -> str:
    """The text of a small file; empty where there is none. A link is not followed: a student may have put it there."""
    try:
        return notebooks.content(path)[:LONGEST_SECRET].decode("ascii", "replace").strip()
    except notebooks.Unreadable:
        return ""


def _replace(path: Path, text: str) -> None:
    if path.is_symlink():
        path.unlink()
    atomic.write_text(path, text)
