"""Find in a notebook what an answer needs, and nothing else: runs in the student's process.

Of every code cell only the statements count that bind a name which the answer uses, directly or through others, and
those that change such a name's value (`TABLE.append(...)`): imports, functions, classes, constants. Demonstrations,
prints, checks and endless loops beside them are left out. The cell of an exercise is told by its tag `exercise:03.1`,
or by the name that it defines.

Of several definitions of one name the one counts that was in force at the exercise's check: the last before its cell
`check("03.1", ...)`, else the last one. Untouched stubs do not count beside others.
"""

import ast
import linecache
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from course_lib.exercises.source_collector import global_names

NOT_RUN = ("check", "hint", "board", "expect")          # calls of these are no part of an answer
_MAGIC = re.compile(r"^([^\S\n]*)(?=\S)(?:[%!].*|.*\?{1,2}[^\S\n]*)$", re.MULTILINE)


@dataclass
class Statement:
    """One statement of a cell."""

    cell: int
    node: ast.stmt
    binds: set[str]
    touches: set[str]               # names whose value it changes
    needs: set[str] = field(default_factory=set)
    stub: bool = False
    anywhere: bool = False          # `from x import *`: may bind anything


class Notebook:
    """The statements of a notebook's code cells.

    Attributes:
        faults: cells that are no Python, by number: what is wrong.
    """

    def __init__(self, cells: Sequence[str], stubs: Sequence[str] = ()) -> None:
        """cells: sources of the code cells, in order. stubs: sources of the exercises' cells as they were released."""
        self.cells = list(cells)
        self.faults: dict[int, str] = {}
        released = {ast.dump(node) for text in stubs for node in ast.parse(text).body}
        self.statements: list[Statement] = []
        for number, text in enumerate(cells):
            for node in self._parsed(number, text):
                if isinstance(node, ast.Expr | ast.Assign) and _called(node.value) in NOT_RUN:
                    continue
                made = Statement(number, node, _bound(node), _touched(node), stub=ast.dump(node) in released)
                made.anywhere = "*" in made.binds
                made.needs = _needed(node)
                self.statements.append(made)

    def _parsed(self, number: int, text: str) -> list[ast.stmt]:
        for source in (text, _MAGIC.sub(r"\1pass", text)):
            try:
                return ast.parse(source).body
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                fault = f"{type(error).__name__}: {error}"
        self.faults[number] = fault
        return []

    def check_of(self, exercise: str) -> int:
        """Number of the last cell that checks this exercise; one more than there are cells when none does."""
        pattern = re.compile(rf"""\bcheck\(\s*["']{re.escape(exercise)}["']""")
        found = [number for number, text in enumerate(self.cells) if pattern.search(text)]
        return found[-1] if found else len(self.cells)

    def answer(self, exercise: str, function: str) -> list[Statement]:
        """The statements that define an answer, in order; empty when nothing binds its name."""
        until = self.check_of(exercise)
        if not self._binding(function, until):
            return []
        chosen: dict[int, Statement] = {id(one): one for one in self.statements if one.anywhere}
        wanted, seen = [function], set()
        for one in chosen.values():
            wanted += one.needs
        while wanted:
            name = wanted.pop()
            if name in seen:
                continue
            seen.add(name)
            for one in self._binding(name, until):
                if id(one) not in chosen:
                    chosen[id(one)] = one
                    wanted += one.needs
        return [one for one in self.statements if id(one) in chosen]

    def _binding(self, name: str, until: int) -> list[Statement]:
        """Statements that give a name the value that it has at the check, in order."""
        every = [one for one in self.statements if name in one.binds]
        own = [one for one in every if not one.stub] or every
        before = [one for one in own if one.cell <= until]
        binding = before or own
        if not binding:
            return []
        last = binding[-1]
        if isinstance(last.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
            binding = [last]
        limit = until if before else len(self.cells)
        start = self.statements.index(last) if len(binding) == 1 else -1
        return binding + [one for i, one in enumerate(self.statements)
                          if i > start and name in one.touches and name not in one.binds and one.cell <= limit]

    def everything(self) -> list[Statement]:
        """All statements, where names may be bound in a way that cannot be told from the source; else none."""
        hidden = any(word in text for text in self.cells for word in ("exec(", "globals()", "setattr("))
        return self.statements if hidden else []


def run(statements: Sequence[Statement], cells: Sequence[str], space: dict[str, Any], name: str) -> list[str]:
    """Run statements one by one in `space`; what goes wrong is told, and the next one runs."""
    told = []
    for number, text in enumerate(cells):                   # tracebacks and `inspect` find the lines there
        linecache.cache[f"<{name} {number}>"] = (len(text), None, text.splitlines(keepends=True), f"<{name} {number}>")
    for one in statements:
        module = ast.Module([one.node], [])
        try:
            exec(compile(module, f"<{name} {one.cell}>", "exec"), space)
        except Exception as error:
            told.append(f"line {one.node.lineno} of code cell {one.cell + 1}: {type(error).__name__}: "
                        f"{str(error)[:200]}")
    return told


def _called(node: ast.expr | None) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _scope(node: ast.AST) -> list[ast.AST]:
    """The node and all nodes in it, without the insides of functions, classes and comprehensions."""
    found = [node]
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.ListComp
                      | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        for child in ast.iter_child_nodes(node):
            found += _scope(child)
    return found


def _bound(node: ast.stmt) -> set[str]:
    names: set[str] = set()
    for one in _scope(node):
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            names.add(one.id)
        elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(one.name)
        elif isinstance(one, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in one.names}
    return names


def _touched(node: ast.stmt) -> set[str]:
    """Names whose value is changed by a statement: `x[0] = 1`, `x.a = 1`, `x.append(1)`."""
    names: set[str] = set()
    for one in _scope(node):
        changed = (isinstance(one, ast.Attribute | ast.Subscript) and isinstance(one.ctx, ast.Store)) or (
            isinstance(one, ast.Expr) and isinstance(one.value, ast.Call))
        root: Any = one.value.func if isinstance(one, ast.Expr) and isinstance(one.value, ast.Call) else one
        if changed and isinstance(root, ast.Attribute | ast.Subscript):
            while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
                root = root.func if isinstance(root, ast.Call) else root.value
            if isinstance(root, ast.Name):
                names.add(root.id)
    return names


def _needed(node: ast.stmt) -> set[str]:
    try:
        return global_names(ast.unparse(node))
    except (SyntaxError, ValueError, RecursionError):
        return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
