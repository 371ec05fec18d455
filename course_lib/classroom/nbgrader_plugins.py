"""What nbgrader loads by its configuration (`nbgrader_config.py` of a class): scores, the table, and collecting.

Only nbgrader imports this file; it needs the extra that `make classroom` installs.
"""

import csv
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.exchange.default import ExchangeCollect
from nbgrader.plugins.export import ExportPlugin
from nbgrader.preprocessors import NbGraderPreprocessor

from course_lib.classroom import deadlines, hub_users, nbgrader_scores, notebooks, results
from course_lib.errors import CourseError

COLUMNS = ("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
           "late_submission_penalty", "score", "max_score",             # up to here nbgrader's own
           "late_days", "status", "note")


class ScoresOfCourseGrade(NbGraderPreprocessor):
    """In the place of running a notebook: the scores that `course grade` has found, in the notebook and the database.

    It serves `nbgrader autograde` and formgrader's button. nbgrader starts it in the class's folder.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """The notebook as formgrader shows it.

        Raises:
            CourseError: the notebook was not graded, or has changed since.
        """
        about = resources["nbgrader"]
        folder, student, assignment = Path.cwd(), about["student"], about["assignment"]
        path = folder / "submitted" / student / assignment / f"{about['notebook']}.ipynb"
        with Gradebook(about["db_url"]) as gradebook:
            try:
                one = nbgrader_scores.result_of(folder, student, assignment)
                if one is None:
                    raise CourseError(f"{path} has no score yet. In the course's folder: course grade "
                                      f"{folder / 'submitted'} --class {folder} --out {folder / 'results'}")
                if one["points"] is None:
                    raise CourseError(one["reason"])
                cells = nbgrader_scores.read(one, path)
                nbgrader_scores.save_into(gradebook, one)
            except CourseError:
                if not nbgrader_scores.complete(gradebook.find_submission(assignment, student)):
                    gradebook.remove_submission(assignment, student)       # nbgrader made it, and shows it as 0
                raise
        return nbformat.from_dict(nbgrader_scores.shown(one, cells)), resources


class Csv(ExportPlugin):
    """`nbgrader export`: nbgrader's columns, late days, and why a score is missing where it is missing.

    nbgrader's own table has 0 for whoever handed in nothing and for what could not be graded.
    """

    def export(self, gradebook: Gradebook) -> None:
        """Write the table to `--to FILE` (default: grades.csv)."""
        with Path(self.to or "grades.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for assignment in gradebook.assignments:
                for student in gradebook.students:
                    if (not self.assignment or assignment.name in self.assignment) and (
                            not self.student or student.id in [str(one) for one in self.student]):
                        row = self._row(gradebook, assignment, student)
                        writer.writerow({key: "" if value is None else results.safe(value)
                                         for key, value in row.items()})

    def _row(self, gradebook: Gradebook, assignment: Any, student: Any) -> dict[str, Any]:
        row = {"assignment": assignment.name, "duedate": assignment.duedate, "student_id": student.id,
               "last_name": student.last_name, "first_name": student.first_name, "email": student.email,
               "max_score": assignment.max_score}
        found = nbgrader_scores.result_of(self._folder(), student.id, assignment.name)
        try:
            submission = gradebook.find_submission(assignment.name, student.id)
        except MissingEntry:
            submission = None
        if found is not None and found["points"] is None:
            return {**row, "status": "not graded", "note": found["reason"]}
        if submission is None:
            return {**row, "status": "not handed in" if found is None else "not exported"}
        if not nbgrader_scores.complete(submission):
            return {**row, "timestamp": submission.timestamp, "status": "not graded"}
        penalty, due = submission.late_submission_penalty, assignment.duedate
        handed = submission.timestamp.replace(tzinfo=UTC).isoformat() if submission.timestamp else ""
        return {**row, "timestamp": submission.timestamp, "raw_score": submission.score,
                "late_submission_penalty": penalty, "score": max(0.0, submission.score - (penalty or 0.0)),
                "late_days": deadlines.late_days(handed, due.replace(tzinfo=UTC) if due else None),
                "status": "graded"}

    def _folder(self) -> Path:
        """The class's folder."""
        return Path(self.parent.coursedir.root)


class Collect(ExchangeCollect):
    """`nbgrader collect`, with nothing taken on a student's word.

    The name of a submission's folder says who handed it in and when, and whoever hands in chooses that name. Here the
    student is the owner of the folder, as the system knows it (`check_owner`), and the time is the last change of
    anything in it: the system keeps that time, and nobody can set it back. Links are not followed.
    """

    def _path_to_record(self, path: str) -> dict[str, Any]:
        """What is known of a submission's folder; its name is not read for more than a claim."""
        name, about = os.path.basename(path), os.lstat(path)
        student = name.rsplit("+", 3)[0]
        if self.check_owner:
            owner = hub_users.owner(Path(self.coursedir.root), about.st_uid)
            if owner != student:
                self.log.warning("%s says that %s handed it in, and belongs to %s: it counts as that student's", path,
                                 student, owner)
                student = owner
        time = last_change(Path(path)) if stat.S_ISDIR(about.st_mode) else datetime.min      # else: a link, say
        return {"username": student, "filename": name, "timestamp": time.replace(tzinfo=None)}

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """Copy the ordinary files of a submission, each with the time at which it was handed in."""
        time, room = last_change(Path(src)), 1000 * self.coursedir.max_dir_size
        for path in () if os.path.islink(src) else _files(Path(src)):
            try:
                content = notebooks.content(path)
            except notebooks.Unreadable as error:
                self.log.warning("%s is left out: %s", path, error)
                continue
            room -= len(content)
            if room < 0:
                self.log.warning("%s is left out: the submission is larger than %s KB", path,
                                 self.coursedir.max_dir_size)
                continue
            place = Path(dest) / path.relative_to(src)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(nbgrader_scores.stamp(time).encode() if place == Path(dest) / nbgrader_scores.TIMES
                              else content)
            os.utime(place, (time.timestamp(), time.timestamp()))


def _files(folder: Path) -> list[Path]:
    return sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)


def last_change(folder: Path) -> datetime:
    """When a folder or anything in it was changed last, in whole seconds: the time that the system keeps."""
    changes = [os.lstat(one).st_ctime for one in (folder, *_files(folder))]
    return datetime.fromtimestamp(int(max(changes)), UTC)
