"""`agrees` and `differentiable`: the learner's function beside the course's own, on many inputs that nobody chose.

The few cases before them teach; these close whole classes of mistakes: right for one row only, for one sign, for masks
that begin in one column, for episodes without an end, detached from what is trained.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.exercises import compare
from course_lib.exercises.compare import ATOL, RTOL, Fail, difference
from course_lib.exercises.describe import describe, describe_call
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
    compare.audit_functions(reference, likely, lambda: [draw(Draw(seed, 1 + seed % 6)) for seed in range(12)], rtol, atol)
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
                raise raised.error
            _show_error(fn, draw, size, arguments)
            raise raised.error
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
        return torch.stack([value, value], dim=-1)[..., 0] if value.ndim else value
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


def _smallest(look: Callable[[Arguments], _Miss | None], draw: Callable[[Draw], Arguments], size: int, miss: _Miss) -> _Miss:
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


CUT = ("somewhere the path back is cut. `.detach()`, `.data`, `.item()`, `.tolist()`, `float(...)`, numpy, `torch.tensor(x)` and "
       "`torch.no_grad()` all cut it. Training would run without an error and change nothing.")


def differentiable(
    fn: Function, args: Arguments | Callable[[Draw], Arguments], reference: Function, *, wrt: Sequence[str],
    constant: Sequence[str] = (), likely: Wrong = (), otherwise: str = "", rtol: float = 1e-3, atol: float = 1e-5,
) -> None:
    """Pass when gradients flow through `fn` as they flow through `reference`; else raise `Fail`.

    Args:
        args: the arguments of one call, or a `draw` as for `agrees`, of which six inputs are tried.
        wrt: names of the reference's parameters that training goes through: their gradients are compared.
        constant: names of parameters into which no gradient may flow.
        likely: pairs of (wrong function, message), told by their gradients.
        otherwise: the message when the gradient differs and no likely mistake matches.

    Used by every lesson's `checks.py` whose answers are trained through.
    """
    names = list(inspect.signature(reference).parameters)
    draws = [args(Draw(seed, 1 + seed)) for seed in range(6)] if callable(args) else [args]
    watched = [names.index(name) for name in (*wrt, *constant)]
    for drawn in draws:
        _compare_gradients(fn, drawn, reference, names, watched, constant, likely, otherwise, rtol, atol)


def _compare_gradients(fn: Function, drawn: Arguments, reference: Function, names: Sequence[str], watched: Sequence[int],
                       constant: Sequence[str], likely: Wrong, otherwise: str, rtol: float, atol: float) -> None:
    trained = [i for i in watched if names[i] not in constant]
    spoken = " and ".join(f"`{names[i]}`" for i in trained)
    call = describe_call(getattr(fn, "__name__", "fn"), drawn, {})
    leaves = _leaves(drawn, watched)
    got = fn(*leaves)
    with torch.no_grad():
        expected = reference(*drawn)
    fault = difference(got, expected, max(rtol, RTOL), atol)
    if fault is not None and fault[0] != "type":
        raise Fail(call, describe(expected), describe(got), fault[1])
    parts = _float_parts(got)
    what = f"the gradient of {call} for {spoken}"
    if not parts:
        raise Fail(call, f"a tensor through which gradients flow back to {spoken}", describe(got),
                   f"No gradient can flow back to {spoken}: {CUT}")
    if not any(part.requires_grad for part in parts):
        raise Fail(call, f"a tensor through which gradients flow back to {spoken}", "a tensor without a gradient",
                   f"No gradient flows back to {spoken}: {CUT}")
    right = _gradients(reference, drawn, watched)
    try:
        _scalar(parts).backward()
        found = [leaves[i].grad for i in watched]
    except RuntimeError as error:
        raise Fail(what, "a gradient", str(error)[:200], "The gradient could not be computed: was a tensor that it needs "
                   "changed in place (`x[i] = ...`, `x += ...`) after it was used?") from error
    for i, mine, want in zip(watched, found, right, strict=True):
        _one_gradient(fn, drawn, names, i, mine, want, watched, constant, likely, otherwise, rtol, atol)


def _one_gradient(fn: Function, drawn: Arguments, names: Sequence[str], i: int, mine: Tensor | None, want: Tensor | None,
                  watched: Sequence[int], constant: Sequence[str], likely: Wrong, otherwise: str, rtol: float,
                  atol: float) -> None:
    name = names[i]
    call = f"the gradient of {describe_call(getattr(fn, '__name__', 'fn'), drawn, {})} for `{name}`"
    mine = torch.zeros_like(drawn[i]) if mine is None else mine
    want = torch.zeros_like(drawn[i]) if want is None else want
    if name in constant:
        if bool((mine != 0).any()):
            raise Fail(call, "none: it is a constant here", describe(mine), f"Training would change `{name}` too, and it is "
                       f"a fact that must not be tuned: stop the gradient with `{name}.detach()`.")
        return
    fault = difference(mine, want, rtol, atol)
    if fault is None:
        return
    if not bool(torch.isfinite(mine).all()):
        words = ("The values are right and the gradient is not a number: `torch.where` does not stop a NaN or infinite gradient of the side "
                 "that was not chosen, and the root or logarithm of 0 has no slope. Change the input before that step.")
    elif not bool(mine.any()):
        words = f"No gradient reaches `{name}`: {CUT}"
    else:
        words = next((message for wrong, message in likely if _same_gradient(wrong, drawn, watched, i, mine, rtol, atol)),
                     otherwise or f"The values are right, but not the gradient: is a part detached that should not be? {fault[1]}")
    raise Fail(call, describe(want), describe(mine), words)


def _same_gradient(wrong: Function, drawn: Arguments, watched: Sequence[int], i: int, mine: Tensor, rtol: float,
                   atol: float) -> bool:
    try:
        other = _gradients(wrong, drawn, watched)[list(watched).index(i)]
    except Exception:
        return False
    return difference(mine, torch.zeros_like(mine) if other is None else other, rtol, atol) is None


def _leaves(drawn: Arguments, watched: Sequence[int]) -> list[Any]:
    return [value.detach().clone().requires_grad_(True) if i in watched else value for i, value in enumerate(drawn)]


def _gradients(reference: Function, drawn: Arguments, watched: Sequence[int]) -> list[Tensor | None]:
    leaves = _leaves(drawn, watched)
    _scalar(_float_parts(reference(*leaves))).backward()
    return [leaves[i].grad for i in watched]


def _float_parts(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    if isinstance(value, dict):
        value = list(value.values())
    return [part for item in value for part in _float_parts(item)] if isinstance(value, tuple | list) else []


def _scalar(parts: Sequence[Tensor]) -> Tensor:
    """One number that weighs every entry of an answer differently."""
    total = torch.zeros((), dtype=torch.float64)
    for part in parts:
        if part.requires_grad:
            weights = 1 + torch.arange(part.numel(), dtype=torch.float64) / math.pi % 1
            total = total + (part.double().flatten() * weights).sum()
    return total
