"""The card that a check shows, as HTML and as plain text."""

from html import escape

from course_lib.exercises import report as r
from course_lib.exercises.registry import Exercise
from course_lib.exercises.report import Report


def report_card(result: Report, step: int, notes: list[str], solution: str) -> tuple[str, str]:
    exercise = result.exercise
    lines = [f"{result.status} {exercise.id} {exercise.title}: {result.points:g} of {exercise.points:g} points"]
    for outcome in result.outcomes:
        lines.append(f"  {outcome.status} {outcome.case}")
        if outcome.status not in (r.PASSED, r.SKIPPED, r.UNWRITTEN):
            keys = ("call", "expected", "got", "mistake", "where")
            lines += [f"      {key}: {getattr(outcome, key)}" for key in keys if getattr(outcome, key)]
    lines += [f"Hint {i + 1}: {exercise.hints[i]}" for i in range(min(step, 3))] + notes
    text = "\n".join(lines)
    return f"<pre>{escape(text)}</pre>", text


def hint_card(exercise: Exercise, step: int, solution: str) -> tuple[str, str]:
    text = f"Hint {step} of 3: {exercise.hints[step - 1]}" if step <= 3 else f"Solution: {solution}"
    return f"<p>{escape(text)}</p>", text
