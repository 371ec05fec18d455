"""`check`: run a learner's function against its cases, show a card, save the result."""

import os
from collections.abc import Callable
from typing import Any

from course_lib.exercises import own, report, store
from course_lib.exercises.card import report_card
from course_lib.exercises.card_text import to_write
from course_lib.exercises.fail import Fail
from course_lib.exercises.hints import after_failure, solution
from course_lib.exercises.notebook import in_solutions
from course_lib.exercises.registry import load
from course_lib.exercises.report import Report
from course_lib.exercises.running import run
from course_lib.exercises.screen import show


def check(id: str, fn: Callable[..., Any]) -> None:
    """Check your function: `check("03.2", tie_loss)`. Shows a card and gives nothing back. Taught in lesson 00.

    A pass saves your function for `mine("03.2")`; every run is saved in your progress.

    Raises:
        UnknownExercise: no such exercise; the message names near ones.
        TypeError: `fn` is not a function, for example `tie_loss(r1, r2)` in place of `tie_loss`.
        Fail: the check did not pass and `COURSE_STRICT=1` (tests).
    """
    exercise = load(id)
    if not callable(fn):
        raise TypeError(f"check wants the function itself, without brackets: check({id!r}, {exercise.function}). "
                        f"It was given a value of type {type(fn).__name__}.")
    result = run(exercise, fn)
    if in_solutions():
        step, notes = 0, ["This is the solution notebook: nothing is saved as yours."]
    else:
        notes = [_save(result)]
        step = after_failure(exercise) if result.status == report.FAILED else 0
        if result.status == report.PASSED:
            notes.append(own.save(exercise, fn))
    show(*report_card(result, step, [note for note in notes if note], solution(exercise)))
    if result.status != report.PASSED and os.environ.get("COURSE_STRICT") == "1":
        miss = result.first_miss
        if miss.status == report.UNWRITTEN:
            raise Fail(f"check({id!r}, ...)", mistake=to_write(result))
        raise Fail(miss.call, miss.expected, miss.got, miss.mistake)


def _save(result: Report) -> str:
    """Save the attempt; returns a sentence for the card when that went wrong."""
    exercise = result.exercise
    try:
        return store.add_attempt(
            exercise.id, result.status, result.passed, len(result.outcomes), result.points, exercise.points)
    except store.CannotSave as error:
        return f"This result could not be saved in your progress: {error}. The check itself is not affected."
