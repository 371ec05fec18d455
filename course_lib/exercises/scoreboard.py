"""`board`: points per lesson and exercise, for lesson 00."""

from course_lib.exercises.progress import table
from course_lib.exercises.screen import say


def board() -> None:
    """Show your points, lesson by lesson and exercise by exercise. Taught in lesson 00."""
    say(table())
