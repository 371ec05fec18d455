"""`course build` and `course answers`: what an author types."""

import argparse

from course_lib.authoring import build
from course_lib.authoring.source import lessons

CELL_SECONDS = 900


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course build` and `course answers` to the command line."""
    parser = subparsers.add_parser("build", help="for authors: lessons/ into notebooks/, exercises/, solutions/")
    parser.add_argument("lessons", nargs="*", metavar="NN", help="lesson numbers; all lessons when none is given")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="write nothing; exit 1 when a notebook differs")
    what.add_argument("--execute", action="store_true", help="also run notebooks and solutions and store their outputs")
    parser.add_argument("--timeout", type=int, default=CELL_SECONDS, metavar="SECONDS",
                        help=f"with --execute: the longest a cell may run (default {CELL_SECONDS})")
    parser.set_defaults(run=build.run)

    parser = subparsers.add_parser("answers", help="for authors: right and wrong answers against every check")
    parser.add_argument("lessons", nargs="*", metavar="NN",
                        help="lessons or exercises, 03 or 03.2 (default: all lessons)")
    parser.set_defaults(run=show_matrix)


def show_matrix(arguments: argparse.Namespace) -> int:
    """`course answers [NN ...]`: print the matrix of the lessons; 1 when something in it is not as it must be."""
    from course_lib.authoring import answer_matrix

    faults, counts = 0, []
    only = [word for word in arguments.lessons if "." in word]
    for lesson in lessons(list(dict.fromkeys(word.partition(".")[0] for word in arguments.lessons))):
        if arguments.lessons or answer_matrix.wanted(lesson):
            whole = not {lesson.number, lesson.number.lstrip("0"), lesson.slug}.isdisjoint(arguments.lessons)
            matrix = answer_matrix.of(lesson, () if whole else [id for id in only if id.startswith(lesson.number)])
            print(matrix.text())
            faults += len(matrix.faults)
            counts.append((lesson.number, *matrix.counts))
    print("mutants  made  killed  excused")
    for row in (*counts, ("all", *(sum(column) for column in zip(*(row[1:] for row in counts), strict=True)))):
        print("{:7}{:6}{:8}{:9}".format(*row))
    print(f"{answer_matrix.count(faults, 'fault')}." if faults else "Every answer gets what it should.")
    return 1 if faults else 0
