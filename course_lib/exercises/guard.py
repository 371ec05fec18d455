"""Hand the learner's function copies of its arguments, and say so when it writes into them.

Copied: tensors (gradients still flow back to the original), numpy arrays, lists, tuples, sets, dicts and dataclasses,
nested as they come. Everything else (a network, an environment, a function) is handed over as it is.
"""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from course_lib.exercises.compare import Fail
from course_lib.exercises.describe import describe_call

MANY = 12        # items of a container that are looked through to name the one that changed


class Unfinished(Exception):
    """What the learner's function gave back still holds a `...` from its stub."""


class Guard:
    """The learner's function as a case sees it: called with copies, remembered for the card.

    Attributes:
        calls: how often the case has called it.
        returned: what the last finished call gave back.
    """

    def __init__(self, fn: Callable[..., Any], name: str) -> None:
        self._fn = fn
        self._name = name
        self._last: tuple[str, tuple[Any, ...], dict[str, Any]] | None = None
        self.__name__ = name
        self.calls = 0
        self.inside = False
        self.returned: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the learner's function with copies.

        Raises:
            Fail: an argument was changed in place.
            Unfinished: a `...` of the stub is still in what came back.
            Anything that the learner's function raises.
        """
        return self._call(self._fn, self._name, args, kwargs)

    def method(self, made: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the object that the learner's class made, as the class itself is called: `fn(...)`.

        Raises:
            As `__call__`; AttributeError where the class has no such method.
        """
        return self._call(getattr(made, name), f"{type(made).__name__}.{name}", args, kwargs)

    def _call(self, fn: Callable[..., Any], name: str, args: Any, kwargs: Any) -> Any:
        self._last = (name, args, kwargs)
        self.calls += 1
        copied_args, copied_kwargs = copy((args, kwargs), {})
        self.inside = True
        self.returned = fn(*copied_args, **copied_kwargs)
        self.inside = False
        if unfinished(self.returned):
            raise Unfinished
        self._look_for_changes(fn, args, kwargs, copied_args, copied_kwargs)
        return self.returned

    @property
    def last_call(self) -> str:
        """The last call as one would type it; empty before the first."""
        return describe_call(*self._last) if self._last else ""

    def _look_for_changes(self, fn: Callable[..., Any], args: Any, kwargs: Any, copied_args: Any,
                          copied_kwargs: Any) -> None:
        names = _parameter_names(fn, len(args))
        pairs = [*zip(names, args, copied_args, strict=True),
                 *((f"`{key}`", kwargs[key], copied_kwargs[key]) for key in kwargs)]
        for name, before, after in pairs:
            if not same(before, after):
                plain = name.replace("`", "")
                raise Fail(self.last_call, f"argument {plain} as it was before", f"argument {plain} was changed",
                           f"Your function wrote into its argument {name}{_where(before, after)}, and whoever "
                           "called it still needs it. Make a new tensor or list instead: `x = x + 1`, not `x += 1`; "
                           "`x = x.clone()` before you fill `x[i]`; `log()`, not `log_()`.")


def unfinished(value: Any) -> bool:
    """Whether a value is `...` or a list, tuple or dict with `...` among its values."""
    if isinstance(value, dict):
        return any(item is ... for item in value.values())
    return value is ... or (isinstance(value, list | tuple) and any(item is ... for item in value))


def copy(value: Any, seen: dict[int, Any]) -> Any:
    """A copy that shares nothing with `value`; one object that appears twice is copied once."""
    if id(value) in seen:
        return seen[id(value)]
    made = _copy(value, seen)
    seen[id(value)] = made
    return made


def _copy(value: Any, seen: dict[int, Any]) -> Any:
    if isinstance(value, torch.nn.Parameter):
        return value
    if isinstance(value, torch.Tensor):
        made = value.clone()
        if made.requires_grad:
            made.retain_grad()
        return made
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(copy(item, seen) for item in value))
    if type(value) in (list, tuple, set):
        return type(value)(copy(item, seen) for item in value)
    if type(value) is dict:
        return {key: copy(item, seen) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        made = object.__new__(type(value))
        for field in dataclasses.fields(value):
            object.__setattr__(made, field.name, copy(getattr(value, field.name), seen))
        return made
    return value


def same(before: Any, after: Any) -> bool:
    """Whether two values, of which one is a copy of the other, are still equal (NaN counts as equal to NaN)."""
    if before is after:
        return True
    if type(before) is not type(after):
        return False
    if isinstance(before, torch.Tensor):
        if before.shape != after.shape or before.dtype != after.dtype:
            return False
        with torch.no_grad():
            return bool(((before == after) | ((before != before) & (after != after))).all())
    if isinstance(before, np.ndarray):
        if before.shape != after.shape or before.dtype != after.dtype:
            return False
        if before.dtype == object:
            return all(same(a, b) for a, b in zip(before.flat, after.flat, strict=True))
        return bool(((before == after) | ((before != before) & (after != after))).all())
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(same(a, b) for a, b in zip(before, after, strict=True))
    if isinstance(before, dict):
        return list(before) == list(after) and all(same(before[key], after[key]) for key in before)
    if dataclasses.is_dataclass(before):
        names = [field.name for field in dataclasses.fields(before)]
        return all(same(getattr(before, name), getattr(after, name)) for name in names)
    return bool(before == after) or before != before


def _where(before: Any, after: Any) -> str:
    """` (at [2])` when one place can be named."""
    if isinstance(before, torch.Tensor | np.ndarray) and before.shape == after.shape and before.ndim:
        a, b = torch.as_tensor(before).detach(), torch.as_tensor(after).detach()
        changed = ((a != b) & ~((a != a) & (b != b))).nonzero()
        return f" (at [{', '.join(str(int(i)) for i in changed[0])}])" if len(changed) == 1 else ""
    if isinstance(before, list) and len(before) != len(after):
        return f" (it had {len(before)} items and now has {len(after)})"
    if isinstance(before, dict) and len(before) <= MANY:
        changed = [key for key in {**before, **after} if key not in before or key not in after
                   or not same(before[key], after[key])]
        return f" (at {changed[0]!r})" if len(changed) == 1 else ""
    return ""


def _parameter_names(fn: Callable[..., Any], count: int) -> list[str]:
    """`rewards` where the function shows its parameters, `number 1` where it does not (a proxy)."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    named = [f"`{p.name}`" for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return (named + [f"number {i + 1}" for i in range(len(named), count)])[:count]
