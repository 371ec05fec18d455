"""Run one function against the cases of one exercise. Nothing that the function does breaks the run.

Order of the wrappers, from outside in: random state, captured output, time limit, the case, the guard that copies
arguments, the learner's function. `KeyboardInterrupt` passes through all of them.
"""

import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from course_lib.exercises import report as r
from course_lib.exercises.describe import describe
from course_lib.exercises.fail import Fail
from course_lib.exercises.guard import Guard, Unfinished
from course_lib.exercises.registry import Case, Exercise
from course_lib.exercises.report import Outcome, Report
from course_lib.exercises.screen import say
from course_lib.exercises.surroundings import captured, undisturbed
from course_lib.exercises.timelimit import TimeIsUp, time_limit
from course_lib.exercises.trouble import advice, in_words, their_line, unwritten, unwritten_function


def run(exercise: Exercise, fn: Callable[..., Any]) -> Report:
    """Run `fn` against every case; after one that runs out of time, and after the bare stub, the rest is skipped.

    `fn` may be any callable: a function, a class, or a proxy that calls the learner's code in another process.

    Raises:
        KeyboardInterrupt: the learner interrupted the kernel.
    """
    outcomes: list[Outcome] = []
    for case in exercise.cases:
        if outcomes and (outcomes[-1].status in (r.STOPPED, r.SKIPPED) or outcomes[0].status == r.UNWRITTEN):
            outcomes.append(Outcome(case.name, r.SKIPPED))
        else:
            outcomes.append(run_case(exercise, case, fn))
    return Report(exercise, tuple(outcomes))


def run_case(exercise: Exercise, case: Case, fn: Callable[..., Any]) -> Outcome:
    """Run `fn` against one case."""
    guard = Guard(fn, exercise.function)
    screen = sys.stdout
    seed = zlib.crc32(f"{exercise.id} {case.name}".encode())
    with undisturbed(seed), captured() as output:
        outcome = _attempt(case, guard, lambda: time_limit(
            case.seconds, lambda text: say(text, screen), lambda: guard.last_call))
    return replace(outcome, printed=output.text())


def _attempt(case: Case, guard: Guard, limit: Callable[[], Any]) -> Outcome:
    try:
        with limit():
            case.body(guard)
        return Outcome(case.name, r.PASSED)
    except Fail as fail:
        return Outcome(case.name, r.FAILED, fail.call or guard.last_call, fail.expected, fail.got, fail.mistake)
    except TimeIsUp as stop:
        return Outcome(case.name, r.STOPPED, guard.last_call, f"an answer within {case.seconds:g} seconds of computing",
                       "nothing yet: it was stopped", "A loop that never ends, or far too much work? This is the line "
                       "where your code was when its time was up.", their_line(stop.__traceback__, _file(case)))
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
        return Outcome(case.name, r.FAILED, guard.last_call, "an answer", in_words(error), advice(error), where)
    words = ("Your function gave None back: is a `return` missing?" if guard.returned is None
             else f"The check could not go on with what your function gave back ({in_words(error)}).")
    return Outcome(case.name, r.FAILED, guard.last_call, "a value that the check can use",
                   describe(guard.returned), words, where)


def _file(case: Case) -> str:
    return case.body.__code__.co_filename
