"""Likely mistakes of a case that cannot be told apart: two that give one value, or one that gives the right value.

The learner would be blamed for the wrong one. While somebody is `listening` (the answer matrix), comparisons note them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Any

_notes: list[str] | None = None


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect what is noted, one sentence each."""
    global _notes
    before, _notes = _notes, []
    try:
        yield _notes
    finally:
        _notes = before


def note(results: Callable[[], Sequence[tuple[Any, str]]], equal: Callable[[Any, Any], bool]) -> None:
    """Note values with different messages that are equal; the one with an empty message is what is right."""
    if _notes is None:
        return
    for (a, one), (b, other) in combinations(results(), 2):
        if one != other and equal(a, b):
            first, second = f'"{one[:60]}"', f'"{other[:60]}"'
            _notes.append(f"the likely mistakes {first} and {second} give one and the same value" if one else
                          f"the likely mistake {second} gives the right value")


def results_of(functions: Sequence[tuple[Callable[..., Any], str]],
               inputs: Sequence[tuple[Any, ...]]) -> list[tuple[list[Any], str]]:
    """What each function gives for all inputs, with its message."""
    return [([_result(fn, arguments) for arguments in inputs], words) for fn, words in functions]


def _result(fn: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    try:
        return fn(*arguments)
    except Exception as error:          # a likely mistake may not be able to work with every input
        return type(error).__name__
