"""The check engine. A lesson's checks need `exercise`, `Fail`, `close`, `shape_is`, `agrees` and `differentiable`.

registry   what an exercise is, and which ones there are
lesson_checks   the file of checks of each lesson, and how it is imported
compare    close, shape_is and Fail: comparisons that say what differs and why it might
differences   any two values, part by part
agree      agrees: the learner's function beside the course's own, on random inputs (draws)
gradient   differentiable: its gradient beside the course's
checking   check(...) in a notebook: one learner's function against all cases, safely; show a card, save
hints, mine, expect, progress, store        hint, mine, expect, board and the progress file

The names are looked up when first used: the progress file can be read without loading torch.
"""

from importlib import import_module

_HOMES = {"exercise": "registry", "Fail": "compare", "close": "compare", "shape_is": "compare", "agrees": "agree",
          "differentiable": "gradient", "beside": "draws", "difference": "differences", "apart": "differences",
          "likely_values": "differences"}

__all__ = ["Fail", "agrees", "apart", "beside", "close", "difference", "differentiable", "exercise", "likely_values",
           "shape_is"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"course_lib.exercises has no {name!r}; checks use {', '.join(__all__)}")
    return getattr(import_module(f"course_lib.exercises.{_HOMES[name]}"), name)
