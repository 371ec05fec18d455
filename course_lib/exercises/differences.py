"""`difference` compares values of any kind; `apart` and `likely_values` keep the mistakes that can be told apart."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from course_lib.exercises.compare import ATOL, RTOL, Likely, Numbers, fault_of, wrong_type
from course_lib.exercises.describe import describe


def apart(expected: Numbers, likely: Likely, rtol: float = RTOL, atol: float = ATOL) -> Likely:
    """The likely mistakes that can be told from what is right and from each other: for lists that serve many inputs.

    Where two of them with different messages give one value, both are left out: neither is blamed for the other.
    """
    def equal(a: Numbers, b: Numbers) -> bool:
        return fault_of(a, b, rtol, atol, only_values=True) is None

    def confused(wrong: Numbers, message: str) -> bool:
        return any(words != message and equal(wrong, other) for other, words in likely)

    return [(wrong, words) for wrong, words in likely if not equal(wrong, expected) and not confused(wrong, words)]


def likely_values(slips: Sequence[tuple[Callable[..., Any], str]], *given: Any,
                  right: Any) -> list[tuple[torch.Tensor, str]]:
    """What each wrong function makes of one input, for `close(likely=...)`: the first slip of those with one value.

    slips: pairs of (function, message); given: the arguments; right: the right value. A slip that gives the right value
    is left out. Values come as tensors: a tuple of numbers is one of shape (n,).
    """
    def as_tensor(value: Any) -> torch.Tensor:
        return value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=torch.float32)

    known, found = [as_tensor(right)], []
    for slip, message in slips:
        wrong = as_tensor(slip(*given))
        if all(difference(wrong, other) is not None for other in known):
            known.append(wrong)
            found.append((wrong, message))
    return found


def difference(got: Any, expected: Any, rtol: float = RTOL, atol: float = ATOL,
               names: Sequence[str] = ()) -> tuple[str, str] | None:
    """None when two values of any kind agree, else (kind, words). Tuples and dicts are compared part by part.

    `names` are the names of a tuple's parts.
    """
    if isinstance(expected, dict):
        return _parts_differ(got, expected, list(expected), [f"[{key!r}]" for key in expected], rtol, atol)
    if isinstance(expected, tuple) and not _plain_numbers(expected):
        words = names if len(names) == len(expected) else [f"part {i}" for i in range(len(expected))]
        return _parts_differ(got, expected, range(len(expected)), words, rtol, atol)
    if isinstance(expected, list) and not _plain_numbers(expected):
        words = [f"item {i}" for i in range(len(expected))]
        return _parts_differ(got, expected, range(len(expected)), words, rtol, atol)
    if isinstance(expected, torch.Tensor | np.ndarray | np.generic | bool | int | float | list | tuple):
        return fault_of(got, expected, rtol, atol)
    if type(got) is not type(expected):
        return "type", wrong_type(got, describe(expected))
    return None if got == expected else ("values", f"{describe(got)} where {describe(expected)} is expected.")


def _plain_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(item, bool | int | float | np.generic) for item in values)


def _parts_differ(got: Any, expected: Any, keys: Sequence[Any], words: Sequence[str], rtol: float,
                  atol: float) -> tuple[str, str] | None:
    """The first part that differs; `words` are the parts' names."""
    listed = f": {', '.join(words)}" if len(keys) < 5 else ""
    kind = "a dict" if isinstance(expected, dict) else f"{len(keys)} values{listed}"
    wanted = dict if isinstance(expected, dict) else list | tuple | torch.Tensor | np.ndarray
    fits = isinstance(got, wanted)
    if not fits:
        return "type", wrong_type(got, kind)
    if isinstance(expected, dict):
        missing = [key for key in keys if key not in got]
        if missing:
            return "shape", f"The key {missing[0]!r} is missing."
    else:
        have = len(got) if not hasattr(got, "ndim") or got.ndim else 0
        if have != len(keys):
            return "shape", f"{have} values came back where {len(keys)} are wanted."
    for key, word in zip(keys, words, strict=True):
        fault = difference(got[key], expected[key], rtol, atol)
        if fault is not None:
            return fault[0], f"{word}: {fault[1]}"
    return None
