"""Say what a value is in one line: kind, values, shape, type. Never fails and never prints a huge object."""

import types
from itertools import islice
from typing import Any

import numpy as np
import torch

FEW = 10            # items of a list that are written out
SMALL = 24          # values of a tensor that are written out; more are summed up
LONG = 400          # characters of any description
CALL = 160          # characters of one argument inside a call


def describe(value: Any) -> str:
    """One line about a value, for the `Expected` and `Got` rows of a card.

    Tensors and arrays up to 24 values are written out, larger ones are summed up by their range; both name shape and
    type.
    """
    try:
        text = _describe(value)
    except Exception as error:      # a learner's class may have a __repr__ or __len__ that raises
        text = f"an object of type {type(value).__name__} that cannot be printed ({type(error).__name__})"
    text = " ".join(text.split()) if "\n" in text else text
    return text if len(text) <= LONG else text[: LONG - 1] + "…"


def describe_call(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The call as one would type it: `tie_loss([0.7], [0.7], mu=0.5)`."""
    parts = [brief(value) for value in args] + [f"{key}={brief(value)}" for key, value in kwargs.items()]
    return f"{name}({', '.join(parts)})"


def brief(value: Any) -> str:
    """A value as short as possible, for inside a call: small tensors as lists, large ones by their shape."""
    if isinstance(value, torch.Tensor | np.ndarray):
        small = value.numel() <= SMALL if isinstance(value, torch.Tensor) else value.size <= SMALL
        return _values(value) if small else f"<{_kind(value)} of shape {shape(value)}>"
    if callable(value):
        return _name(value)
    text = _literal(value) or describe(value)
    return text if len(text) <= CALL else text[: CALL - 1] + "…"


def _literal(value: Any) -> str:
    """A short list, tuple or dict as one would type it; empty for a long one and for anything else."""
    if type(value) in (list, tuple) and len(value) <= FEW:
        inside = ", ".join(brief(item) for item in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(value) == 1)})"
    if type(value) is dict and len(value) <= FEW:
        return f"{{{', '.join(f'{key!r}: {brief(item)}' for key, item in value.items())}}}"
    return ""


def shape(value: Any) -> tuple[int, ...]:
    """The shape of a tensor, an array or a number."""
    return tuple(getattr(value, "shape", ()))


def number(value: Any) -> str:
    """A number with four significant digits, whole numbers as they are: 0.6931, 12, True."""
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def _name(value: Any) -> str:
    return getattr(value, "__name__", type(value).__name__)


def _kind(value: Any) -> str:
    return "tensor" if isinstance(value, torch.Tensor) else "numpy array"


def _values(value: torch.Tensor | np.ndarray) -> str:
    plain = value.detach().tolist() if isinstance(value, torch.Tensor) else value.tolist()
    return _nested(plain)


def _nested(plain: Any) -> str:
    return f"[{', '.join(_nested(item) for item in plain)}]" if isinstance(plain, list) else number(plain)


def _array(value: torch.Tensor | np.ndarray) -> str:
    size = value.numel() if isinstance(value, torch.Tensor) else value.size
    dtype = str(value.dtype).removeprefix("torch.")
    where = f"shape {shape(value)}, {dtype}"
    if size <= SMALL:
        return f"{_kind(value)} {_values(value)}, {where}"
    if dtype not in ("float16", "bfloat16", "float32", "float64"):
        return f"{_kind(value)} of {where}"
    flat = torch.as_tensor(value).detach().double().flatten()
    usable = flat[torch.isfinite(flat)]
    span = f", values from {number(usable.min().item())} to {number(usable.max().item())}" if len(usable) else ""
    odd = f", {size - len(usable)} of {size} NaN or infinite" if len(usable) < size else ""
    return f"{_kind(value)} of {where}{span}{odd}"


def _describe(value: Any) -> str:
    if isinstance(value, torch.Tensor | np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        return f"{number(value)} ({type(value).__name__})"
    if value is None or isinstance(value, bool | int | float):
        return number(value)
    if isinstance(value, str):
        return repr(value[:LONG])
    if isinstance(value, list | tuple):
        inside = ", ".join(brief(item) for item in islice(value, FEW)) + (", …" if len(value) > FEW else "")
        brackets = "[]" if isinstance(value, list) else "()"
        return f"{type(value).__name__} of {len(value)}: {brackets[0]}{inside}{brackets[1]}"
    if isinstance(value, dict):
        inside = ", ".join(f"{key!r}: {brief(item)}" for key, item in islice(value.items(), FEW))
        return f"dict of {len(value)}: {{{inside}{', …' if len(value) > FEW else ''}}}"
    if isinstance(value, types.ModuleType):
        return f"the module {value.__name__}"
    if isinstance(value, types.GeneratorType):
        return "a generator (a function with `yield` inside gives one)"
    if isinstance(value, torch.nn.Module):
        return f"a {type(value).__name__} (torch.nn.Module)"
    if callable(value):
        return f"the {'class' if isinstance(value, type) else 'function'} {_name(value)}"
    return f"{type(value).__name__}: {repr(value)[:LONG]}"
