"""The hint ladder: three steps, then the way to the solution. A step opens when it is asked for.

From the second miss on the card says how to ask.

Asking is free: a hint is recorded so that the board can show it, and costs no points.
"""

from course_lib import paths
from course_lib.exercises import store
from course_lib.exercises.card import hint_card
from course_lib.exercises.registry import Exercise, load
from course_lib.exercises.screen import show

STEPS = 3
OFFERED = 2         # misses after which the card says how to ask

_failures: dict[str, int] = {}      # what this kernel saw, for when the progress file cannot be used
_opened: dict[str, int] = {}


def hint(id: str) -> None:
    """Show the next hint of an exercise: `hint("03.2")`. After the third it shows the way to the solution.

    Raises:
        UnknownExercise: no such exercise; the message names near ones.
    """
    exercise = load(id)
    step = min(opened(id) + 1, STEPS + 1)
    _remember(id, step)
    show(*hint_card(exercise, step, solution(exercise)))


def after_failure(exercise: Exercise) -> tuple[int, bool]:
    """Count one failed attempt; returns the steps that were asked for (4: the solution) and whether to offer one."""
    _failures[exercise.id] = _failures.get(exercise.id, 0) + 1
    try:
        failures = max(store.standing(exercise.id).failures, _failures[exercise.id])
    except store.CannotSave:
        failures = _failures[exercise.id]
    return opened(exercise.id), failures >= OFFERED


def opened(id: str) -> int:
    """The highest step of the ladder that was opened so far."""
    try:
        return max(store.standing(id).hints, _opened.get(id, 0))
    except store.CannotSave:
        return _opened.get(id, 0)


def solution(exercise: Exercise) -> str:
    """The solution notebook, seen from the exercise notebook: `../solutions/03_bradley_terry.ipynb`.

    Empty in a copy of the course that holds the solutions back (`course classroom init --private-solutions`).
    """
    if (paths.root() / ".solutions_held_back").exists():
        return ""
    folder = next(iter(sorted((paths.root() / "lessons").glob(f"{exercise.lesson}_*"))), None)
    return f"../solutions/{folder.name}.ipynb" if folder else "../solutions/"


def _remember(id: str, step: int) -> None:
    _opened[id] = max(step, _opened.get(id, 0))
    try:
        store.add_hint(id, step, "asked")
    except store.CannotSave:
        return
