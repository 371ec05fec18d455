"""`mine`: the learner's own passing function for a lesson's run, or the course's.

`check` saves a passing function with everything of the notebook that it needs as `my_work/answers/03.1.py`.
"""

import importlib.util
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from course_lib import atomic, paths
from course_lib.exercises.harvest import CannotCollect, collect
from course_lib.exercises.registry import Exercise, load
from course_lib.exercises.screen import say
from course_lib.exercises.trouble import in_words, their_line

_SAVED = re.compile(r"^# Saved (\d{4}-\d\d-\d\d \d\d:\d\d)", re.MULTILINE)


def mine(id: str) -> Callable[..., Any]:
    """Your own function for an exercise, if it has passed its check, else the course's; one line says which.

    `bradley_terry_loss = mine("03.1")` is how your code gets into a lesson's run. Taught in lesson 00.

    Raises:
        UnknownExercise: no such exercise; the message names near ones.
    """
    exercise = load(id)
    path = file(id)
    if not path.exists():
        say(f"{id}: the course's function (yours has not passed its check yet)")
        return exercise.load_reference()
    try:
        own, saved = _load(exercise, path)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        where = their_line(error.__traceback__)
        say(f"{id}: the course's function, because yours in {path} could not be loaded: {in_words(error)}"
            + (f" ({where})" if where else "") + ". Run its check again to save it anew.")
        return exercise.load_reference()
    say(f"{id}: your own function, saved {saved}")
    return own


def save(exercise: Exercise, fn: Callable[..., Any]) -> str:
    """Save a passing function's source for `mine`; returns the sentence for the card."""
    try:
        source = collect(fn, exercise.function)
    except CannotCollect as error:
        return f"Your function passed but could not be saved for mine({exercise.id!r}): {error}"
    moment = datetime.now().strftime("%Y-%m-%d %H:%M")
    head = (f"# Exercise {exercise.id}, {exercise.title}: your own answer.\n"
            f"# Saved {moment}, when it passed its check.\n\n")
    path = file(exercise.id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, head + source)
    except OSError as error:
        return f"Your function passed but could not be saved for mine({exercise.id!r}): {path}: {error.strerror}."
    return ""


def file(id: str) -> Path:
    """Where the passing answer of an exercise is kept."""
    return paths.my_work() / "answers" / f"{id}.py"


def _load(exercise: Exercise, path: Path) -> tuple[Callable[..., Any], str]:
    name = f"course_answer_{exercise.id.replace('.', '_')}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module          # so that its classes can be pickled and its source found
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
    found = getattr(module, exercise.function)
    stamp = _SAVED.search(path.read_text(encoding="utf-8"))
    changed = datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
    return found, stamp[1] if stamp else changed
