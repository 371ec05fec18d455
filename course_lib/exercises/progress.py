"""`course progress`: the learner's points per exercise, as a table."""

import argparse
from dataclasses import dataclass

from course_lib.exercises import registry, store
from course_lib.exercises.registry import Exercise
from course_lib.exercises.screen import say
from course_lib.exercises.store import CannotSave, Standing

SIGNS = {"passed": "✓", "in part": "◐", "missed": "✗", "not tried": "·"}
_NOTHING = Standing(attempts=0, failures=0, points=0.0, passed=False, hints=0)


@dataclass(frozen=True)
class Line:
    """One exercise and where the learner stands with it."""

    exercise: Exercise
    standing: Standing

    @property
    def status(self) -> str:
        """One of the keys of `SIGNS`. A pass counts for good, also when a later try misses."""
        if self.standing.passed:
            return "passed"
        if not self.standing.attempts:
            return "not tried"
        return "in part" if self.standing.points > 0 else "missed"


def lines(known: dict[str, Standing]) -> dict[str, list[Line]]:
    """All exercises of the course by lesson number, with the learner's standing in each."""
    return {number: [Line(item, known.get(item.id, _NOTHING)) for item in registry.of_lesson(number)]
            for number in registry.lessons()}


def read() -> tuple[dict[str, Standing], str]:
    """The standings, and a sentence when they cannot be read (then they are empty)."""
    try:
        return store.standings(), ""
    except CannotSave as error:
        return {}, f"Your progress could not be read: {error}. Close other notebooks, then run `course doctor`."


def table() -> str:
    """Points, tries and hints per exercise as aligned text, with the sum of each lesson and of all."""
    known, note = read()
    every = lines(known)
    width = max((len(line.exercise.title) for rows in every.values() for line in rows), default=5)
    out = [f"{'':2}{'id':7}{'exercise':{width}}  {'points':>11}  {'tries':>5}  {'hints':>5}"]
    for number, rows in every.items():
        out.append(f"{'':2}{'':7}{'Lesson ' + number:{width}}  {_points(rows):>11}")
        for line in rows:
            item, s = line.exercise, line.standing
            out.append(f"{SIGNS[line.status]:2}{item.id:7}{item.title:{width}}  {_points([line]):>11}  "
                       f"{s.attempts or '':>5}  {s.hints or '':>5}".rstrip())
    whole = [line for rows in every.values() for line in rows]
    out.append(f"{'':2}{'':7}{'All lessons':{width}}  {_points(whole):>11}")
    out.append("  " + "   ".join(f"{sign} {word}" for word, sign in SIGNS.items()))
    return "\n".join([*out, *([note] if note else [])])


def earned(rows: list[Line]) -> tuple[float, float]:
    """Points earned and points to earn."""
    return sum(line.standing.points for line in rows), sum(line.exercise.points for line in rows)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course progress`."""
    parser = subparsers.add_parser("progress", help="your points, exercise by exercise")
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the table."""
    say(table())
    return 0


def _points(rows: list[Line]) -> str:
    have, all_points = earned(rows)
    return f"{have:g} of {all_points:g}"
