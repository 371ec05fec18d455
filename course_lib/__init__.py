"""RLHF from the first reward to a language model: the code behind the lessons.

Notebooks need these names only: `from course_lib import check, hint, mine, expect, budget, board`.
They are looked up when first used, so that importing `course_lib` costs nothing.
"""

from importlib import import_module

from course_lib.budget import budget  # at once: the module of that name would otherwise hide the function

_HOMES = {
    "check": "course_lib.exercises.checking",
    "hint": "course_lib.exercises.hints",
    "mine": "course_lib.exercises.mine",
    "expect": "course_lib.exercises.expect",
    "board": "course_lib.exercises.progress",
}

__all__ = ["board", "budget", "check", "expect", "hint", "mine"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"course_lib has no {name!r}; notebooks use {', '.join(__all__)}")
    if name == "check":         # the first cell of a notebook is the first one after a kernel that died
        import_module("course_lib.exercises.unfinished").tell()
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
