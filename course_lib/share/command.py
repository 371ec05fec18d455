"""`course share`: write the page, say what is in it, and ask the learner to look before giving it away."""

import argparse
from datetime import date
from pathlib import Path

from course_lib import atomic, paths
from course_lib.errors import CourseError, printable
from course_lib.exercises.screen import say

MAX_NAME = 80                           # characters
NOTHING = ("There is nothing to show yet: no exercise was tried, no pair labelled and no agent trained from labels. "
           "Open a lesson with `course lab` first; in lesson 00 you label ten pairs within minutes.")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course share`."""
    parser = subparsers.add_parser(
        "share", help="one page of what you did, to show to others", description="Write one HTML page of what you did: "
        "points, numbers of labels, films of your agents, answers of your language model. No name, no path, nothing "
        "that you typed is in it, unless you ask for it.")
    parser.add_argument("--name", default="", help="put this name on the page; without it there is none")
    parser.add_argument("--run-names", action="store_true", help="show the names that you gave to runs of your own")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to (default: my_work/shared/, a new file)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the page. Raises CourseError when there is nothing to show, or the file is there already."""
    from course_lib.share import films, findings, page

    name = " ".join(arguments.name.split())
    if len(name) > MAX_NAME:
        raise CourseError(f"A name of {len(name)} characters does not fit: use at most {MAX_NAME}.")
    if arguments.out and arguments.out.exists():
        raise CourseError(f"{arguments.out} is there already and was not touched. Give another name with --out.")
    titles = findings.Titles(arguments.run_names)
    found = findings.gather(titles)
    for sentence in found.left_out:
        say(printable(sentence))
    trained = list(films.trained_runs(lambda sentence: say(printable(sentence))))
    if not (found.tried or found.labels or trained):
        raise CourseError(NOTHING)
    content = page.html(page.Page(found, trained, titles, date.today(), name)).encode()
    path = written(content, arguments.out)
    say(f"{path}: {len(content) / 1e6:.1f} MB. Open it in a browser and look at it before you give it away.")
    say(f"It says your name, {name}." if name else "It names nobody; --name \"...\" puts a name on it.")
    return 0


def written(content: bytes, out: Path | None) -> Path:
    """Write the page to `out`, or to the first free name in my_work/shared; returns where it is."""
    if out:
        with atomic.in_a_sentence(out):
            atomic.create(out, content)
        return out
    folder = paths.my_work() / "shared"
    with atomic.in_a_sentence(folder):
        return atomic.create_next(lambda n: folder / f"my-course{'' if n == 1 else f'-{n}'}.html", content)
