"""What an exercise is, and which ones there are."""

import difflib
import importlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from course_lib.errors import CourseError
from course_lib.exercises import lesson_checks

KINDS = ("implement", "predict", "bug", "build")


class UnknownExercise(CourseError, LookupError):
    """No exercise has this id; the message lists near ones."""


@dataclass(frozen=True)
class Case:
    """One question: `body` takes the learner's function, calls it, and raises `Fail` when the answer is wrong."""

    name: str                                   # a finding in words: "equal scores cost log 2"
    body: Callable[[Callable[..., Any]], None]
    seconds: float                              # limit of the whole case, in seconds of computing
    given: bool = False                         # the code that is given passes it already: it earns nothing by itself
    last: bool = False                          # a long one, tried only when every case before it passed


@dataclass
class Exercise:
    """One exercise of a lesson. Made by `exercise(...)` in the lesson's file of checks."""

    id: str                     # "03.2": lesson 03, second exercise
    title: str
    function: str               # the name that the learner defines
    points: float               # for all cases; a part of them earns its share
    kind: str                   # implement | predict (what a run will give) | bug (find the silent one) | build (whole)
    difficulty: int             # 1 to 3
    importance: int             # 1 to 3
    minutes: int                # for a learner who read the lesson
    reference: str              # "package.module:name", the course's own answer, which `mine` falls back to
    hints: tuple[str, str, str]     # gentle, plainer, almost the code
    cases: list[Case] = field(default_factory=list)

    def case(self, name: str, *, seconds: float = 5.0, given: bool = False,
             last: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Add a case.

        Args:
            name: says in words what must hold.
            seconds: of computing, its limit.
            given: in a find-the-bug exercise: the faulty code passes this case already. It earns no points; breaking it
                costs the share of one case.
            last: a run that takes long, tried only when every case before it passed; the learner is told that it runs.
        """
        if any(case.name == name for case in self.cases):
            raise ValueError(f"exercise {self.id} has two cases named {name!r}")

        def add(body: Callable[..., None]) -> Callable[..., None]:
            self.cases.append(Case(name, body, seconds, given, last))
            return body

        return add

    @property
    def lesson(self) -> str:
        """The lesson's number with two digits."""
        return self.id[:2]

    def load_reference(self) -> Callable[..., Any]:
        """The course's own function."""
        module, _, name = self.reference.partition(":")
        return getattr(importlib.import_module(module), name)


_exercises: dict[str, Exercise] = {}
_homes: dict[str, str] = {}         # exercise id -> module that defined it


def exercise(
    id: str, *, title: str, function: str, points: float, kind: str, difficulty: int, importance: int, minutes: int,
    reference: str, hints: tuple[str, str, str],
) -> Exercise:
    """Define an exercise in `lessons/NN_slug/checks.py`; add cases with `.case("what must hold")`.

    Args:
        reference: where the course's own answer is, `package.module:name`, or `checks:name` in the calling file itself.

    Raises:
        ValueError: a field is not what the engine can use; the message says which.
    """
    problems = [text for wrong, text in (
        (not re.fullmatch(r"\d\d\.\d+", id), "the id must look like 03.2"),
        (kind not in KINDS, f"kind must be one of {', '.join(KINDS)}"),
        (len(hints) != 3 or "" in hints, "the hint ladder has three steps"),
        (not function.isidentifier(), "function must be a Python name"),
        (points <= 0 or minutes <= 0, "points and minutes must be positive"),
        (difficulty not in (1, 2, 3) or importance not in (1, 2, 3), "difficulty and importance go from 1 to 3"),
        (":" not in reference, "reference must look like package.module:name, or checks:name for one in the same file"),
    ) if wrong]
    if problems:
        raise ValueError(f"exercise {id!r}: {'; '.join(problems)}")
    home = sys._getframe(1).f_globals.get("__name__", "")
    if _homes.get(id, home) != home:
        raise ValueError(f"exercise {id} is defined in {_homes[id]} and again in {home}")
    module, _, name = reference.partition(":")
    reference = f"{home if module == 'checks' else module}:{name}"
    made = Exercise(id, title, function, points, kind, difficulty, importance, minutes, reference, tuple(hints))
    _exercises[id], _homes[id] = made, home
    return made


def lessons() -> list[str]:
    """Numbers of the lessons that have a file of checks, in order."""
    return list(lesson_checks.files())


def of_lesson(number: str) -> list[Exercise]:
    """The exercises of one lesson, in order. `number` has two digits."""
    lesson_checks.module(number)
    return sorted((item for item in _exercises.values() if item.lesson == number), key=lambda item: int(item.id[3:]))


def load(id: str) -> Exercise:
    """The exercise with this id; reads its lesson's file of checks first.

    Raises:
        UnknownExercise: no such exercise; the message names near ones.
    """
    known = lessons()
    if isinstance(id, str) and id[:2] in known and id[2:3] == ".":
        found = {item.id: item for item in of_lesson(id[:2])}
        if id in found:
            return found[id]
    raise UnknownExercise(f"There is no exercise {id!r}. {_advice(str(id))}")


def _advice(id: str) -> str:
    """Near ids, or what there is."""
    every = {item.id: item for number in lessons() for item in of_lesson(number)}
    near = difflib.get_close_matches(id, every, n=3, cutoff=0.5)
    parts = re.fullmatch(r"(\d{1,2})\D(\d*)", id)
    if parts:
        lesson = parts[1].zfill(2)
        near.sort(key=lambda key: key != f"{lesson}.{parts[2]}")
        same = [key for key in every if key.startswith(lesson)]
        if same and near[:1] != [f"{lesson}.{parts[2]}"]:
            return f"Lesson {lesson} has {', '.join(same)}."
    if near:
        return f"Did you mean {' or '.join(f'{key!r} ({every[key].title})' for key in near)}?"
    return f"Lessons with exercises: {', '.join(lessons()) or 'none yet'}."
