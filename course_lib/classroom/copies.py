"""Arguments that were changed in the other process, and random states: what must be equal on both sides."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from course_lib.exercises import guard

RANDOM: tuple[tuple[Callable[[], Any], Callable[[Any], None], Callable[[], Any]], ...] = (   # get, set, draw
    (torch.get_rng_state, torch.set_rng_state, lambda: torch.rand(())),
    (np.random.get_state, np.random.set_state, np.random.random),
    (random.getstate, random.setstate, random.random),
)


def generators(value: Any) -> list[torch.Generator]:
    """The generators of torch in arguments."""
    if isinstance(value, torch.Generator):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [found for one in value for found in generators(one)] if isinstance(value, list | tuple) else []


def same(before: Any, after: Any) -> bool:
    """Whether arguments are as they were."""
    try:
        return guard.same(before, after)
    except Exception:           # an argument of the student's own class; it is no value
        return True


def write_back(old: Any, new: Any) -> None:
    """Write `new` into the containers, tensors and arrays of `old`, as code of this process would have done."""
    if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
        with torch.no_grad():
            if old.shape != new.shape or old.dtype != new.dtype:
                old.data = new.detach()
            elif old is not new:
                old.copy_(new.detach())
    elif isinstance(old, np.ndarray) and isinstance(new, np.ndarray) and old.shape == new.shape:
        old[...] = new
    elif isinstance(old, torch.Generator) and isinstance(new, torch.Generator):
        old.set_state(new.get_state())
    elif isinstance(old, list) and isinstance(new, list):
        for one, other in zip(old, new, strict=False):
            write_back(one, other)
        old[:] = [_kept(old, new, i) for i in range(len(new))]
    elif isinstance(old, tuple) and isinstance(new, tuple):
        for one, other in zip(old, new, strict=False):
            write_back(one, other)
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() & new.keys():
            write_back(old[key], new[key])
        kept = {key: old[key] if key in old and _holds(old[key]) else new[key] for key in new}
        old.clear()
        old.update(kept)
    elif isinstance(old, set) and isinstance(new, set):
        old.clear()
        old.update(new)
    elif hasattr(old, "__dataclass_fields__") and type(old) is type(new):
        for name in old.__dataclass_fields__:
            write_back(getattr(old, name), getattr(new, name))
            if not _holds(getattr(old, name)):
                object.__setattr__(old, name, getattr(new, name))


def _holds(value: Any) -> bool:
    return isinstance(value, torch.Tensor | np.ndarray | list | dict | set)


def _kept(old: list[Any], new: list[Any], i: int) -> Any:
    return old[i] if i < len(old) and _holds(old[i]) else new[i]


def equal(a: Any, b: Any) -> bool:
    """Whether two random states are equal."""
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        arrays = any(isinstance(one, torch.Tensor | np.ndarray) for one in (*a, *b))
        return all(map(equal, a, b)) if arrays else a == b
    if isinstance(a, torch.Tensor | np.ndarray):
        return type(a) is type(b) and bool((a == b).all())
    return a == b if type(a) is type(b) else False
