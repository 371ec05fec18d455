"""The check engine. A lesson's cases need four names: `exercise`, `Fail`, `close`, `shape_is`.

registry   what an exercise is, and the file of cases of each lesson
compare    close, shape_is and Fail: comparisons that say what differs and why it might
checking   check(...) in a notebook: one learner's function against all cases, safely; show a card, save
hints, mine, expect, progress, store        hint, mine, expect, board and the progress file

The names are looked up when first used: the progress file can be read without loading torch.
"""

from importlib import import_module

_HOMES = {"exercise": "registry", "Fail": "compare", "close": "compare", "shape_is": "compare"}

__all__ = ["Fail", "close", "exercise", "shape_is"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"course_lib.exercises has no {name!r}; cases use {', '.join(__all__)}")
    return getattr(import_module(f"course_lib.exercises.{_HOMES[name]}"), name)
