"""The slips that people make when they write a formula down, as changes to a syntax tree. Used by mutants.py.

A sign, a wrong or missing `dim`, off by one, a sum for a mean, a factor or a mask that was dropped, min for max,
operands the wrong way round, `<` for `<=`, True for False.
"""

import ast
from collections.abc import Callable, Iterator

SWAPPED_NAMES = {
    "mean": "sum", "sum": "mean", "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum",
    "argmin": "argmax", "argmax": "argmin", "any": "all", "all": "any", "amin": "amax", "amax": "amin",
    "log_softmax": "softmax", "softmax": "log_softmax", "std": "var", "zeros_like": "ones_like",
    "ones_like": "zeros_like", "zeros": "ones", "ones": "zeros", "floor": "ceil", "ceil": "floor",
}
DROPPED_CALLS = frozenset((
    "exp", "log", "abs", "sqrt", "sigmoid", "tanh", "relu", "neg", "clamp", "nan_to_num", "masked_fill", "cumsum",
    "flip", "detach", "reversed", "sorted", "softmax", "log_softmax", "round", "square", "logical_not", "roll", "pow",
    "gelu", "t", "transpose", "triu", "tril", "expm1", "log1p", "max", "min"))
ORDERED_CALLS = frozenset((
    "sub", "div", "matmul", "pow", "cross_entropy", "kl_div", "zip", "binary_cross_entropy_with_logits", "range",
    "gather"))
NEGLIGIBLE = 1e-6       # constants that only guard against a division by 0
KEPT_KEYWORDS = ("dtype", "device", "keepdim", "reduction")

Slip = Callable[[], None]               # makes the change in place
Replace = Callable[[ast.AST | None], Slip]


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


def of(node: ast.AST, parent: ast.AST) -> Iterator[Slip]:
    """Each slip that can be made in a node; the trees are changed when a slip is called."""

    def put(other: ast.AST | None) -> Slip:
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
    elif isinstance(node, ast.Continue | ast.Break) or _fills_an_entry(node):
        yield put(ast.Pass())
    elif isinstance(node, ast.Constant):
        yield from _constant(node, parent, put)
    elif isinstance(node, ast.Call):
        yield from _call(node, put)
    elif isinstance(node, ast.keyword) and isinstance(parent, ast.Call) and node.arg not in KEPT_KEYWORDS:
        flag = isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool)
        yield from () if flag else (put(None),)


def _fills_an_entry(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)


def _binary(node: ast.BinOp, put: Replace) -> Iterator[Slip]:
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


def _comparison(node: ast.Compare) -> Iterator[Slip]:
    others = {ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt),
              ast.GtE: (ast.Gt, ast.LtE), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,),
              ast.NotIn: (ast.In,)}
    for other in others.get(type(node.ops[0]), ()):
        yield lambda other=other: setattr(node, "ops", [other()])


def _constant(node: ast.Constant, parent: ast.AST, put: Replace) -> Iterator[Slip]:
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


def _call(node: ast.Call, put: Replace) -> Iterator[Slip]:
    attribute = isinstance(node.func, ast.Attribute)
    name = node.func.attr if attribute else getattr(node.func, "id", "")
    modules = ("torch", "np", "F", "math", "numpy")
    module = attribute and isinstance(node.func.value, ast.Name) and node.func.value.id in modules
    subject = node.func.value if attribute and not module else node.args[0] if node.args else None
    if name in SWAPPED_NAMES:
        field = "attr" if attribute else "id"
        yield lambda: setattr(node.func, field, SWAPPED_NAMES[name])
    if name in DROPPED_CALLS and subject is not None and not (name in ("max", "min") and not _is_bound(node, module)):
        yield put(subject)
    if name == "where" and len(node.args) == 3:
        yield from (put(node.args[1]), put(node.args[2]))
        yield lambda: node.args.__setitem__(slice(1, 3), node.args[:0:-1])
    if name in ("min", "max") and _is_bound(node, module):
        yield put(node.args[1])
    elif name in ORDERED_CALLS and len(node.args) == 2 and (module or not attribute):
        yield lambda: node.args.reverse()


def _is_bound(node: ast.Call, module: bool) -> bool:
    """Whether `max(a, b)` or `torch.min(a, b)` chooses between two values."""
    plain = isinstance(node.func, ast.Name) or module
    return plain and len(node.args) == 2 and not node.keywords
