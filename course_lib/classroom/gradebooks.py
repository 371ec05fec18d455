"""Results as the files that Moodle and Canvas import. What was not graded stays empty: it is never 0.

Both files need the platform's own ids of the students; they come from a roster with one row for each student:
`student` (the name of the student's folder or file), and for Moodle `email`; for Canvas `name`, `canvas_id`, `section`
and, where the school uses it, `sis_login_id`.
"""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from course_lib.classroom.results import Record, safe
from course_lib.errors import CourseError

COLUMNS = {"moodle": ("email",), "canvas": ("name", "canvas_id", "section")}
Roster = dict[str, dict[str, str]]


def read_roster(path: Path) -> Roster:
    """student -> row.

    Raises:
        CourseError: it has no column `student`, or two rows of one student.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CourseError(f"{path} cannot be read: {error}. Save the roster as CSV, UTF-8.") from None
    if not rows or "student" not in rows[0]:
        raise CourseError(f"{path} has no column `student`. Its first line names the columns: student,name,email,...")
    found: Roster = {}
    for number, row in enumerate(rows, 2):
        student = (row["student"] or "").strip()
        if not student or student in found:
            fault = f"{student!r} for the second time" if student else "no student"
            raise CourseError(f"{path}, line {number}: {fault}.")
        found[student] = {key: (value or "").strip() for key, value in row.items() if key}
    return found


def counted(records: Sequence[Record]) -> dict[tuple[str, str], Record]:
    """(student, lesson) -> the record that counts: the last in time of those that were graded, else the last."""
    found: dict[tuple[str, str], Record] = {}
    for one in sorted(records, key=lambda one: (one["points"] is not None, one.get("handed_in") or "", one["file"])):
        found[one["student"], one["lesson"]] = one
    return found


def moodle(records: Sequence[Record], roster: Roster) -> str:
    """For Moodle: Grades > Import > CSV file, with `Email address` mapped to the user and each column to an item."""
    return _table(records, roster, "moodle", ["Email address"], lambda row: [row["email"]], extra=[])


def canvas(records: Sequence[Record], roster: Roster) -> str:
    """For Canvas: Grades > Import. The second line has the points that are possible, as Canvas exports it."""
    first = ["Student", "ID", "SIS Login ID", "Section"]
    return _table(records, roster, "canvas", first, lambda row: [
        row["name"], row["canvas_id"], row.get("sis_login_id", ""), row["section"]],
                  extra=["    Points Possible", "", "", ""])


def _table(records: Sequence[Record], roster: Roster, kind: str, head: list[str],
           about: Callable[[dict[str, str]], list[str]],
           extra: list[str]) -> str:
    missing = [column for column in COLUMNS[kind] if any(column not in row for row in roster.values())]
    if missing:
        raise CourseError(f"For {kind} the roster needs the columns student, {', '.join(COLUMNS[kind])}; "
                          f"{' and '.join(missing)} is missing.")
    chosen = counted(records)
    lessons = {lesson: next(one["of"] for (_, other), one in chosen.items() if other == lesson)
               for lesson in sorted({lesson for _, lesson in chosen if lesson})}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*head, *(f"Lesson {lesson}" for lesson in lessons)])
    if extra:
        writer.writerow([*extra, *lessons.values()])
    for student, row in roster.items():
        points = [chosen.get((student, lesson), {}).get("points") for lesson in lessons]
        writer.writerow([*map(safe, about(row)), *("" if one is None else one for one in points)])
    return text.getvalue()


def strangers(records: Sequence[Record], roster: Roster) -> list[str]:
    """Students who handed in and are not in the roster."""
    return sorted({one["student"] for one in records} - roster.keys())
