"""Collect a function's source together with everything of its notebook that it needs to stand alone.

From the names that the function uses globally, and those that its helpers use in turn: imports, functions, classes,
and plain constants (numbers, texts, lists of them, small tensors), which are written as Python source. What is none of
these cannot come along: a network or an environment that lives in the notebook belongs into the function's arguments.
"""

import __future__

import ast
import builtins
import functools
import inspect
import math
import symtable
import sys
import textwrap
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from course_lib.exercises.notebook import imports_of, source_of_class

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


ANSWER_MODULE = "course_answer_"        # how `mine` names the modules that it loads


class CannotCollect(Exception):
    """The function cannot stand alone; the text is one sentence that says why and what would help."""


def collect(fn: Callable[..., Any], name: str) -> str:
    """The text of a Python file that defines `name`, equal to `fn`, and nothing that it does not need.

    Raises:
        CannotCollect: the source cannot be found, or needs something that only lives in the notebook.
    """
    base = inspect.unwrap(fn) if callable(fn) else fn
    if not isinstance(base, types.FunctionType | type):
        raise CannotCollect("it is neither a function nor a class; define it with `def` in a cell.")
    collector = _Collector(base.__module__)
    collector.add(name, fn)
    return collector.text()


class _Collector:
    """What was collected so far: import lines, and definitions in an order in which each finds what it needs."""

    def __init__(self, home: str) -> None:
        self._home = home                           # the module whose definitions are copied, not imported
        self._written = imports_of(home)
        self._imports: set[str] = set()
        self._definitions: dict[str, tuple[Any, str]] = {}
        self._pending: set[str] = set()

    def text(self) -> str:
        futures = sorted(line for line in self._imports if line.startswith("from __future__"))
        others = sorted(self._imports - set(futures), key=lambda line: (line.startswith("from"), line))
        head = "\n".join([*futures, *others])
        parts = [text for _, text in self._definitions.values()]
        return "\n\n\n".join([head, *parts] if head else parts) + "\n"

    def add(self, name: str, value: Any) -> None:
        """Collect what binds `name` to `value`."""
        base = _unwrapped(value)
        if isinstance(base, types.FunctionType | type) and self._is_own(base):
            self._add_definition(name, value, base)
        elif (lines := _import_lines(name, value, self._written)) is not None:
            self._imports |= lines
        elif (text := as_source(value)) is not None:
            self._imports |= {f"import {module}" for module in ("torch", "numpy") if f"{module}." in text}
            self._bind(name, value, f"{name} = {text}")
        else:
            raise CannotCollect(f"it uses `{name}` of this notebook ({_kind(value)}), which cannot be saved with it. "
                                f"Pass `{name}` as an argument, or make it inside the function.")

    def _is_own(self, base: Any) -> bool:
        return base.__module__ == self._home or str(base.__module__).startswith(ANSWER_MODULE)

    def _add_definition(self, name: str, value: Any, base: Any) -> None:
        own_name = name if base.__name__ == "<lambda>" else base.__name__
        if own_name in self._pending:
            return
        text = _source(base, own_name)
        if own_name not in self._definitions:
            self._pending.add(own_name)
            self._add_needs(text, base)
            self._pending.discard(own_name)
        self._bind(own_name, value, text)
        if name != own_name:
            self._bind(name, value, f"{name} = {own_name}")

    def _add_needs(self, text: str, base: Any) -> None:
        space = base.__globals__ if isinstance(base, types.FunctionType) else vars(sys.modules[base.__module__])
        if isinstance(base, types.FunctionType):
            if set(base.__code__.co_freevars) - {"__class__"}:
                raise CannotCollect(f"`{base.__name__}` was made inside another function and uses its variable "
                                    f"`{base.__code__.co_freevars[0]}`. Define it at the top level of a cell.")
            if base.__code__.co_flags & __future__.annotations.compiler_flag:
                self._imports.add("from __future__ import annotations")
        for name in sorted(global_names(text)):
            if name in space and getattr(builtins, name, None) is not space[name]:
                self.add(name, space[name])

    def _bind(self, name: str, value: Any, text: str) -> None:
        before = self._definitions.get(name)
        if before is not None and before[1] != text:
            raise CannotCollect(f"it needs two different things that are both called `{name}`. Rename one of them.")
        self._definitions.setdefault(name, (value, text))


def _unwrapped(value: Any) -> Any:
    if not callable(value):
        return value
    try:
        return inspect.unwrap(value)
    except ValueError:
        return value


def _source(base: Any, name: str) -> str:
    """The text of a `def`, a `class` or a lambda; always one that binds `name`."""
    try:
        text = source_of_class(base) if isinstance(base, type) else inspect.getsource(base)
        text = textwrap.dedent(text).strip()
        tree = ast.parse(text)
    except (OSError, TypeError, SyntaxError) as error:
        raise CannotCollect(f"the source of `{name}` cannot be found. Define it with `def` in a cell, "
                            "then run its check again.") from error
    if isinstance(tree.body[0], ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return text
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    if len(lambdas) != 1:
        raise CannotCollect(f"`{name}` is a lambda among others. Define it with `def` in a cell.")
    return f"{name} = {ast.get_source_segment(text, lambdas[0])}"


def global_names(text: str) -> set[str]:
    """Names that a definition looks up outside itself: in its body, its decorators, defaults and annotations."""
    top = symtable.symtable(text, "answer", "exec")
    names = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    tables = list(top.get_children())
    while tables:
        table = tables.pop()
        names |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
        tables += table.get_children()
    return names


def _import_lines(name: str, value: Any, written: dict[str, set[str]]) -> set[str] | None:
    """Import lines that bind `name` to `value`: as the notebook wrote them, else as the value tells."""
    for line in sorted(written.get(name, ())):
        if _gives(line, name, value):
            same_root = {other for other in written[name] if other.startswith("import ")}
            return {line} | (same_root if line.startswith("import ") and " as " not in line else set())
    if isinstance(value, types.ModuleType):
        return {f"import {value.__name__}" if name == value.__name__ else f"import {value.__name__} as {name}"}
    module, own_name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if isinstance(value, functools.partial) or not isinstance(module, str) or module == "__main__":
        return None
    for candidate in (name, own_name):
        if isinstance(candidate, str) and getattr(sys.modules.get(module), candidate, None) is value:
            return {f"from {module} import {candidate}" + (f" as {name}" if name != candidate else "")}
    return None


def _gives(line: str, name: str, value: Any) -> bool:
    """Whether an import line binds `name` to this very value, judged by the modules that are loaded already."""
    node = ast.parse(line).body[0]
    alias = node.names[0]
    if isinstance(node, ast.Import):
        return sys.modules.get(alias.name if alias.asname else alias.name.partition(".")[0]) is value
    module = sys.modules.get(node.module or "")
    found = getattr(module, alias.name, sys.modules.get(f"{node.module}.{alias.name}"))
    return value is not None and found is value


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"
