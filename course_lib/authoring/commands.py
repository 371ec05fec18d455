"""`course build` and `course answers`: what an author types."""

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from course_lib.authoring import build
from course_lib.authoring.source import Lesson, lessons

CELL_SECONDS = 900
JOBS = min(os.cpu_count() or 1, 4)


@dataclass(frozen=True)
class Looked:
    """What `course answers` says about one lesson."""

    lesson: str             # 03
    text: str               # the matrix
    faults: int
    counts: tuple[int, int, int]        # mutants made, killed, excused


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course build` and `course answers` to the command line."""
    parser = subparsers.add_parser("build", help="for authors: lessons/ into notebooks/, exercises/, solutions/")
    parser.add_argument("lessons", nargs="*", metavar="NN",
                        help="lesson numbers, or `classroom` for the teacher's notebook; all when none is given")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="write nothing; exit 1 when a notebook differs")
    what.add_argument("--execute", action="store_true", help="also run notebooks and solutions and store their outputs")
    parser.add_argument("--timeout", type=int, default=CELL_SECONDS, metavar="SECONDS",
                        help=f"with --execute: the longest a cell may run (default {CELL_SECONDS})")
    parser.set_defaults(run=build.run)

    parser = subparsers.add_parser("answers", help="for authors: right and wrong answers against every check")
    parser.add_argument("lessons", nargs="*", metavar="NN",
                        help="lessons or exercises, 03 or 03.2 (default: all lessons)")
    parser.add_argument("--jobs", type=int, default=JOBS, metavar="N",
                        help="lessons looked at side by side, each in a process of its own (default: %(default)s)")
    parser.set_defaults(run=show_matrix)


def show_matrix(arguments: argparse.Namespace) -> int:
    """`course answers [NN ...]`: print the matrix of the lessons; 1 when something in it is not as it must be."""
    from course_lib.authoring import answer_matrix

    words = arguments.lessons
    asked = [lesson for lesson in lessons(list(dict.fromkeys(word.partition(".")[0] for word in words)))
             if words or answer_matrix.wanted(lesson)]
    faults, counts = 0, []
    for looked in _side_by_side([(lesson, _only(lesson, words)) for lesson in asked], arguments.jobs):
        print(looked.text, flush=True)
        faults += looked.faults
        counts.append((looked.lesson, *looked.counts))
    print("mutants  made  killed  excused")
    for row in (*counts, ("all", *(sum(column) for column in zip(*(row[1:] for row in counts), strict=True)))):
        print("{:7}{:6}{:8}{:9}".format(*row))
    print(f"{answer_matrix.count(faults, 'fault')}." if faults else "Every answer gets what it should.")
    return 1 if faults else 0


def _only(lesson: Lesson, words: Sequence[str]) -> list[str]:
    """The exercises of a lesson that were named; none means all of them."""
    whole = {lesson.number, lesson.number.lstrip("0"), lesson.slug}.intersection(words)
    return [] if whole else [word for word in words if "." in word and word.startswith(lesson.number)]


def _side_by_side(asked: Sequence[tuple[Lesson, list[str]]], jobs: int) -> Iterator[Looked]:
    """Look at lessons in up to `jobs` processes, those with the most answers first; in the order asked for."""
    if min(jobs, len(asked)) <= 1:
        yield from (_look(lesson, only) for lesson, only in asked)
        return
    longest_first = sorted(asked, key=lambda each: _answers(each[0]), reverse=True)
    with ProcessPoolExecutor(min(jobs, len(asked)), get_context("spawn"), _one_thread) as pool:
        waiting = {lesson.number: pool.submit(_look, lesson, only) for lesson, only in longest_first}
        yield from (waiting[lesson.number].result() for lesson, _ in asked)


def _answers(lesson: Lesson) -> int:
    path = lesson.folder / "answers.py"
    return path.stat().st_size if path.exists() else 0


def _look(lesson: Lesson, only: Sequence[str]) -> Looked:
    from course_lib.authoring import answer_matrix

    matrix = answer_matrix.of(lesson, only)
    return Looked(lesson.number, matrix.text(), len(matrix.faults), matrix.counts)


def _one_thread() -> None:
    """Before torch is imported: processes side by side do not fight for the cores."""
    os.environ["OMP_NUM_THREADS"] = "1"
