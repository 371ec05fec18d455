"""Lint everything: `.venv/bin/python tools/lint.py`. Ruff reads each file, import-linter holds course_lib's layers.

Their settings are in pyproject.toml. A lesson's checks compare through the check engine only, and no
file gives a name twice. All run; the exit code is 1 when one of them found something.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent


OWN_COMPARISONS = frozenset(("allclose", "isclose", "assert_allclose", "assert_close", "assert_equal", "approx"))


def own_comparisons(path: Path) -> list[str]:
    """Places where a lesson's checks compare numbers by themselves.

    The engine's `close` knows number types, shapes and wrappings, and says what differs; a bare `allclose` turns right
    answers away.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in OWN_COMPARISONS:
            found.append(f"{path.parent.name}/{path.name}:{node.lineno}: `{name}` in a case: compare with `close`, "
                         "`agrees` or `difference` of course_lib.exercises")
    return found


def given_twice(path: Path) -> list[str]:
    """Functions and classes of a file whose name another one, further up, already had.

    The later one silently takes the place of the earlier, also for what stands between the two. A check's cases are all
    called `_`: the registry has them before the next one takes the name.
    """
    found, lines = [], {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name == "_":
            continue
        if node.name in lines:
            found.append(f"{path.parent.name}/{path.name}:{node.lineno}: `{node.name}` stands in line "
                         f"{lines[node.name]} already: what comes later takes its place")
        lines[node.name] = node.lineno
    return found


def main() -> int:
    """Run all; 1 when one of them finds something."""
    os.chdir(ROOT)                                  # import-linter reads the pyproject.toml and the package found here
    style = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", "."], check=False).returncode
    layers = lint_imports(no_cache=True, no_logo=True)
    compared = [line for path in sorted(ROOT.glob("lessons/*/*checks.py")) for line in own_comparisons(path)]
    print("\n".join(compared) or "checks: every comparison goes through the engine")
    twice = [line for folder in ("course_lib", "lessons", "tools", "benchmarks")
             for path in sorted(ROOT.glob(f"{folder}/**/*.py")) for line in given_twice(path)]
    print("\n".join(twice) or "names: none is given twice in a file")
    return int(bool(style or layers or compared or twice))


if __name__ == "__main__":
    sys.exit(main())
