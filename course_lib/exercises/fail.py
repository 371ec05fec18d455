"""What a case says when an answer is wrong."""

from typing import Any

from course_lib.exercises.describe import describe


class Fail(AssertionError):
    """An answer is wrong, told as a teacher would: what was called, what was expected, what came, the likely mistake.

    Args:
        call: the call as one would type it; left empty, the engine writes the last call it made.
        expected, got: a text, or any value, which is then described with its shape and type.
        mistake: one or two sentences on what probably went wrong and what to look at.

    Used by every lesson's cases in `course_lib/exercises/cases/`.
    """

    def __init__(self, call: str = "", expected: Any = "", got: Any = "", mistake: str = "") -> None:
        super().__init__(call, expected, got, mistake)
        self.call = call
        self.expected = expected if isinstance(expected, str) else describe(expected)
        self.got = got if isinstance(got, str) else describe(got)
        self.mistake = mistake

    def __str__(self) -> str:
        rows = (("called", self.call), ("expected", self.expected), ("got", self.got), ("likely", self.mistake))
        return "\n".join(f"{name:9}{text}" for name, text in rows if text)
