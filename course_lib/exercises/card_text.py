"""The words of a card, and the card as plain text for terminals, tests and readers without HTML."""

from collections.abc import Sequence

from course_lib.exercises import report as r
from course_lib.exercises.registry import Exercise
from course_lib.exercises.report import Outcome, Report

HEADS = {r.PASSED: ("✓", "passed"), r.FAILED: ("✗", "not yet"), r.UNWRITTEN: ("✎", "not written yet")}
_MARKS = {r.PASSED: "✓", r.SKIPPED: "–"}


def report_text(result: Report, step: int, notes: Sequence[str], solution: str) -> str:
    """The card of a run as plain text; see `card.report_card` for the arguments."""
    exercise, status = result.exercise, result.status
    mark, word = HEADS[status]
    lines = [f"{mark} {exercise.id} {exercise.title}: {word}, {score(result)}"]
    if status == r.UNWRITTEN:
        lines.append(f"  {to_write(result)}")
    if status == r.FAILED:
        miss = result.first_miss
        lines += _in_full(miss, keeps_secret(result, step))
        others = [outcome for outcome in result.outcomes if outcome is not miss]
        lines += [f"  {_MARKS.get(outcome.status, '✗')} {outcome.case}" for outcome in others]
    if result.printed.strip():
        lines += [f"  {printed_title(result)}:", *(f"    | {line}" for line in result.printed.rstrip().splitlines())]
    if status == r.FAILED:
        steps = len(exercise.hints)
        lines += [f"  Hint {i + 1} of {steps}: {exercise.hints[i]}" for i in range(min(step, steps))]
        lines.append(f"  {solution_text(solution) if step > steps else again(exercise, step)}")
    return "\n".join(lines + [f"  {note}" for note in notes])


def to_write(result: Report) -> str:
    """What to do about a stub."""
    function, name = result.exercise.function, result.first_miss.where
    if not name:
        return f"Put your answer in place of each `...` in `{function}`, run its cell, then this one."
    if name != function:
        return f"Your `{function}` uses `{name}`, which is not written yet. Write it, run its cell, then this one."
    return (f"Write the body of `{function}` in place of `raise NotImplementedError`, run its cell, then this one. "
            f"It takes about {result.exercise.minutes} minutes.")


def partly_unwritten(miss: Outcome) -> str:
    """What to do when a function is written for some cases only."""
    return f"`{miss.where}` is not written yet." if miss.where else "There is still a `...` to replace."


def again(exercise: Exercise, step: int) -> str:
    """How to get the next hint."""
    steps = len(exercise.hints)
    following = "the solution" if step == steps else "the first hint" if step == 0 else f"hint {step + 1}"
    opens = f'`hint("{exercise.id}")` in a cell shows {following}'
    return f"Stuck? {opens}; so does the next try that misses." if step else f"Stuck? {opens}. It costs no points."


def solution_text(solution: str) -> str:
    """The way to the solution."""
    return f"The worked solution is in {solution}. Read it, close it, and write it again in your own words."


def score(result: Report) -> str:
    """`1 of 4 cases, 0.5 of 2 points`; without the cases when all passed."""
    points = f"{result.points:g} of {result.exercise.points:g} point{'s' * (result.exercise.points != 1)}"
    count = len(result.outcomes)
    cases = f"{result.passed} of {count} case{'s' * (count != 1)}, " if result.status == r.FAILED else ""
    return cases + points


def printed_title(result: Report) -> str:
    """How much was printed."""
    count = len(result.printed.strip().splitlines())
    return f"Your code printed {count} line{'s' * (count != 1)}"


def facts(miss: Outcome, secret: bool) -> list[tuple[str, str]]:
    """The rows of a case that missed, in order: what was called, expected, got, and where; empty ones left out."""
    rows = (("You called", miss.call), ("Expected", "" if secret else miss.expected), ("Got", miss.got),
            ("In your code", miss.where))
    return [(name, text) for name, text in rows if text]


def keeps_secret(result: Report, step: int) -> bool:
    """Whether the expected value stays hidden: it would give a prediction away, until the hints are used up."""
    return result.exercise.kind == "predict" and step <= len(result.exercise.hints)


def _in_full(miss: Outcome, secret: bool) -> list[str]:
    if miss.status == r.UNWRITTEN:
        return [f"  {miss.case}", f"    {partly_unwritten(miss)}"]
    lines = [f"    {name:13}{text}" for name, text in facts(miss, secret)]
    return [f"  {miss.case}", *lines, *([f"    → {miss.mistake}"] if miss.mistake else [])]
