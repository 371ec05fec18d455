"""`course progress`: the learner's points per exercise, as a table."""

import argparse

from course_lib.exercises import registry, store


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course progress`."""
    parser = subparsers.add_parser("progress", help="your points, exercise by exercise")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    print(table())
    return 0


def table() -> str:
    """Points per exercise as aligned text."""
    known = store.standings()
    rows = []
    for number in registry.lessons():
        for item in registry.of_lesson(number):
            points = known[item.id].points if item.id in known else 0
            rows.append(f"{item.id:8}{points:g} of {item.points:g}  {item.title}")
    return "\n".join(rows)
