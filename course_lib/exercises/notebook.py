"""The notebook that is running, as source: its cells, the imports they wrote, where a class stands, its own name."""

import ast
import inspect
import linecache
import os
import sys
from pathlib import Path

from course_lib.exercises.screen import in_ipython


def in_solutions() -> bool:
    """Whether the running notebook lies in a folder `solutions`: then a pass is the course's, not the learner's.

    Jupyter servers tell the kernel the notebook's path in `JPY_SESSION_NAME`, VS Code in a variable of the notebook.
    """
    here = os.environ.get("JPY_SESSION_NAME", "")
    if in_ipython():
        from IPython import get_ipython

        here = get_ipython().user_ns.get("__vsc_ipynb_file__", here)
    return Path(here.replace("\\", "/")).parent.name == "solutions"


def texts(module: str) -> list[str]:
    """The source of a module: the cells that were run, in order, for a notebook's `__main__`; else its file."""
    if module == "__main__" and in_ipython():
        from IPython import get_ipython

        return [cell for cell in get_ipython().user_ns.get("In", ()) if cell.strip()]
    file = getattr(sys.modules.get(module), "__file__", None)
    return ["".join(linecache.getlines(file))] if file else []


def imports_of(module: str) -> dict[str, set[str]]:
    """Import lines of a module by the name that they bind; one name per line."""
    found: dict[str, set[str]] = {}
    for text in texts(module):
        for node in _imports(_parsed(text)):
            for alias in node.names:
                if isinstance(node, ast.Import):
                    bound = alias.asname or alias.name.partition(".")[0]
                elif node.level == 0 and alias.name != "*" and node.module != "__future__":
                    bound = alias.asname or alias.name
                else:
                    continue
                single = (ast.Import([alias]) if isinstance(node, ast.Import)
                          else ast.ImportFrom(node.module, [alias], 0))
                found.setdefault(bound, set()).add(ast.unparse(single))
    return found


def source_of_class(cls: type) -> str:
    """The text of a class; `inspect` does not find those of a notebook before Python 3.13.

    Raises:
        OSError: it is not found.
    """
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        pass
    for text in reversed(texts(cls.__module__)):
        for node in _parsed(text).body:
            if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                return "\n".join(text.splitlines()[first - 1:node.end_lineno])
    raise OSError(f"the source of {cls.__name__} is not found")


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:                     # a cell that failed
        return ast.Module([], [])


def _imports(node: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    """Imports outside functions and classes."""
    found = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            found.append(child)
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            found += _imports(child)
    return found
