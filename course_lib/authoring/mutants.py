"""Mechanical mutants of an exercise's solution: each has one small slip, and a lesson's cases should notice it.

Besides the slips of slips.py: a constant in place of an argument, and a lost gradient. A mutant is called by what it
changes, `a - b → a + b`; a second one of the same name gets ` (2)`.
"""

import ast
import copy
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from course_lib.authoring import slips
from course_lib.authoring.answers import DETACHED
from course_lib.exercises.guard import copy as copied
from course_lib.exercises.guard import same

Function = Callable[..., Any]


@dataclass(frozen=True)
class Mutant:
    """A changed solution: what was changed, and the function."""

    name: str
    fn: Function


def of(fn: Function, cells: Sequence[str]) -> list[Mutant]:
    """All mutants of a solution.

    Args:
        fn: the solution.
        cells: the source of the cells that define it and its helpers.
    """
    tree = ast.parse("\n".join(cells))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    nodes = list(ast.walk(tree))
    parents = {id(child): place for place, node in enumerate(nodes) for child in ast.iter_child_nodes(node)}
    found: Counter[str] = Counter()
    made = []
    for place, node in enumerate(nodes[1:], start=1):
        parent = parents[id(node)]
        for version in range(len(list(slips.of(node, nodes[parent])))):
            changed = copy.deepcopy(tree)
            twins = list(ast.walk(changed))
            list(slips.of(twins[place], twins[parent]))[version]()
            if ast.unparse(changed) == ast.unparse(tree):
                continue
            small = isinstance(node, ast.Constant | ast.keyword | ast.UnaryOp)
            shown = parent if small and isinstance(nodes[parent], ast.expr | ast.keyword | ast.Slice) else place
            name = f"{_line(node if shown == place else nodes[parent])} → {_line(list(ast.walk(changed))[shown])}"
            found[name] += 1
            made.append(Mutant(name if found[name] == 1 else f"{name} ({found[name]})", _compiled(fn, changed)))
    return made


def _line(node: ast.AST) -> str:
    return ast.unparse(node).partition("\n")[0]


def frozen(fn: Function, recorder: "Recorder") -> list[Mutant]:
    """Mutants that take no notice of one number, truth value or word among their arguments, but use its first value."""
    first = recorder.calls[0].arguments if recorder.calls else {}
    constant = recorder.constant_arguments()
    return [Mutant(f"argument {name} → {value!r}", _with(fn, name, value)) for name, value in first.items()
            if isinstance(value, bool | int | float | str) and name not in constant]


def ignored(name: str) -> str:
    """What the matrix calls an argument that has one and the same value in all cases: an answer may ignore it."""
    return f"argument {name} never varies"


def detached(fn: Function) -> Mutant:
    """The mutant whose answer carries no gradient."""
    def without_gradient(*args: Any, **kwargs: Any) -> Any:
        return _detached(fn(*args, **kwargs))
    return Mutant(DETACHED, without_gradient)


class Recorder:
    """A solution that remembers what it was called with, and whether a gradient could flow through it."""

    def __init__(self, fn: Function) -> None:
        self._fn = fn
        self._signature = inspect.signature(fn)
        self.calls: list[inspect.BoundArguments] = []
        self.carries_gradient = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the solution."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        remembered = inspect.BoundArguments(self._signature, copied(dict(bound.arguments), {}))
        self.calls.append(remembered)
        if not self.carries_gradient:
            self.carries_gradient = _carries(self._fn, args, kwargs)
        return self._fn(*args, **kwargs)

    def constant_arguments(self) -> list[str]:
        """Arguments that have one and the same value in all calls."""
        if len(self.calls) < 2:
            return []
        first = self.calls[0].arguments
        return [name for name in first if all(_equal(first[name], call.arguments.get(name)) for call in self.calls[1:])]


def _equal(a: Any, b: Any) -> bool:
    try:
        return same(a, b)
    except Exception:           # a network or an environment, which has no equality of use
        return a is b


def _carries(fn: Function, args: Any, kwargs: Any) -> bool:
    """Whether the answer requires a gradient when its arguments do."""
    asked = [value.detach().clone().requires_grad_(True)
             if isinstance(value, torch.Tensor) and value.is_floating_point() else value for value in copied(args, {})]
    try:
        return _requires_grad(fn(*asked, **copied(kwargs, {})))
    except Exception:           # an argument that must not be trained, for example one that is filled
        return False


def _requires_grad(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.requires_grad
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, tuple | list) and any(map(_requires_grad, value))


def _detached(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {key: _detached(item) for key, item in value.items()}
    return type(value)(map(_detached, value)) if type(value) in (tuple, list) else value


def _with(fn: Function, name: str, value: Any) -> Function:
    signature = inspect.signature(fn)

    def ignoring(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        bound.arguments[name] = value
        return fn(*bound.args, **bound.kwargs)

    return ignoring


def _globals(fn: Function) -> dict[str, Any] | None:
    """The names that a function sees, or the methods of a class: a cell's class is of no module that can be found."""
    methods = (getattr(member, "__globals__", None) for member in vars(fn).values()) if isinstance(fn, type) else ()
    return getattr(fn, "__globals__", None) or next(filter(None, methods), None)


def _compiled(fn: Function, tree: ast.Module) -> Function:
    space = dict(_globals(fn) or vars(sys.modules[fn.__module__]))
    exec(compile(ast.fix_missing_locations(tree), "<mutant>", "exec"), space)
    return space[fn.__name__]
