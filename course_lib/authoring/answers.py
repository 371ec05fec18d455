"""Right answers in other words and plausible wrong ones: how an author proves that a lesson's checks teach.

`lessons/NN_slug/answers.py` lists them with two decorators, and excuses mechanical mutants (mutants.py) that are right:

    @wrong("03.2", says="equally likely")           # a text that the likely-mistake line of the card must hold
    def ignores_ties(r1, r2): ...

    @right("03.2")
    def with_a_loop(r1, r2): ...

    excused("03.2", "mu > 0 → mu >= 0", because="no verdict has mu 0 there")

`course answers [NN]` runs them all and prints the matrix (answer_matrix.py).
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

Function = Callable[..., Any]


@dataclass(frozen=True)
class Answer:
    """One answer of `answers.py`; `says` is None for a right one."""

    exercise: str
    fn: Function
    says: str | None

    @property
    def name(self) -> str:
        """The function's own name, which says what it does or gets wrong."""
        return self.fn.__name__


@dataclass(frozen=True)
class Excuse:
    """A mutant of a solution that no case can tell from it, or need not."""

    exercise: str
    mutant: str
    because: str


DETACHED = "the answer → the answer, detached"      # a mutant of every answer in torch, also where nothing trains

_listed: list[Answer] = []
_excuses: list[Excuse] = []


def right(exercise: str) -> Callable[[Function], Function]:
    """List a right answer, written in other words than the solution: it must pass."""
    return _lister(exercise, None)


def wrong(exercise: str, *, says: str) -> Callable[[Function], Function]:
    """List a wrong answer: it must fail, and the first case it fails must say `says` in its likely-mistake line."""
    if not says.strip():
        raise ValueError(f"exercise {exercise}: `says` is the text that a wrong answer's message must hold")
    return _lister(exercise, says)


def excused(exercise: str, *mutants: str, because: str) -> None:
    """Excuse mutants of the solution, by the names that `course answers` prints: they may pass every case."""
    if not because.strip():
        raise ValueError(f"exercise {exercise}: an excuse gives its reason")
    _excuses.extend(Excuse(exercise, mutant, because) for mutant in mutants)


def _lister(exercise: str, says: str | None) -> Callable[[Function], Function]:
    def add(fn: Function) -> Function:
        _listed.append(Answer(exercise, fn, says))
        return fn

    return add


def read(path: Path) -> tuple[list[Answer], list[Excuse]]:
    """The answers and the excuses that the file at `path` lists, and `build_answers.py` beside it, in order."""
    _listed.clear()
    _excuses.clear()
    for file in filter(Path.is_file, (path, path.with_name("build_answers.py"))):
        module = ModuleType(f"{file.stem}_{path.parent.name}")
        module.__file__ = str(file)
        sys.modules[module.__name__] = module
        exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), module.__dict__)
    return list(_listed), list(_excuses)
