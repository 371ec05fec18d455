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

from course_lib import atomic, paths, renumbered
from course_lib.exercises.error_messages import in_words, their_line
from course_lib.exercises.registry import Exercise, load
from course_lib.exercises.screen import say
from course_lib.exercises.source_collector import CannotCollect, collect

_SAVED = re.compile(r"^# Saved (\d{4}-\d\d-\d\d \d\d:\d\d)", re.MULTILINE)


def mine(id: str) -> Callable[..., Any]:
    """Your own function for an exercise, if it has passed its check, else the course's; one line says which.

    `bradley_terry_loss = mine("03.1")` is how your code gets into a lesson's run. Taught in lesson 00.

    Raises:
        UnknownExercise: no such exercise; the message names near ones.
    """
    exercise = load(id)
    path = file(id)
    try:
        if id[:2] >= renumbered.NUMBERS[0] and renumbered.pending():
            renumbered.answers()
    except OSError as error:
        return _fall_back(exercise, f"Answers in {path.parent} have numbers of an earlier version of the course and "
                                    f"cannot be renamed: {error}")
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        say(f"{id}: the course's function (yours has not passed its check yet)")
        return exercise.load_reference()
    except (OSError, ValueError) as error:
        return _fall_back(exercise, f"{path} cannot be read: {error}")
    try:
        own = _load(exercise, path, text)
    except KeyboardInterrupt:
        raise
    except BaseException as error:          # also the `exit()` of a file that was edited by hand
        where = their_line(error.__traceback__)
        return _fall_back(exercise, f"{path} does not load: {in_words(error)}" + (f" ({where})" if where else ""))
    say(f"{id}: your own function, saved {_moment(path, text)}")
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
        renumbered.answers()
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, head + source)
    except OSError as error:
        return (f"Your function passed but could not be saved for mine({exercise.id!r}): {path}: "
                f"{error.strerror or error}.")
    return ""


def file(id: str) -> Path:
    """Where the passing answer of an exercise is kept."""
    return paths.my_work() / "answers" / f"{id}.py"


def _fall_back(exercise: Exercise, why: str) -> Callable[..., Any]:
    say(f"{exercise.id}: the course's function, because your own could not be used. {why}. "
        "Run its check again to save yours anew.")
    return exercise.load_reference()


def _load(exercise: Exercise, path: Path, text: str) -> Callable[..., Any]:
    name = f"course_answer_{exercise.id.replace('.', '_')}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module          # so that its classes can be pickled and its source found
    exec(compile(text, str(path), "exec"), module.__dict__)
    return getattr(module, exercise.function)


def _moment(path: Path, text: str) -> str:
    """When the answer was saved, as its own head says: a copied file keeps that, not its time."""
    stamp = _SAVED.search(text)
    return stamp[1] if stamp else datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
