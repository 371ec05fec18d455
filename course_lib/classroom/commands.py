"""`course grade` and `course classroom`: for teachers."""

import argparse
import importlib
from pathlib import Path
from types import ModuleType


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course grade` and `course classroom` to the command line."""
    _add_grade(subparsers)
    parser = subparsers.add_parser("classroom", help="for teachers: a class's folder, scores for Moodle and Canvas")
    words = parser.add_subparsers(dest="classroom_command", metavar="what", required=True)
    start = words.add_parser("init", help="make a class's folder", description="Make a class's folder.")
    start.add_argument("folder", type=Path, metavar="DIR")
    start.add_argument("--roster", type=Path, metavar="CSV", help="a line for each student; see classroom/README.md")
    start.add_argument("--nbgrader", action="store_true",
                       help="also a course of nbgrader: assignments, database, configuration (`make classroom`)")
    start.add_argument("--private-solutions", dest="private_solutions", action="store_true",
                       help="also a copy of the course without its solutions, for the students' server or a download")
    start.set_defaults(run=lambda arguments: _grading().init(arguments))
    hub = words.add_parser("hub", help="a JupyterHub for the class, on this machine",
                           description="Start a JupyterHub for the class on this machine (Linux, with sudo).")
    hub.add_argument("folder", type=Path, metavar="DIR", help="the class's folder, made with --nbgrader")
    hub.add_argument("--port", type=int, default=8000, help="where it listens, on this machine only (default: 8000)")
    hub.add_argument("--teacher", default="teacher", metavar="NAME", help="the teacher's name on it (default: teacher)")
    hub.add_argument("--memory", type=float, default=4.0, metavar="GB", help="for each student (default: 4)")
    hub.add_argument("--cpus", type=float, default=1.0, metavar="N", help="cores for each student (default: 1)")
    hub.set_defaults(run=_hub)
    export = words.add_parser("export", help="scores for Moodle, Canvas or nbgrader",
                              description="Write the scores of a class as a file that Moodle or Canvas imports, or "
                                          "into nbgrader's database.")
    export.add_argument("folder", type=Path, metavar="DIR", help="the class's folder")
    export.add_argument("--to", required=True, choices=("moodle", "canvas", "nbgrader"))
    export.add_argument("--out", type=Path, metavar="CSV", help="of Moodle and Canvas: the file to write")
    export.set_defaults(run=lambda arguments: _grading().export(arguments))
    _add_labels(words)
    _add_dashboard(words)


def _add_labels(words: argparse._SubParsersAction) -> None:
    parser = words.add_parser("labels", help="the label files of all students in one file",
                              description="Check the label files that students handed in, and join those of one run.")
    parser.add_argument("folder", type=Path, metavar="SUBMITTED", help="a folder with a folder for each student")
    parser.add_argument("--run", dest="labels_run", default="text-taste", metavar="RUN",
                        help="which labels (default: %(default)s, those of lesson 10)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the new label file")
    parser.set_defaults(run=lambda arguments: _module("class_commands").labels(arguments))


def _add_dashboard(words: argparse._SubParsersAction) -> None:
    parser = words.add_parser("dashboard", help="one page: who is where, what stops the class",
                              description="Write one page about a class's results, for the teacher.")
    parser.add_argument("results", type=Path, metavar="RESULTS", help="the folder that `course grade` wrote")
    parser.add_argument("--out", type=Path, metavar="HTML", help="the page (default: RESULTS/dashboard.html)")
    parser.set_defaults(run=lambda arguments: _module("class_commands").dashboard_page(arguments))


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
    parser.set_defaults(run=lambda arguments: _grading().grade(arguments))


def _hub(arguments: argparse.Namespace) -> int:
    module = importlib.import_module("course_lib.classroom.hub")
    module.run(arguments.folder, arguments.port, arguments.teacher, arguments.memory, arguments.cpus)
    return 0


def _grading() -> ModuleType:
    """What does the work; it loads torch, which `course --help` must not."""
    return _module("grading")


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"course_lib.classroom.{name}")
