"""The learner's points: `course progress` as a table, `board` as a bar per lesson and a line per exercise."""

import argparse
from dataclasses import dataclass
from html import escape

from course_lib.exercises import registry, store, unfinished
from course_lib.exercises.card import STYLE
from course_lib.exercises.registry import Exercise
from course_lib.exercises.screen import say, show
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


_STYLE = """<style>
.course-card table.course-board{border-collapse:collapse;margin:.3em 0;font-size:inherit;width:calc(100% - 1.1em);
color:inherit}
.course-card.course-card .course-board :is(th,td){text-align:left;padding:.15em .7em .15em 0;background:none;border:0;
font-weight:400;color:inherit;max-width:none;white-space:normal}
.course-card.course-card .course-board tr{background:none}
.course-card .course-board{table-layout:fixed}
.course-card.course-card .course-board th[scope=col]{color:var(--cc-calm)}
.course-card .course-board :is(th,td):nth-child(2){width:7em}
.course-card .course-board :is(th,td):nth-child(3){width:5em}
.course-card .course-board :is(th,td):nth-child(n+4){width:3em}
.course-card.course-card .course-board .course-number{text-align:right;white-space:nowrap}
.course-card .course-lesson{display:inline-flex;align-items:center;gap:.8em;width:calc(100% - 2em)}
.course-card .course-lesson>:first-child{flex:0 0 6em}.course-card .course-lesson>:last-child{flex:0 0 9em;
text-align:right}
.course-card .course-bar{display:block;flex:1;height:.8em;border:1px solid var(--cc-calm);border-radius:2px}
.course-card .course-bar>span{display:block;height:100%;background:var(--cc-good)}
.course-card .course-board .s-passed{color:var(--cc-good);font-weight:700}
.course-card .course-board :is(.s-missed,.s-in-part){color:var(--cc-miss);font-weight:700}
</style>"""


def board() -> None:
    """Show your points: a bar per lesson, and below it each exercise with its status, tries and hints. In lesson 00."""
    unfinished.tell()
    known, note = read()
    show(html(known, note), table())


def html(known: dict[str, Standing], note: str) -> str:
    """The board as HTML. `note` is a sentence at its end, or empty."""
    every = lines(known)
    have, most = earned([line for rows in every.values() for line in rows])
    parts = [f'<p class="course-head"><span class="course-title">Your progress</span> '
             f'<span class="course-points">{have:g} of {most:g} points</span></p>']
    parts += [_lesson(number, rows) for number, rows in every.items()]
    if note:
        parts.append(f'<p class="course-line">{escape(note)}</p>')
    return f'{STYLE}{_STYLE}<div class="course-card course-passed" role="status">{"".join(parts)}</div>'


def _lesson(number: str, rows: list[Line]) -> str:
    have, most = earned(rows)
    share = 100 * have / most if most else 0
    opened = " open" if 0 < have < most else ""
    exercises = "".join(_exercise(line) for line in rows)
    return (f'<details{opened}><summary><span class="course-lesson"><span>Lesson {number}:</span> '
            f'<span class="course-bar" aria-hidden="true"><span style="width:{share:.0f}%"></span></span> '
            f'<span>{have:g} of {most:g} points</span></span></summary>'
            '<table class="course-board"><tr><th scope="col">Exercise</th><th scope="col">Status</th>'
            '<th scope="col" class="course-number">Points</th><th scope="col" class="course-number">Tries</th>'
            f'<th scope="col" class="course-number">Hints</th></tr>{exercises}</table></details>')


def _exercise(line: Line) -> str:
    item, s, status = line.exercise, line.standing, line.status
    return (f'<tr><th scope="row">{item.id} {escape(item.title)}</th>'
            f'<td><span class="s-{status.replace(" ", "-")}"><span aria-hidden="true">{SIGNS[status]}</span> {status}'
            f'</span></td><td class="course-number">{s.points:g} of {item.points:g}</td>'
            f'<td class="course-number">{s.attempts}</td><td class="course-number">{s.hints}</td></tr>')
