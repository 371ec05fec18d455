"""`check`: run a learner's function against the cases of its exercise, show a card, save the result.

`run` does the first part alone, for the answer matrix and tests; nothing that the function does breaks it. Order of the
wrappers, from outside in: random state, captured output, limits of time and memory, the case, the guard that copies
arguments, the learner's function. `KeyboardInterrupt` passes through all of them.
"""

import os
import sys
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from course_lib.exercises import mine, report, store, unfinished
from course_lib.exercises import report as r
from course_lib.exercises.card import report_card, to_write
from course_lib.exercises.compare import Fail
from course_lib.exercises.describe import describe
from course_lib.exercises.error_messages import (
    advice,
    in_words,
    out_of_memory,
    their_line,
    unwritten,
    unwritten_function,
)
from course_lib.exercises.guard import Guard, Unfinished
from course_lib.exercises.hints import after_failure, solution
from course_lib.exercises.isolation import TimeIsUp, captured, time_limit, undisturbed
from course_lib.exercises.memory_limit import TooMuchMemory, gigabytes, memory_limit
from course_lib.exercises.notebook import in_solutions
from course_lib.exercises.registry import Case, Exercise, load
from course_lib.exercises.report import Outcome, Report
from course_lib.exercises.screen import say, show

NO_WORDS = "Work this call out by hand, then print what your code has on the way: where do the two part?"


def run(exercise: Exercise, fn: Callable[..., Any], announce: Callable[[str], None] = lambda text: None) -> Report:
    """Run `fn` against every case; after one that runs out of time or memory, and after the stub, the rest is skipped.

    A fork of this process that `fn` makes does not come back from here: one attempt stays one.
    A case marked `last` is skipped after any miss, and announced when it runs.
    `fn` may be any callable: a function, a class, or a proxy that calls the learner's code in another process.

    Raises:
        KeyboardInterrupt: the learner interrupted the kernel.
    """
    process = os.getpid()
    try:
        return _run(exercise, fn, announce)
    finally:
        if os.getpid() != process:
            os._exit(0)


def _run(exercise: Exercise, fn: Callable[..., Any], announce: Callable[[str], None]) -> Report:
    outcomes: list[Outcome] = []
    for case in exercise.cases:
        ended = bool(outcomes) and (outcomes[-1].status in (r.STOPPED, r.SKIPPED) or outcomes[0].status == r.UNWRITTEN)
        if ended or (case.last and any(outcome.status != r.PASSED for outcome in outcomes)):
            outcomes.append(Outcome(case.name, r.SKIPPED))
        else:
            if case.last:
                announce(f"Everything before it passed. Now the long one: {case.name} (up to {case.seconds:.0f} "
                         "seconds of computing; the stop button ends it).")
            outcomes.append(run_case(exercise, case, fn))
    return Report(exercise, tuple(outcomes))


def run_case(exercise: Exercise, case: Case, fn: Callable[..., Any], waiting_counts: bool = True) -> Outcome:
    """Run `fn` against one case; `waiting_counts` as in `time_limit`."""
    guard = Guard(fn, exercise.function)
    screen = sys.stdout
    seed = zlib.crc32(f"{exercise.id} {case.name}".encode())
    with undisturbed(seed), captured() as output:
        outcome = _attempt(case, guard, lambda: time_limit(
            case.seconds, lambda text: say(text, screen), lambda: guard.last_call, waiting_counts))
    return replace(outcome, printed=output.text())


def _attempt(case: Case, guard: Guard, limit: Callable[[], Any]) -> Outcome:
    try:
        with memory_limit() as memory, limit():
            case.body(guard)
        return Outcome(case.name, r.PASSED)
    except Fail as fail:
        return Outcome(case.name, r.FAILED, fail.call or guard.last_call, fail.expected, fail.got,
                       fail.mistake or NO_WORDS)
    except TimeIsUp as stop:
        return Outcome(case.name, r.STOPPED, guard.last_call, f"an answer within {case.seconds:g} seconds of computing",
                       "nothing yet: it was stopped", "A loop that never ends, or far too much work? This is the line "
                       "where your code was when its time was up.", their_line(stop.__traceback__, _file(case)))
    except TooMuchMemory as stop:
        return Outcome(case.name, r.STOPPED, guard.last_call, "an answer that fits into the memory",
                       f"nothing yet: it was stopped when it had taken {gigabytes(memory.taken)}",
                       f"{gigabytes(memory.free)} were free, and the machine would have come to a halt. A list that "
                       "grows in a loop without an end, or a far larger shape than you meant? This is the line where "
                       "your code was.", their_line(stop.__traceback__, _file(case)))
    except NotImplementedError as error:
        if not unwritten(error):
            return _raised(case, guard, error)
        return Outcome(case.name, r.UNWRITTEN, where=unwritten_function(error))
    except Unfinished:
        return Outcome(case.name, r.UNWRITTEN)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return _raised(case, guard, error)


def _raised(case: Case, guard: Guard, error: BaseException) -> Outcome:
    """An exception: of the learner's code, or of the case when it could not use what came back."""
    where = their_line(error.__traceback__, _file(case))
    if guard.inside or not guard.calls:
        status = r.STOPPED if out_of_memory(error) else r.FAILED
        return Outcome(case.name, status, guard.last_call, "an answer", in_words(error), advice(error), where)
    if isinstance(error, AttributeError) and type(error.obj).__name__ == guard.__name__:       # what a build made
        return Outcome(case.name, r.FAILED, guard.last_call, f"`{guard.__name__}(...).{error.name}`", "no such name",
                       f"Your `{guard.__name__}` has no `{error.name}`: the page asks for a method of this very name, "
                       "or for an attribute that `__init__` sets.", where)
    words = ("Your function gave None back: is a `return` missing?" if guard.returned is None
             else f"The check could not go on with what your function gave back ({in_words(error)}).")
    return Outcome(case.name, r.FAILED, guard.last_call, "a value that the check can use",
                   describe(guard.returned), words, where)


def _file(case: Case) -> str:
    return case.body.__code__.co_filename


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
    unfinished.tell()                           # before this run, which may end its kernel in the same way
    mark = nullcontext() if in_solutions() else unfinished.running(id)
    with mark:
        result = run(exercise, fn, say)
    step, offer = 0, True
    if in_solutions():
        notes = ["This is the solution notebook: nothing is saved as yours."]
    else:
        notes = [_save(result)]
        if result.status == report.FAILED:
            step, offer = after_failure(exercise)
        if result.status == report.PASSED:
            notes.append(mine.save(exercise, fn))
    show(*report_card(result, step, [note for note in notes if note], solution(exercise), offer))
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
