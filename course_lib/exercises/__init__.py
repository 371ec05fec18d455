"""The check engine. A lesson's cases need four names: `exercise`, `Fail`, `close`, `shape_is`.

registry   what an exercise is, and the file of cases of each lesson
compare    close and shape_is: comparisons that say what differs and why it might
running    one learner's function against all cases, safely
checking   check(...) in a notebook: run, show a card, save
hints, own, claims, scoreboard, store       hint, mine, expect, board and the progress file
"""

from course_lib.exercises.compare import close, shape_is
from course_lib.exercises.fail import Fail
from course_lib.exercises.registry import exercise

__all__ = ["Fail", "close", "exercise", "shape_is"]
