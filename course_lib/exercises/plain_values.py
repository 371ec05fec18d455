"""Write a plain value as Python source: numbers, texts, containers of them, small tensors and arrays."""

import math
from typing import Any

import numpy as np
import torch

ROOM = 10_000           # characters; more is data, not a constant
FEW = 256               # values of a tensor


def as_source(value: Any) -> str | None:
    """Source that evaluates to an equal value (it may use `torch` and `numpy`), or None when the value is not plain."""
    text = _written(value)
    return text if text is not None and len(text) <= ROOM else None


def _written(value: Any) -> str | None:
    if value is None or value is Ellipsis or type(value) in (bool, int, str, bytes, torch.dtype, range):
        return repr(value)
    if isinstance(value, np.generic):
        return _written(value.item())
    if type(value) is float:
        return repr(value) if math.isfinite(value) else f'float("{value}")'
    if type(value) is torch.device:
        return f"torch.device({str(value)!r})"
    if type(value) is torch.Tensor and not value.requires_grad and value.numel() <= FEW:
        return f"torch.tensor({_written(value.tolist())}, dtype={value.dtype}, device={str(value.device)!r})"
    if type(value) is np.ndarray and value.size <= FEW and value.dtype.kind in "biuf":
        return f"numpy.array({_written(value.tolist())}, dtype={str(value.dtype)!r})"
    if type(value) in (list, tuple, set, frozenset):
        parts = [_written(item) for item in value]
        return None if None in parts else _container(value, parts)
    if type(value) is dict:
        pairs = [(_written(key), _written(item)) for key, item in value.items()]
        return None if any(None in pair for pair in pairs) else f"{{{', '.join(f'{k}: {v}' for k, v in pairs)}}}"
    return None


def _container(value: Any, parts: list[str]) -> str:
    inside = ", ".join(parts)
    if isinstance(value, list):
        return f"[{inside}]"
    if isinstance(value, tuple):
        return f"({inside}{',' if len(parts) == 1 else ''})"
    return f"{type(value).__name__}([{inside}])"
