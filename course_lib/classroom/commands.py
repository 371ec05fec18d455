"""`course grade` and `course classroom`: for teachers."""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from course_lib import atomic
from course_lib.classroom import gradebooks, grader, hidden, notebooks, results, sandbox, setup
from course_lib.classroom.results import Record, Results
from course_lib.errors import CourseError, printable
from course_lib.exercises import registry


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course grade` and `course classroom` to the command line."""
    _add_grade(subparsers)
    parser = subparsers.add_parser("classroom", help="for teachers: a class's folder, scores for Moodle and Canvas")
    words = parser.add_subparsers(dest="classroom_command", metavar="what", required=True)
    start = words.add_parser("init", help="make a class's folder", description="Make a class's folder.")
    start.add_argument("folder", type=Path, metavar="DIR")
    start.add_argument("--roster", type=Path, metavar="CSV", help="a line for each student; see classroom/README.md")
    start.set_defaults(run=run_init)
    export = words.add_parser("export", help="scores as Moodle or Canvas imports them",
                              description="Write the scores of a class as a file that Moodle or Canvas imports.")
    export.add_argument("folder", type=Path, metavar="DIR", help="the class's folder")
    export.add_argument("--to", required=True, choices=("moodle", "canvas"))
    export.add_argument("--out", type=Path, required=True, metavar="CSV")
    export.set_defaults(run=run_export)


def _add_grade(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("grade",
                                   help="for teachers: grade notebooks of students, each in a process of its own")
    parser.add_argument("submissions", nargs="+", type=Path, metavar="SUBMISSIONS",
                        help="notebooks, or folders with one folder for each student")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--lesson", default="", metavar="NN",
                        help="the lesson that all of them belong to (default: look)")
    parser.add_argument("--class", dest="classroom", type=Path, metavar="DIR",
                        help="a class's folder (`course classroom init`): its own hidden inputs are used")
    parser.add_argument("--again", action="store_true", help="also grade what has not changed since the last time")
    parser.add_argument("--backend", default="", choices=("", "bubblewrap", "podman", "docker", "plain"),
                        metavar="NAME",
                        help="bubblewrap, podman, docker or plain (default: the safest that works here)")
    parser.add_argument("--image", default="", help="of podman or docker: an image that has the course installed")
    parser.add_argument("--memory", type=float, default=3.0, metavar="GB",
                        help="of each notebook's process (default: 3)")
    parser.add_argument("--i-trust-these-notebooks", dest="trusted", action="store_true",
                        help="grade without a shield where there is none")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Grade; the exit code is 1 when a notebook could not be graded."""
    if arguments.lesson and arguments.lesson not in registry.lessons():
        raise CourseError(f"There is no lesson {arguments.lesson!r} with exercises: {', '.join(registry.lessons())}.")
    seed = hidden.read(arguments.classroom / "private") if arguments.classroom else None
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
        done = grade_all(found, Results(arguments.out), box, arguments.lesson, seed, arguments.again)
    finally:
        box.close()
    return 0 if all(one["status"] == "graded" for one in done) else 1


def run_init(arguments: argparse.Namespace) -> int:
    """Make a class's folder."""
    for line in setup.init(arguments.folder, arguments.roster):
        print(printable(line))
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    """Write the scores for a learning platform."""
    path = arguments.folder / "results" / results.JSON
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"{path} is missing: grade first (`course grade`).") from None
    roster = gradebooks.read_roster(arguments.folder / "private" / "roster.csv")
    text = {"moodle": gradebooks.moodle, "canvas": gradebooks.canvas}[arguments.to](records, roster)
    with atomic.in_a_sentence(arguments.out):
        atomic.write_text(arguments.out, text)
    ungraded = sum(one["points"] is None for one in gradebooks.best(records).values())
    print(f"{len(roster)} students: {arguments.out}. {ungraded} notebooks were not graded: "
          "their points are left empty.")
    for student in gradebooks.strangers(records, roster):
        print(printable(f"{student} is not in the roster and not in the file."))
    return 0


def grade_all(found: Sequence[tuple[str, Path]], out: Results, box: sandbox.Sandbox, lesson: str = "",
              seed: int | None = None, again: bool = False) -> list[Record]:
    """Grade notebooks one after the other, a line for each; returns the records of all."""
    records: list[Record] = []
    for number, (student, path) in enumerate(found, 1):
        one = None if again else out.known(student, str(path), _digest(path), seed)
        kept = one is not None and (not lesson or one["lesson"] == lesson)
        if not kept:
            graded = grader.grade(path, student, box, lesson, seed)
            one = results.record(graded, str(path), results.fingerprint(graded.lesson, seed))
            out.save(one)
        assert one is not None
        records.append(one)
        words = f"{one['points']:g} of {one['of']:g}" if one["points"] is not None else one["reason"]
        print(printable(f"{number:4}/{len(found)}  {student}  {words}{'  (as before)' if kept else ''}"), flush=True)
    every = out.finish(records)
    ungraded = sum(one["status"] != "graded" for one in every)
    for one in every:
        for flag in one["flags"]:
            print(printable(f"Look at {one['student']}, {one['file']}: {flag}."))
    print(f"{len(every) - ungraded} graded, {ungraded} not graded. Results: {out.folder / results.CSV}, "
          f"{out.folder / results.JSON}", file=sys.stderr if ungraded else sys.stdout)
    return every


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(notebooks.content(path)).hexdigest()
    except notebooks.Unreadable:
        return ""
