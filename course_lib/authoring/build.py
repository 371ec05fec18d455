"""`course build`: `lessons/NN_slug/` into `notebooks/`, `exercises/` and `solutions/`."""

import argparse
import sys

from course_lib import paths
from course_lib.authoring import notebook_file
from course_lib.authoring.source import Lesson, lessons
from course_lib.authoring.views import views


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course build` to the command line."""
    parser = subparsers.add_parser("build", help="for authors: lessons/ into notebooks/, exercises/, solutions/")
    parser.add_argument("lessons", nargs="*", metavar="NN", help="lesson numbers; all lessons when none is given")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a notebook differs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Build or check; the exit code."""
    chosen = lessons(arguments.lessons)
    return sum(check(lesson) for lesson in chosen) and 1 if arguments.check else max(map(build, chosen), default=0)


def build(lesson: Lesson) -> int:
    """Write one lesson's notebooks, with the outputs that still belong to their cells."""
    for folder, notebook in views(lesson).items():
        path = paths.root() / folder / f"{lesson.slug}.ipynb"
        notebook_file.keep_outputs(notebook, notebook_file.read(path))
        word = "built" if notebook_file.write(notebook, path) else "as it was:"
        print(f"{word} {folder}/{path.name}, {len(notebook.cells)} cells")
    return 0


def check(lesson: Lesson) -> int:
    """How many of the lesson's notebooks differ from what would be built."""
    wrong = 0
    for folder, notebook in views(lesson).items():
        found = notebook_file.differences(notebook, notebook_file.read(paths.root() / folder / f"{lesson.slug}.ipynb"))
        for sentence in found:
            print(f"{folder}/{lesson.slug}.ipynb: {sentence}", file=sys.stderr)
        wrong += bool(found)
    if wrong:
        print(f"Run `course build {lesson.number}` and commit what it writes.", file=sys.stderr)
    return wrong


if __name__ == "__main__":
    from course_lib.cli import main

    sys.exit(main(["build", *sys.argv[1:]]))
