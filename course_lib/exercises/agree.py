"""`agrees`: the learner's function beside the course's own, on many inputs that nobody chose.

The few cases before it teach; it closes whole classes of mistakes: right for one row only, for one sign, for masks
that begin in one column, for episodes without an end.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from torch import Tensor

from course_lib.exercises import mixed_up
from course_lib.exercises.compare import ATOL, RTOL, Fail
from course_lib.exercises.describe import describe, describe_call
from course_lib.exercises.differences import difference
from course_lib.exercises.draws import Draw
from course_lib.exercises.guard import Unfinished

Function = Callable[..., Any]
Arguments = tuple[Any, ...]
Wrong = Sequence[tuple[Function, str]]

TIMES = 20              # random inputs
SMALLER = 8             # inputs of each smaller size that are tried, to show a small one that differs
MORE = 4                # further inputs on which a likely mistake must give what the answer gave

_shrinks = True         # the answer matrix only wants to know whether an answer fails


@contextmanager
def at_once() -> Iterator[None]:
    """Report the first input that differs, without looking for a smaller one."""
    global _shrinks
    before, _shrinks = _shrinks, False
    try:
        yield
    finally:
        _shrinks = before


def agrees(
    fn: Function, reference: Function, draw: Callable[[Draw], Arguments], *, also: Sequence[Function] = (),
    likely: Wrong = (), otherwise: str = "", read: Callable[[Any], Any] | None = None, names: Sequence[str] = (),
    times: int = TIMES, rtol: float = RTOL, atol: float = ATOL,
) -> None:
    """Pass when `fn` gives what `reference` gives on `times` random inputs; else raise `Fail` with a small one.

    Every third input comes in float64, and every third one not contiguous in memory. An answer that cannot compute
    with those at all (an error of torch about types or memory) is still right; one that gives other values is not.

    Args:
        draw: makes the arguments of one call from a `Draw`.
        also: other functions that are right too; an answer must agree with one and the same on all inputs.
        likely: pairs of (wrong function, message): the message is shown when the answer gives what that one gives.
        otherwise: a sentence that goes before the difference when no likely mistake matches.
        read: what is compared, as a function of what comes back; by default all of it.
        names: names of the parts, where a tuple comes back.
        rtol, atol: as for `close`.

    Used by every lesson's `checks.py`.
    """
    _note_mixed_up(reference, likely, draw, rtol, atol)
    alive = [reference, *also]

    def look(arguments: Arguments) -> "_Miss | None":
        miss, agreeing = None, []
        with _reraised():
            got = fn(*arguments)
        for right in alive:
            expected = right(*arguments)
            a, b = (got, expected) if read is None else (_read(read, got), read(expected))
            fault = difference(a, b, rtol, atol, names)
            if fault is None:
                agreeing.append(right)
            miss = miss or (fault and _Miss(arguments, a, b, *fault))
        if agreeing:
            alive[:] = agreeing
            return None
        return miss

    for seed in range(times):
        size = 1 + seed // 3
        arguments = draw(Draw(seed, size))
        form = _FORMS[seed % 3] if seed >= 3 else None
        try:
            miss = look(arguments if form is None else _as(form, arguments))
        except _Raised as raised:
            if form is not None and _passes(look, arguments):
                continue
            if not _shrinks:
                raise raised.error from None
            _show_error(fn, draw, size, arguments)
            raise raised.error from None
        if miss is None:
            continue
        if form is not None:
            plain = _miss_or_none(look, arguments)
            miss = plain or miss._replace_words(form)
        if not _shrinks:
            raise _fail(fn, miss, otherwise)
        first = miss
        miss = _smallest(look, draw, size, first)
        raise _fail(fn, miss, otherwise, _named(fn, likely, draw, (first, miss), read, rtol, atol))


def _note_mixed_up(reference: Function, likely: Wrong, draw: Callable[[Draw], Arguments], rtol: float,
                   atol: float) -> None:
    def results() -> list[tuple[list[Any], str]]:
        inputs = [draw(Draw(seed, 1 + seed % 6)) for seed in range(12)]
        return mixed_up.results_of([(reference, ""), *likely], inputs)

    def equal(a: list[Any], b: list[Any]) -> bool:
        return all(difference(x, y, rtol, atol) is None for x, y in zip(a, b, strict=True))

    if likely:
        mixed_up.note(results, equal)


class _Raised(Exception):
    """The learner's function raised; `error` is what."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


@contextmanager
def _reraised() -> Iterator[None]:
    try:
        yield
    except (Fail, Unfinished, NotImplementedError):
        raise
    except Exception as error:
        raise _Raised(error) from error


class _Miss:
    """One input on which two functions differ."""

    def __init__(self, arguments: Arguments, got: Any, expected: Any, kind: str, words: str) -> None:
        self.arguments, self.got, self.expected, self.kind, self.words = arguments, got, expected, kind, words

    @property
    def weight(self) -> tuple[int, int]:
        """How large the input is to read."""
        text = describe_call("", self.arguments, {})
        return sum(_count(value) for value in self.arguments), len(text)

    def _replace_words(self, form: str) -> "_Miss":
        words = f"With ordinary float32 tensors it is right, but not with {_FORM_WORDS[form]}. {self.words}"
        return _Miss(self.arguments, self.got, self.expected, self.kind, words)


def _count(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel()
    if isinstance(value, np.ndarray):
        return value.size
    if isinstance(value, list | tuple):
        return sum(map(_count, value))
    return 1


_FORMS = (None, "float64", "strided")
_FORM_WORDS = {"float64": "float64", "strided": "tensors that do not lie contiguous in memory (a transpose, a slice)"}


def _as(form: str, value: Any) -> Any:
    """The same values in another form, inside tuples and lists too."""
    if isinstance(value, Tensor):
        if form == "float64":
            return value.double() if value.is_floating_point() else value
        return value.transpose(-2, -1).contiguous().transpose(-2, -1) if value.ndim > 1 else value
    if type(value) in (tuple, list):
        return type(value)(_as(form, item) for item in value)
    return value


def _read(read: Callable[[Any], Any], got: Any) -> Any:
    """What a case looks at; the whole value where it has no such thing (then the difference says so)."""
    try:
        return read(got)
    except Exception:
        return got


def _miss_or_none(look: Callable[[Arguments], _Miss | None], arguments: Arguments) -> _Miss | None:
    try:
        return look(arguments)
    except _Raised:
        return None


def _passes(look: Callable[[Arguments], _Miss | None], arguments: Arguments) -> bool:
    try:
        return look(arguments) is None
    except _Raised:
        return False


def _smallest(look: Callable[[Arguments], _Miss | None], draw: Callable[[Draw], Arguments], size: int,
              miss: _Miss) -> _Miss:
    """The smallest of some inputs that differ."""
    for smaller in range(1, size + 1):
        found = []
        for seed in range(SMALLER):
            other = _miss_or_none(look, draw(Draw(1000 * smaller + seed, smaller)))
            if other is not None and other.kind == miss.kind:
                found.append(other)
        best = min((*found, miss), key=lambda one: one.weight)
        if found:
            return best
    return miss


def _show_error(fn: Function, draw: Callable[[Draw], Arguments], size: int, last: Arguments) -> None:
    """Let the learner's function raise again, on a small input where one does."""
    for smaller in range(1, size + 1):
        for seed in range(SMALLER):
            fn(*draw(Draw(1000 * smaller + seed, smaller)))
    fn(*last)


def _named(fn: Function, likely: Wrong, draw: Callable[[Draw], Arguments], misses: Sequence[_Miss],
           read: Callable[[Any], Any] | None, rtol: float, atol: float) -> str:
    """The message of the first likely mistake that gives what `fn` gives, on these inputs and on some more."""
    if not likely:
        return ""
    inputs = [(miss.arguments, miss.got) for miss in misses]
    for seed in range(MORE):
        arguments = draw(Draw(5000 + seed, 3 + seed))
        with suppress(Exception):
            got = fn(*arguments)
            inputs.append((arguments, got if read is None else _read(read, got)))
    for wrong, message in likely:
        if all(_gives(wrong, arguments, got, read, rtol, atol) for arguments, got in inputs):
            return message
    return ""


def _gives(wrong: Function, arguments: Arguments, got: Any, read: Callable[[Any], Any] | None, rtol: float,
           atol: float) -> bool:
    try:
        expected = wrong(*arguments)
        return difference(got, expected if read is None else read(expected), rtol, atol) is None
    except Exception:           # a likely mistake may not be able to work with every input
        return False


def _fail(fn: Function, miss: _Miss, otherwise: str, named: str = "") -> Fail:
    call = describe_call(getattr(fn, "__name__", "fn"), miss.arguments, {})
    words = named or f"{otherwise} {miss.words}".strip()
    return Fail(call, describe(miss.expected), describe(miss.got), words)
