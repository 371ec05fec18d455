"""The `course` command: a table of subcommands, each loaded only when it is asked for.

A subcommand's module has `add_parser(subparsers)`, which adds one or more parsers and gives each
`set_defaults(run=function)`; the function takes the parsed arguments and returns the exit code.
"""

import argparse
import importlib
import sqlite3
import sys
from collections.abc import Sequence
from typing import NamedTuple

from course_lib.errors import CourseError, printable


class Command(NamedTuple):
    """One row of the table: the module that brings the subcommand, and its line in `course --help`."""

    module: str
    help: str


COMMANDS = {
    "lab": Command("course_lib.lab", "open JupyterLab on your own copies of the lessons"),
    "doctor": Command("course_lib.doctor", "what is right and what is wrong on this machine, with remedies"),
    "assets": Command("course_lib.assets.commands", "fetch and verify the data that the lessons use"),
    "progress": Command("course_lib.exercises.progress", "your points, exercise by exercise"),
    "share": Command("course_lib.share.command", "one page of what you did, to show to others"),
    "labels": Command("course_lib.labels.commands", "your labels: stats, export, import, merge, check, answer"),
    "grade": Command("course_lib.classroom.commands", "for teachers: grade notebooks, each in a process of its own"),
    "classroom": Command("course_lib.classroom.commands", "for teachers: a class's folder, Moodle, Canvas"),
    "update": Command("course_lib.workspace", "bring new and changed lessons into my_work, beside your own"),
    "reset": Command("course_lib.workspace", "put one exercise back as it was, keeping a copy of yours"),
    "build": Command("course_lib.authoring.commands", "for authors: lessons/ into notebooks/, exercises/, solutions/"),
    "answers": Command("course_lib.authoring.commands", "for authors: right and wrong answers against every check"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `course ARGV`; returns the exit code. Faults of known kinds become one sentence on stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    traceback = "--traceback" in words
    words = [word for word in words if word != "--traceback"]
    try:
        arguments = parser(words).parse_args(words)
        return arguments.run(arguments)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    except Exception as error:
        sentence = in_words(error)
        if traceback or sentence is None:
            raise
        print(f"course: {printable(sentence)}", file=sys.stderr)
        return 1


def parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser for these words: the subcommand that they name is loaded, the others are lines in the help."""
    top = argparse.ArgumentParser(prog="course", description="Reinforcement learning from human feedback, by hand.")
    top.add_argument("--traceback", action="store_true", help="show where an error came from, for a bug report")
    subparsers = top.add_subparsers(dest="command", metavar="command", required=True)
    wanted = next((COMMANDS[word] for word in words if word in COMMANDS), None)
    if wanted is not None:
        importlib.import_module(wanted.module).add_parser(subparsers)
    for name, command in COMMANDS.items():
        if wanted is None or command.module != wanted.module:
            subparsers.add_parser(name, help=command.help)
    return top


def in_words(error: Exception) -> str | None:
    """What went wrong and what to do, for the kinds of error that a reader can mend; None for a bug."""
    if isinstance(error, CourseError):
        return str(error)
    if isinstance(error, PermissionError):
        return f"{error.filename} cannot be read or written: {error.strerror}. Check who owns it, then try again."
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{error.filename} is missing. Run the command inside the course's folder, or check the spelling."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename or 'no file named'}). Mend that and run the command again."
    if isinstance(error, sqlite3.Error):
        return f"the progress file could not be used: {error}. Close other notebooks, then run `course doctor`."
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("course_lib"):
        return f"the package {error.name} is not installed. Run `make setup` (or `python tools/bootstrap.py`)."
    return None


if __name__ == "__main__":
    sys.exit(main())
