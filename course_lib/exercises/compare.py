"""What a case uses: `close` and `shape_is` compare an answer with the right one, `Fail` says in words what differs.

An answer in another number type passes where the values are right: float64, numpy scalars and arrays, plain numbers.
Tensors of whole numbers or of True/False where fractions are expected do not: they break the next step of the lesson.
A wrong array that is the right one in disguise is recognised: sign turned, scaled, shifted, reversed.
"""

import math
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from course_lib.exercises import mixed_up
from course_lib.exercises.describe import describe, number, shape


class Fail(AssertionError):
    """An answer is wrong, told as a teacher would: what was called, what was expected, what came, the likely mistake.

    Args:
        call: the call as one would type it; left empty, the engine writes the last call it made.
        expected, got: a text, or any value, which is then described with its shape and type.
        mistake: one or two sentences on what probably went wrong and what to look at.

    Used by every lesson's `checks.py`.
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


def same_but(got: torch.Tensor, expected: torch.Tensor) -> str | None:
    """A sentence when one simple step leads from `got` to `expected` (float64, one shape), else None."""

    def equal(other: torch.Tensor) -> bool:
        return bool(torch.isclose(other, expected, rtol=1e-4, atol=1e-6).all())

    if not bool(torch.isfinite(got).all() and torch.isfinite(expected).all()) or not bool(expected.any()):
        return None
    if equal(-got):
        return "The numbers are right and the sign is turned round: is a minus missing, or one too many?"
    if got.numel() == 1:
        return _multiple(float(got / expected))
    if float(expected.max() - expected.min()) < 1e-6:
        return None
    if got.ndim == 1 and equal(got.flip(0)):
        return "The numbers are right, in reverse order."
    factor = float((got * expected).sum() / (expected * expected).sum())
    if abs(factor) > 1e-6 and equal(got / factor):
        return (f"Every value is {number(factor)} times the expected one: is a factor missing, or a sum in place of a "
                "mean?")
    shift = float((got - expected).mean())
    if equal(got - shift):
        return f"Every value is off by the same {number(shift)}: is something not added, or not subtracted?"
    return None


def _multiple(ratio: float) -> str | None:
    """A sentence when one number is 2 to 10 times another, or that part of it."""
    for n in range(2, 11):
        for factor, words in ((n, f"{n} times"), (1 / n, f"1/{n} of")):
            if math.isclose(ratio, factor, rel_tol=1e-4):
                return (f"The value is {words} the expected one: is a factor wrong, or a sum taken in place of a mean "
                        "(or a mean in place of a sum)?")
    return None


Numbers = torch.Tensor | np.ndarray | np.generic | float | int | bool | list | tuple
Likely = Sequence[tuple[Numbers, str]]

RTOL, ATOL = 1e-4, 1e-5         # float32 sums over a few thousand terms, taken in another order, stay inside


def close(
    got: Any, expected: Numbers, *, call: str = "", likely: Likely = (), otherwise: str = "",
    rtol: float = RTOL, atol: float = ATOL,
) -> None:
    """Pass when `got` has the values, shape and sort of number of `expected`; else raise `Fail`.

    Args:
        got: what the learner's function returned.
        expected: a tensor, an array, a number, or a list of numbers. A tensor or array wants a tensor or array of the
            same shape; a number wants anything that holds one number; a list wants a list, tuple, tensor or array.
        call: the call as one would type it; left empty, the engine writes the last call it made.
        likely: pairs of (wrong value, message): the message is shown when `got` is that value (NaN counts as equal).
        otherwise: the message when no likely value matches and the fault is in the values.
        rtol, atol: `|got - expected| <= atol + rtol * |expected|`, compared in float64.
    """
    mixed_up.note(lambda: [(expected, ""), *likely], lambda a, b: fault_of(a, b, rtol, atol, only_values=True) is None)
    fault = fault_of(got, expected, rtol, atol)
    if fault is None:
        return
    for wrong, message in likely:
        if fault_of(got, wrong, rtol, atol, only_values=True) is None:
            raise Fail(call, describe(expected), describe(got), message)
    kind, words = fault
    raise Fail(call, describe(expected), describe(got), otherwise if kind == "values" and otherwise else words)


def shape_is(got: Any, expected: Sequence[int | None], *, call: str = "", mistake: str = "") -> None:
    """Pass when `got` is a tensor or array of this shape (`None` = any length); else raise `Fail`.

    `mistake` replaces the engine's own guess at what went wrong.
    """
    wanted = tuple(expected)
    text = f"shape ({', '.join('any' if n is None else str(n) for n in wanted)}{',' * (len(wanted) == 1)})"
    if not isinstance(got, torch.Tensor | np.ndarray):
        raise Fail(call, f"a tensor of {text}", describe(got), f"{wrong_type(got, 'a tensor')} {mistake}".rstrip())
    have = shape(got)
    if len(have) != len(wanted) or any(n is not None and n != m for n, m in zip(wanted, have, strict=True)):
        guess = wrong_shape(have, wanted) if None not in wanted else f"The shape is {have}."
        raise Fail(call, text, describe(got), mistake or guess)


def wrong_shape(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What probably happened when `got` came out in place of `expected`."""
    size = int(np.prod(got, dtype=np.int64))
    if expected == ():
        return ("The value is wrapped in brackets: give one plain number, for example with `.squeeze()` or `.mean()`."
                if size == 1 else f"One number is wanted and yours gave {size}: is the mean (or the sum) missing?")
    if got == ():
        return f"One number came where shape {expected} is wanted: was everything averaged or summed into one?"
    if tuple(n for n in got if n != 1) == tuple(n for n in expected if n != 1):
        return f"The shape is {got}, not {expected}: they differ by a dimension of length 1 (`squeeze`, `unsqueeze`)."
    if sorted(got) == sorted(expected):
        return f"The shape is {got}, not {expected}: the same dimensions in another order. Is a transpose missing?"
    if len(got) == len(expected) + 1 and got[1:] == expected and got[0] == expected[0]:
        return (f"The shape is {got}, not {expected}: a column of shape ({got[0]}, 1) against a row of shape "
                f"({got[0]},) broadcasts into a square table. Bring both to the same shape first.")
    if len(got) > len(expected):
        return f"The shape is {got}, not {expected}: a sum, mean or index over one dimension is missing."
    return f"The shape is {got}, not {expected}. Print the shape after each line to see where it changes."


def fault_of(got: Any, expected: Any, rtol: float, atol: float, only_values: bool = False) -> tuple[str, str] | None:
    """None when all is well, else (kind, words)."""
    target = _tensor(expected)
    plain = not isinstance(expected, torch.Tensor | np.ndarray)
    wants = "a number" if target.ndim == 0 and plain else "a list of numbers" if plain else "a tensor"
    allowed = isinstance(got, torch.Tensor | np.ndarray | np.generic | bool | int | float)
    if not allowed and isinstance(got, list | tuple) and isinstance(expected, list | tuple):
        allowed = all(_tensor_or_none(item) is not None for item in got)
    value = _tensor_or_none(got) if allowed else None
    if value is None:
        return "type", wrong_type(got, wants)
    if value.shape != target.shape:
        return "shape", wrong_shape(tuple(value.shape), tuple(target.shape))
    words = None if only_values else _wrong_dtype(got, value, target, plain)
    if words:
        return "dtype", words
    a, b = value.double(), target.double()
    if bool(torch.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True).all()):
        return None
    return _wrong_values(a, b)


def wrong_type(got: Any, wants: str) -> str:
    """What came back in place of what is wanted: `a number`, `a tensor`."""
    if got is None:
        return "Your function gave None back: is a `return` missing at its end, or does one branch end without it?"
    if isinstance(got, types.GeneratorType):
        return "Your function gave a generator back: with `yield` inside, nothing has run yet. Use `return`."
    if isinstance(got, types.CoroutineType):
        return "Your function gave a coroutine back: write `def`, not `async def`."
    if isinstance(got, types.ModuleType):
        return f"Your function gave a whole module back ({got.__name__}), where {wants} is wanted: is a name missing?"
    if isinstance(got, list | tuple):
        kind = type(got).__name__
        return (f"Your function gave a {kind} back, where {wants} is wanted."
                + (" `torch.stack` or `torch.tensor` makes one from it." if wants == "a tensor" else ""))
    if callable(got):
        return f"Your function gave a function back, where {wants} is wanted: are the brackets of a call missing?"
    return f"Your function gave a value of type {type(got).__name__} back, where {wants} is wanted."


def _wrong_dtype(got: Any, value: torch.Tensor, target: torch.Tensor, plain: bool) -> str | None:
    have, want = _sort(value), _sort(target)
    if have == want or (want == "fractions" and plain and have == "whole numbers"):
        return None
    loose = plain and want == "whole numbers" and have == "fractions"       # 3.0 where 3 is expected
    python_int = isinstance(got, int | np.integer) and not isinstance(got, bool) and want == "fractions"
    if loose or python_int:
        return None
    name = describe_dtype(got, value)
    remedy = {"fractions": "Compute in floats: `.float()`, and `/` instead of `//`.",
              "whole numbers": "Use whole numbers: `.long()`, or an index instead of a value.",
              "True/False": "Compare (`>`, `==`) instead of computing a number."}.get(want, "")
    return f"Your function gave {have} ({name}) where {want} are wanted. {remedy}".rstrip()


def describe_dtype(got: Any, value: torch.Tensor) -> str:
    """The name of a value's type: `int64` for a tensor or an array, `bool` for True."""
    return str(value.dtype).removeprefix("torch.") if hasattr(got, "dtype") else type(got).__name__


def _sort(value: torch.Tensor) -> str:
    if value.dtype == torch.bool:
        return "True/False"
    if value.is_complex():
        return "complex numbers"
    return "fractions" if value.is_floating_point() else "whole numbers"


def _wrong_values(got: torch.Tensor, expected: torch.Tensor) -> tuple[str, str]:
    """(kind, words) for values that differ; both float64 and of one shape."""
    size = got.numel()
    many = f"{int(got.isnan().sum())} of {size} values are" if size > 1 else "The value is"
    if bool((got.isnan() & ~expected.isnan()).any()):
        return "nan", (f"{many} NaN (not a number). That comes from 0/0, inf - inf, the log or root of a "
                       "negative number, or NaN in a step before.")
    if bool((got.isinf() & ~expected.isinf()).any()):
        many = f"{int(got.isinf().sum())} of {size} values are" if size > 1 else "The value is"
        return "infinite", f"{many} infinite. That comes from log 0, a division by 0, or `exp` of a large number."
    pattern = same_but(got, expected)
    if pattern:
        return "values", pattern
    gap = (got - expected).abs().nan_to_num(nan=0.0, posinf=math.inf)
    gap[got.isnan() != expected.isnan()] = math.inf
    if size == 1 and bool(gap.isinf()):
        return "values", f"The value is {number(got.item())} where {number(expected.item())} is expected."
    if size == 1:
        return "values", f"The value is off by {number(gap.max().item())}."
    worst = tuple(int(i) for i in np.unravel_index(int(gap.argmax()), gap.shape))
    index = ", ".join(str(i) for i in worst)
    wrong = int((~torch.isclose(got, expected, rtol=RTOL, atol=ATOL, equal_nan=True)).sum())
    several = f"{wrong} of {size} values differ; the largest difference is"
    many = f"1 of {size} values differs," if wrong == 1 else several
    mine, right = number(got[worst].item()), number(expected[worst].item())
    return "values", f"{many} at [{index}]: {mine} where {right} is expected."


def _tensor_or_none(value: Any) -> torch.Tensor | None:
    try:
        return _tensor(value)
    except (TypeError, ValueError, RuntimeError, OverflowError, NotImplementedError):
        return None


def _tensor(value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, list | tuple):
        return torch.as_tensor(np.asarray([_tensor(item).numpy() for item in value]))
    return torch.as_tensor(np.asarray(value))
