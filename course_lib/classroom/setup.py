"""A class's folder: `course classroom init DIR`.

    DIR/release/     the exercise notebooks, for the students
    DIR/submitted/   what they hand in: a folder for each student
    DIR/results/     where `course grade` writes
    DIR/due.csv      when each lesson is due: the late days stand in the results
    DIR/private/     the class's number for hidden inputs, and the roster; for the teacher's eyes alone
    DIR/course/      with `--private-solutions`: the course without its solutions, for the students

`--nbgrader` adds what nbgrader needs (`nbgrader_course.py`); `release` then has a folder for each lesson.
"""

import shutil
from pathlib import Path

from course_lib import atomic, paths
from course_lib.classroom import deadlines, gradebooks, hidden, nbgrader_course, students_course
from course_lib.errors import CourseError


def init(folder: Path, roster: Path | None = None, nbgrader: bool = False, private: bool = False) -> list[str]:
    """Write a class's folder; what is there stays. Returns a line for each step.

    Args:
        nbgrader: whether to make it a course of nbgrader, too.
        private: whether to make a copy of the course for the students that has no solutions.

    Raises:
        CourseError: the roster cannot be used, or the folder lies in the course's own (which may be public).
    """
    if folder.resolve().is_relative_to(paths.root().resolve()):
        raise CourseError(f"{folder} lies inside the course's own folder, which is public. Choose one outside of it.")
    if nbgrader:
        nbgrader_course.require()
    students = gradebooks.read_roster(roster) if roster is not None else {}
    released = sorted((paths.root() / "exercises").glob("*.ipynb"))
    with atomic.in_a_sentence(folder):
        for name in ("release", "submitted", "results"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for path in released if not nbgrader else ():
            shutil.copyfile(path, folder / "release" / path.name)
        for student in students:
            _place(folder / "submitted", student).mkdir(exist_ok=True)
        seed = hidden.make(folder / "private")
        if roster is not None:
            atomic.write_bytes(folder / "private" / "roster.csv", roster.read_bytes())
        if not (folder / deadlines.FILE).exists():
            atomic.write_text(folder / deadlines.FILE, deadlines.HEAD)
    more = students_course.write(folder / "course") if private else []
    more += nbgrader_course.write(folder, students) if nbgrader else []
    return [f"{len(released)} notebooks for the students: {folder / 'release'}",
            f"{len(students)} students' folders for what they hand in: {folder / 'submitted'}",
            f"When lessons are due (a line for each; none means: never late): {folder / deadlines.FILE}",
            f"The class's number for hidden inputs (keep it, and show it to nobody): {seed}", *more,
            f"Grade with: course grade {folder / 'submitted'} --class {folder} --out {folder / 'results'}"]


def _place(folder: Path, student: str) -> Path:
    if Path(student).name != student or student in (".", ".."):
        raise CourseError(f"The roster has a student named {student!r}, which cannot be the name of a folder.")
    return folder / student
