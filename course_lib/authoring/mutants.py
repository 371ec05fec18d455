"""Mechanical mutants of an exercise's solution: each has one small slip, and a lesson's cases should notice it.

The slips are those that people make: a sign, a wrong or missing `dim`, off by one, a sum for a mean, a factor or a mask
that was dropped, min for max, operands the wrong way round, `<` for `<=`, a constant in place of an argument, a lost
gradient. A mutant is called by what it changes, `a - b → a + b`; a second one of the same name gets ` (2)`.
"""

import ast
import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from course_lib.authoring.answers import DETACHED
from course_lib.exercises.guard import copy as copied
from course_lib.exercises.guard import same

Function = Callable[..., Any]

SWAPPED_NAMES = {
    "mean": "sum", "sum": "mean", "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum",
    "argmin": "argmax", "argmax": "argmin", "any": "all", "all": "any", "amin": "amax", "amax": "amin",
    "log_softmax": "softmax", "softmax": "log_softmax", "std": "var", "zeros_like": "ones_like", "ones_like": "zeros_like",
    "zeros": "ones", "ones": "zeros", "floor": "ceil", "ceil": "floor", "nonzero": "logical_not",
}
DROPPED_CALLS = frozenset((
    "exp", "log", "abs", "sqrt", "sigmoid", "tanh", "relu", "neg", "clamp", "nan_to_num", "masked_fill", "cumsum", "flip",
    "detach", "reversed", "sorted", "softmax", "log_softmax", "round", "square", "logical_not", "roll", "pow", "gelu", "t",
    "transpose", "triu", "tril", "expm1", "log1p", "max", "min"))
ORDERED_CALLS = frozenset((
    "sub", "div", "matmul", "pow", "cross_entropy", "kl_div", "zip", "binary_cross_entropy_with_logits", "range", "gather"))
NEGLIGIBLE = 1e-6       # constants that only guard against a division by 0


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
    found: dict[str, int] = {}
    made = []
    for place, node in enumerate(ast.walk(tree)):
        for version, (before, after) in enumerate(_slips(node, _parent_of(tree, node))):
            name = f"{before} → {after}"
            found[name] = found.get(name, 0) + 1
            name += f" ({found[name]})" if found[name] > 1 else ""
            changed = _changed(tree, place, version)
            if changed is not None:
                made.append(Mutant(name, _compiled(fn, changed)))
    return made


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
    asked = [value.detach().clone().requires_grad_(True) if isinstance(value, torch.Tensor) and value.is_floating_point() else value
             for value in copied(args, {})]
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


def _compiled(fn: Function, tree: ast.Module) -> Function:
    space = dict(fn.__globals__) if hasattr(fn, "__globals__") else dict(vars(__import__("sys").modules[fn.__module__]))
    exec(compile(ast.fix_missing_locations(tree), "<mutant>", "exec"), space)
    return space[fn.__name__]


def _changed(tree: ast.Module, place: int, version: int) -> ast.Module | None:
    """A copy of the tree with one slip made; None where the same text comes out."""
    changed = copy.deepcopy(tree)
    node = next(node for i, node in enumerate(ast.walk(changed)) if i == place)
    parent = _parent_of(changed, node)
    slip = list(_makers(node, parent))[version]
    slip()
    return changed if ast.unparse(changed) != ast.unparse(tree) else None


def _parent_of(tree: ast.AST, node: ast.AST) -> ast.AST | None:
    return next((other for other in ast.walk(tree) if any(child is node for child in ast.iter_child_nodes(other))), None)


def _slips(node: ast.AST, parent: ast.AST | None) -> Iterator[tuple[str, str]]:
    """(before, after) of each slip in one node, as text."""
    count = len(list(_makers(node, parent)))
    for version in range(count):
        alone_parent = copy.deepcopy(parent)
        inside = None
        if parent is not None:
            index = next(i for i, child in enumerate(ast.iter_child_nodes(parent)) if child is node)
            inside = list(ast.iter_child_nodes(alone_parent))[index]
        target = inside if inside is not None else copy.deepcopy(node)
        shown = alone_parent if isinstance(node, ast.Constant | ast.keyword | ast.UnaryOp) and isinstance(
            parent, ast.expr | ast.keyword | ast.Slice) else None
        before = ast.unparse(shown if shown is not None else target)
        box = _Box(target)
        holder = alone_parent if parent is not None else box
        list(_makers(target, holder))[version]()
        if shown is not None:
            after = ast.unparse(alone_parent)
        elif parent is not None:
            children = list(ast.iter_child_nodes(alone_parent))
            same_place = len(children) == len(list(ast.iter_child_nodes(parent)))
            after = ast.unparse(children[index]) if same_place else "(nothing)"
        else:
            after = "(nothing)"
        yield before, after


class _Box(ast.AST):
    """Holds a node that has no parent."""

    _fields = ("value",)

    def __init__(self, value: ast.AST) -> None:
        super().__init__()
        self.value = value


def _put(parent: ast.AST, node: ast.AST, other: ast.AST | None) -> None:
    """Replace `node` by `other` in `parent`; remove it from a list where `other` is None."""
    for field, value in ast.iter_fields(parent):
        if value is node:
            setattr(parent, field, other)
            return
        if isinstance(value, list) and any(item is node for item in value):
            at = next(i for i, item in enumerate(value) if item is node)
            value[at:at + 1] = [] if other is None else [other]
            return


def _makers(node: ast.AST, parent: ast.AST | None) -> Iterator[Callable[[], None]]:
    """What makes each slip, in place."""
    if parent is None:
        return

    def put(other: ast.AST | None) -> Callable[[], None]:
        return lambda: _put(parent, node, other)

    if isinstance(node, ast.BinOp):
        yield from _binary(node, put)
    elif isinstance(node, ast.UnaryOp):
        if not isinstance(node.operand, ast.Constant):
            yield put(node.operand)
        elif isinstance(node.op, ast.USub) and isinstance(node.operand.value, int):
            yield put(ast.Constant(node.operand.value - 1))
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _comparison(node)
    elif isinstance(node, ast.BoolOp):
        yield lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
        yield from (put(value) for value in node.values[:2])
    elif isinstance(node, ast.IfExp):
        yield from (put(node.body), put(node.orelse))
    elif isinstance(node, ast.If):
        yield lambda: setattr(node, "test", ast.Constant(True))
        yield lambda: setattr(node, "test", ast.Constant(False))
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        yield lambda: setattr(node, "op", ast.Sub() if isinstance(node.op, ast.Add) else ast.Add())
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript) and _statements(parent) > 1:
        yield put(ast.Pass())
    elif isinstance(node, ast.Continue | ast.Break):
        yield put(ast.Pass())
    elif isinstance(node, ast.Constant):
        yield from _constant(node, parent, put)
    elif isinstance(node, ast.Call):
        yield from _call(node, put)
    elif isinstance(node, ast.keyword) and isinstance(parent, ast.Call) and node.arg not in ("dtype", "device", "keepdim", "reduction"):
        if not (isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool)):
            yield put(None)


def _statements(parent: ast.AST) -> int:
    return len(getattr(parent, "body", ()))


def _binary(node: ast.BinOp, put: Callable[[ast.AST], Callable[[], None]]) -> Iterator[Callable[[], None]]:
    left, right = node.left, node.right
    if any(isinstance(side, ast.Constant) and isinstance(side.value, float) and 0 < abs(side.value) <= NEGLIGIBLE
           for side in (left, right)):
        return
    turned = ast.BinOp(right, node.op, left)
    if isinstance(node.op, ast.Add):
        yield lambda: setattr(node, "op", ast.Sub())
        yield from (put(left), put(right))
    elif isinstance(node.op, ast.Sub):
        yield lambda: setattr(node, "op", ast.Add())
        yield from (put(turned), put(left))
    elif isinstance(node.op, ast.Mult | ast.BitAnd | ast.BitOr):
        yield from (put(left), put(right))
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            yield lambda: setattr(node, "op", ast.BitOr() if isinstance(node.op, ast.BitAnd) else ast.BitAnd())
    elif isinstance(node.op, ast.Div):
        yield lambda: setattr(node, "op", ast.Mult())
        yield from (put(turned), put(left))
    elif isinstance(node.op, ast.MatMult):
        yield put(turned)
    elif isinstance(node.op, ast.Pow | ast.Mod | ast.FloorDiv):
        yield put(left)


def _comparison(node: ast.Compare) -> Iterator[Callable[[], None]]:
    others = {ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
              ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,)}
    for other in others.get(type(node.ops[0]), ()):
        yield lambda other=other: setattr(node, "ops", [other()])


def _constant(node: ast.Constant, parent: ast.AST, put: Callable[[ast.AST], Callable[[], None]]) -> Iterator[Callable[[], None]]:
    value = node.value
    if isinstance(value, bool):
        if isinstance(parent, ast.keyword) and parent.arg not in ("strict", "requires_grad"):
            yield put(ast.Constant(not value))
    elif isinstance(value, int) and not isinstance(parent, ast.UnaryOp):
        yield put(ast.Constant(value + 1))
        if value > 0:
            yield put(ast.Constant(value - 1))
    elif isinstance(value, float) and abs(value) > NEGLIGIBLE:
        yield put(ast.Constant(2 * value))
    elif isinstance(value, float) and value == 0.0:
        yield put(ast.Constant(1.0))


def _call(node: ast.Call, put: Callable[[ast.AST], Callable[[], None]]) -> Iterator[Callable[[], None]]:
    attribute = isinstance(node.func, ast.Attribute)
    name = node.func.attr if attribute else getattr(node.func, "id", "")
    module = attribute and isinstance(node.func.value, ast.Name) and node.func.value.id in ("torch", "np", "F", "math", "numpy")
    subject = node.func.value if attribute and not module else node.args[0] if node.args else None
    if name in SWAPPED_NAMES:
        field = "attr" if attribute else "id"
        yield lambda: setattr(node.func, field, SWAPPED_NAMES[name])
    if name in DROPPED_CALLS and subject is not None and not (name in ("max", "min") and not _is_bound(node, module)):
        yield put(subject)
    if name == "where" and len(node.args) == 3:
        yield from (put(node.args[1]), put(node.args[2]))
        yield lambda: node.args.__setitem__(slice(1, 3), node.args[:0:-1])
    plain = not attribute or module
    if name in ORDERED_CALLS and plain and len(node.args) == 2 or name in ("min", "max") and _is_bound(node, module):
        if name not in ("min", "max"):
            yield lambda: node.args.reverse()
        else:
            yield put(node.args[1])


def _is_bound(node: ast.Call, module: bool) -> bool:
    """Whether `max(a, b)` or `torch.min(a, b)` chooses between two values."""
    plain = isinstance(node.func, ast.Name) or module
    return plain and len(node.args) == 2 and not node.keywords
