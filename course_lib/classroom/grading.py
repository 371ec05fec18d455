"""What `course grade` and `course classroom` do."""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from course_lib import atomic
from course_lib.classroom import (
    class_labels,
    deadlines,
    feedback,
    gradebooks,
    grader,
    hidden,
    nbgrader_scores,
    notebooks,
    results,
    sandbox,
    setup,
)
from course_lib.classroom.results import Record, Results
from course_lib.errors import CourseError, printable
from course_lib.exercises import registry


def grade(arguments: argparse.Namespace) -> int:
    """Grade; the exit code is 1 when a notebook could not be graded."""
    if arguments.lesson and arguments.lesson not in registry.lessons():
        raise CourseError(f"There is no lesson {arguments.lesson!r} with exercises: {', '.join(registry.lessons())}.")
    seed = hidden.read(arguments.classroom / "private") if arguments.classroom else None
    due = deadlines.read(arguments.classroom / deadlines.FILE) if arguments.classroom else {}
    box = sandbox.find(arguments.backend, image=arguments.image, trusted=arguments.trusted,
                       limits=sandbox.Limits(memory=int(arguments.memory * 1e9)))
    print(f"Backend: {box.name}. {box.says}")
    print("Inputs: " + ("the class's own, hidden." if seed is not None else
                        "public, as in the notebooks (--class DIR draws hidden ones)."))
    found = notebooks.find(arguments.submissions)
    if not found:
        raise CourseError(f"No notebooks in {', '.join(map(str, arguments.submissions))}.")
    grader.try_out(box)
    try:
        done = grade_all(found, Results(arguments.out), box, arguments.lesson, seed, arguments.again, due)
    finally:
        box.close()
    handed = {student for folder in arguments.submissions if folder.is_dir()
              for student, _ in class_labels.find(folder)}
    if handed:
        print(f"Label files of {len(handed)} students: course classroom labels {arguments.submissions[0]} --out FILE")
    return 0 if all(one["status"] == "graded" for one in done) else 1


def init(arguments: argparse.Namespace) -> int:
    """Make a class's folder."""
    for line in setup.init(arguments.folder, arguments.roster, arguments.nbgrader, arguments.private_solutions):
        print(printable(line))
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write the scores for a learning platform."""
    folder = arguments.folder
    if (arguments.out is None) != (arguments.to == "nbgrader"):
        raise CourseError("nbgrader's scores go into the database of the class's folder: leave --out away."
                          if arguments.out else f"Where to? Add --out {arguments.to}.csv")
    path = folder / "results" / results.JSON
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"{path} is missing. Grade first: course grade {folder / 'submitted'} --class "
                          f"{folder} --out {folder / 'results'}") from None
    file = folder / "private" / "roster.csv"
    roster = {} if arguments.to == "nbgrader" and not file.exists() else gradebooks.read_roster(file)
    if arguments.to == "nbgrader":
        for line in nbgrader_scores.bring(folder, records, roster):
            print(printable(line))
    else:
        text = {"moodle": gradebooks.moodle, "canvas": gradebooks.canvas}[arguments.to](records, roster)
        with atomic.in_a_sentence(arguments.out):
            atomic.write_text(arguments.out, text)
        print(f"{len(roster)} students: {arguments.out}.")
    ungraded = sum(one["points"] is None for one in gradebooks.counted(records).values())
    if ungraded:
        print(f"Not graded: {ungraded}. Their points are left empty (the reasons stand in "
              f"{folder / 'results' / results.CSV}).")
    for student in gradebooks.strangers(records, roster) if roster else ():
        print(printable(f"{student} is not in the roster and left out."))
    return 0


def grade_all(found: Sequence[tuple[str, Path]], out: Results, box: sandbox.Sandbox, lesson: str = "",
              seed: int | None = None, again: bool = False, due: deadlines.Due | None = None) -> list[Record]:
    """Grade notebooks one after the other, a line for each; returns the records of all.

    due: when each lesson is due.
    """
    records: list[Record] = []
    for number, (student, path) in enumerate(found, 1):
        one = None if again else out.known(student, str(path), _digest(path), seed)
        kept = one is not None and (not lesson or one["lesson"] == lesson)
        if not kept:
            graded = grader.grade(path, student, box, lesson, seed)
            one = results.record(graded, str(path), results.fingerprint(graded.lesson, seed))
            out.save(one)
        assert one is not None
        handed = deadlines.handed_in(path)
        late = deadlines.late_days(handed, (due or {}).get(one["lesson"]))
        records.append({**one, "handed_in": handed, "late_days": late})
        words = f"{one['points']:g} of {one['of']:g}" if one["points"] is not None else one["reason"]
        print(printable(f"{number:4}/{len(found)}  {student}  {words}{'  (as before)' if kept else ''}"), flush=True)
    every = out.finish(records)
    feedback.write(out.folder, every)
    ungraded = sum(one["status"] != "graded" for one in every)
    for one in every:
        for flag in one["flags"]:
            print(printable(f"Look at {one['student']}, {one['file']}: {flag}."))
    print(f"{len(every) - ungraded} graded, {ungraded} not graded. Results: {out.folder / results.CSV}, "
          f"{out.folder / results.JSON}, "
          f"{out.folder / feedback.FOLDER}", file=sys.stderr if ungraded else sys.stdout)
    return every


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(notebooks.content(path)).hexdigest()
    except notebooks.Unreadable:
        return ""
