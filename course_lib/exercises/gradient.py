"""`differentiable`: the gradient of the learner's function beside that of the course's own.

An answer that is detached, or computed in numpy, has the right values and silently trains nothing.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.agree import Arguments, Function
from course_lib.exercises.compare import RTOL, Fail
from course_lib.exercises.describe import describe, describe_call
from course_lib.exercises.differences import difference
from course_lib.exercises.draws import Draw

CUT = ("somewhere the path back is cut. `.detach()`, `.data`, `.item()`, `.tolist()`, `float(...)`, numpy, "
       "`torch.tensor(x)` and `torch.no_grad()` all cut it. Training would run without an error and change nothing.")
NOT_FINITE = ("The values are right and the gradient is not a number: `torch.where` does not stop a NaN or infinite "
              "gradient of the side that was not chosen, and the root or logarithm of 0 has no slope. Change the input "
              "before that step.")
DRAWS = 6           # inputs


def differentiable(fn: Function, args: Arguments | Callable[[Draw], Arguments], reference: Function, *,
                   wrt: Sequence[str], rtol: float = 1e-3, atol: float = 1e-5) -> None:
    """Pass when gradients flow through `fn` as they flow through `reference`; else raise `Fail`.

    Args:
        args: the arguments of one call, or a `draw` as for `agrees`, of which six inputs are tried.
        wrt: names of the reference's parameters that training goes through: their gradients are compared.
        rtol, atol: as for `close`.

    Used by every lesson's `checks.py` whose answers are trained through.
    """
    names = list(inspect.signature(reference).parameters)
    watched = {name: names.index(name) for name in wrt}
    for drawn in [args(Draw(seed, 1 + seed)) for seed in range(DRAWS)] if callable(args) else [args]:
        _compare(fn, drawn, reference, watched, rtol, atol)


def _compare(fn: Function, drawn: Arguments, reference: Function, watched: dict[str, int], rtol: float,
             atol: float) -> None:
    spoken = " and ".join(f"`{name}`" for name in watched)
    call = describe_call(getattr(fn, "__name__", "fn"), drawn, {})
    leaves = _leaves(drawn, watched)
    got = fn(*leaves)
    with torch.no_grad():
        expected = reference(*drawn)
    fault = difference(got, expected, max(rtol, RTOL), atol)
    if fault is not None and fault[0] != "type":
        raise Fail(call, describe(expected), describe(got), fault[1])
    parts = _float_parts(got)
    if not any(part.requires_grad for part in parts):
        raise Fail(call, f"a tensor through which gradients flow back to {spoken}",
                   "a tensor without a gradient" if parts else describe(got),
                   f"No gradient flows back to {spoken}: {CUT}")
    try:
        _scalar(parts).backward()
    except RuntimeError as error:
        raise Fail(f"the gradient of {call} for {spoken}", "a gradient", str(error)[:200],
                   "The gradient could not be computed: was a tensor that it needs changed in place (`x[i] = ...`, "
                   "`x += ...`) after it was used?") from error
    right = _leaves(drawn, watched)
    _scalar(_float_parts(reference(*right))).backward()
    for name, i in watched.items():
        mine, want = (torch.zeros_like(drawn[i]) if some[i].grad is None else some[i].grad for some in (leaves, right))
        fault = difference(mine, want, rtol, atol)
        if fault is not None:
            raise Fail(f"the gradient of {call} for `{name}`", describe(want), describe(mine),
                       _words(mine, name, fault[1]))


def _words(mine: Tensor, name: str, differs: str) -> str:
    """What is wrong with a gradient."""
    if not bool(torch.isfinite(mine).all()):
        return NOT_FINITE
    if not bool(mine.any()):
        return f"No gradient reaches `{name}`: {CUT}"
    return f"The values are right, but not the gradient: is a part detached that should not be? {differs}"


def _leaves(drawn: Arguments, watched: dict[str, int]) -> list[Any]:
    trained = set(watched.values())
    return [value.detach().clone().requires_grad_(True) if i in trained else value for i, value in enumerate(drawn)]


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
            weights = 1 + (torch.arange(part.numel(), dtype=torch.float64) / math.pi) % 1
            total = total + (part.double().flatten() * weights).sum()
    return total
