"""What the check engine knows about a lesson's exercises, and the heading that a notebook shows for each."""

import re

from course_lib.exercises import registry
from course_lib.exercises.registry import Exercise

PLACEHOLDER = re.compile(r"\{\{exercise (\d\d\.\d+)\}\}")
IMPORTANCE = {1: "optional", 2: "important", 3: "essential"}


def exercises_of(number: str) -> dict[str, Exercise]:
    """The registered exercises of lesson `number` (`"03"`) by id, in order; empty without a file of cases."""
    return {found.id: found for found in registry.of_lesson(number)} if number in registry.lessons() else {}


def heading(exercise: Exercise) -> str:
    """The line above an exercise: `### Exercise 03.2 — Ties  ●●○ · important · 10 minutes · 2 points`."""
    dots = "●" * exercise.difficulty + "○" * (3 - exercise.difficulty)
    minutes = f"{exercise.minutes} minute{'s' * (exercise.minutes != 1)}"
    points = f"{exercise.points:g} point{'s' * (exercise.points != 1)}"
    facts = " · ".join((dots, IMPORTANCE[exercise.importance], minutes, points))
    return f"### Exercise {exercise.id} — {exercise.title}  {facts}"


def fill_placeholders(source: str, exercises: dict[str, Exercise]) -> str:
    """`source` with each `{{exercise 03.2}}` replaced by its heading; unknown ids stay (a rule reports them)."""
    return PLACEHOLDER.sub(lambda found: heading(exercises[found[1]]) if found[1] in exercises else found[0], source)
