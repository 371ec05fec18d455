"""How far each claim of a notebook was from failing: the two sides of its comparisons, noted while its cells run.

`expect(0.58 < accuracy < 0.66, ...)` gets only a truth value. In a kernel where `install()` was called (tools/claims.py
does so in a startup file) the `expect` calls of each cell are rewritten before they run: each comparison of two numbers
in the condition that counts notes its slack, the distance to the bound on the side where the claim holds. Of several
comparisons the one that decides counts: the smallest slack of an `and` or `all`, the largest of an `or` or `any`.
A claim that fails is noted and the notebook goes on.
"""

import ast
import json
import operator
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from course_lib.budget import in_ci

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Lt": operator.lt, "LtE": operator.le, "Gt": operator.gt, "GtE": operator.ge, "Eq": operator.eq,
    "NotEq": operator.ne, "Is": operator.is_, "IsNot": operator.is_not,
    "In": lambda a, b: a in b, "NotIn": lambda a, b: a not in b}
SYMBOLS = {"Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">="}
CLAIM, COMPARE, ALL_OF, ANY_OF, NOT, CLOSE = (
    "_margins_claim", "_margins_compare", "_margins_all_of", "_margins_any_of", "_margins_not", "_margins_close")


@dataclass(frozen=True)
class Outcome:
    """What a condition gave: whether it held, by how much (None: no two numbers compared), and the deciding bound."""

    held: bool
    slack: float | None = None
    bound: str = ""

    def __bool__(self) -> bool:
        return self.held


@dataclass(frozen=True)
class ClaimRun:
    """One claim in one run. relative: the slack as a share of the larger side, so that claims can be ranked."""

    cell: int
    claim: str
    held: bool
    slack: float | None
    relative: float | None
    bound: str


def install(shell: Any, note: Callable[[ClaimRun], None]) -> None:
    """Rewrite every cell that this IPython shell runs from now on; `note` gets each claim as it is made."""
    def claim(expect: Callable[..., None], condition: Callable[[], Any], text: str, *,
              ci: Callable[[], Any] | None = None, measured: Any = None) -> None:
        wider = ci() if ci is not None and in_ci() else None
        if isinstance(wider, str):                          # not asked of a short run
            expect(True, text, ci=wider, measured=measured)
            return
        outcome = as_outcome(condition() if wider is None else wider)
        note(ClaimRun(shell.execution_count - 1, text, outcome.held, outcome.slack, relative(outcome), outcome.bound))
        try:
            expect(outcome.held, text, measured=measured)
        except AssertionError as missed:
            print(missed)

    shell.user_ns.update({CLAIM: claim, COMPARE: compare, ALL_OF: all_of, ANY_OF: any_of, NOT: negate, CLOSE: close})
    shell.ast_transformers.append(Rewriter())


def note_in(path: str) -> Callable[[ClaimRun], None]:
    """A `note` that adds each claim to the file as a line of JSON."""
    def note(run: ClaimRun) -> None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(run)) + "\n")
            file.flush()
            os.fsync(file.fileno())
    return note


def as_outcome(value: Any) -> Outcome:
    """The value of a condition as an outcome."""
    return value if isinstance(value, Outcome) else Outcome(bool(value))


def relative(outcome: Outcome) -> float | None:
    """The slack over the larger of the two sides; None when there is none, 0 when both sides are 0."""
    if outcome.slack is None:
        return None
    left, _, right = outcome.bound.split(" ")
    larger = max(abs(float(left)), abs(float(right)))
    return outcome.slack / larger if larger else 0.0


def compare(left: Any, *rest: tuple[str, Callable[[], Any]]) -> Any:
    """`left < b < c` with the slack of its narrowest part; anything but single numbers is compared as Python does."""
    outcomes = []
    for name, thunk in rest:
        right = thunk()
        value = OPERATORS[name](left, right)
        numbers = [number_of(left), number_of(right)]
        if name in SYMBOLS and None not in numbers:
            slack = numbers[1] - numbers[0] if name.startswith("L") else numbers[0] - numbers[1]
            outcomes.append(Outcome(bool(value), slack, f"{numbers[0]:.6g} {SYMBOLS[name]} {numbers[1]:.6g}"))
        elif len(rest) == 1:
            return value
        else:
            outcomes.append(Outcome(bool(value)))
        if not outcomes[-1].held:
            break
        left = right
    return narrowest(outcomes)


def number_of(value: Any) -> float | None:
    """A plain number, or what holds exactly one (a tensor or an array of no dimensions); None for anything else."""
    if isinstance(value, bool):
        return None
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def close(fn: Callable[..., Any], first: Any, second: Any, rtol: float = 1e-5, atol: float = 1e-8,
          **more: Any) -> Outcome:
    """`allclose` of numpy or torch, with the slack of the worst element."""
    import numpy as np

    held = bool(fn(first, second, rtol=rtol, atol=atol, **more))
    a, b = (np.asarray(getattr(x, "detach", lambda x=x: x)(), dtype=float) for x in (first, second))
    room, gap = np.broadcast_arrays(atol + rtol * np.abs(b), np.abs(a - b))
    worst = int((room - gap).argmin())
    return Outcome(held, float((room - gap).flat[worst]), f"{gap.flat[worst]:.6g} <= {room.flat[worst]:.6g}")


def all_of(values: Iterable[Any]) -> Outcome:
    """`and`, or `all(...)`: the narrowest of those looked at decides; the first that fails ends it."""
    outcomes = []
    for value in values:
        outcomes.append(as_outcome(value))
        if not outcomes[-1].held:
            break
    return narrowest(outcomes)


def any_of(values: Iterable[Any]) -> Outcome:
    """`or`, or `any(...)`: the widest decides."""
    outcomes = [as_outcome(value) for value in values]
    with_slack = [outcome for outcome in outcomes if outcome.slack is not None]
    held = any(outcome.held for outcome in outcomes)
    return max(with_slack, key=lambda outcome: outcome.slack) if with_slack else Outcome(held)


def negate(value: Any) -> Outcome:
    """`not`: what was slack is now what is missing."""
    outcome = as_outcome(value)
    return Outcome(not outcome.held, None if outcome.slack is None else -outcome.slack, outcome.bound)


def narrowest(outcomes: list[Outcome]) -> Outcome:
    """Of conditions that must all hold: the failed one, or the one with the least slack against its sides."""
    failed = [outcome for outcome in outcomes if not outcome.held]
    with_slack = [outcome for outcome in failed or outcomes if outcome.slack is not None]
    return min(with_slack, key=lambda outcome: relative(outcome)) if with_slack else Outcome(not failed)


class Rewriter(ast.NodeTransformer):
    """Turns `expect(condition, claim, ci=wide, ...)` into a call that evaluates conditions by the functions above."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not (isinstance(node.func, ast.Name) and node.func.id == "expect" and node.args):
            return node
        node.args[0] = _later(_Conditions().visit(node.args[0]))
        for keyword in node.keywords:
            if keyword.arg == "ci":
                keyword.value = _later(_Conditions().visit(keyword.value))
        return ast.copy_location(ast.Call(_name(CLAIM), [node.func, *node.args], node.keywords), node)

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return ast.fix_missing_locations(self.generic_visit(node))


class _Conditions(ast.NodeTransformer):
    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        parts = [ast.Tuple([ast.Constant(type(op).__name__), _later(right)], ast.Load())
                 for op, right in zip(node.ops, node.comparators, strict=True)]
        return ast.Call(_name(COMPARE), [node.left, *parts], [])

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        values = ast.GeneratorExp(
            ast.Call(ast.Name("_margins_thunk", ast.Load()), [], []),
            [ast.comprehension(ast.Name("_margins_thunk", ast.Store()),
                               ast.Tuple([_later(value) for value in node.values], ast.Load()), [], 0)])
        return ast.Call(_name(ALL_OF if isinstance(node.op, ast.And) else ANY_OF), [values], [])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return ast.Call(_name(NOT), [node.operand], []) if isinstance(node.op, ast.Not) else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in ("all", "any") and isinstance(node.func, ast.Name) and len(node.args) == 1:
            return ast.Call(_name(ALL_OF if name == "all" else ANY_OF), node.args, [])
        if name == "allclose":
            return ast.Call(_name(CLOSE), [node.func, *node.args], node.keywords)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node


def _later(node: ast.expr) -> ast.Lambda:
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Lambda(nothing, node)


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())
