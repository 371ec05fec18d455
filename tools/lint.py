"""Lint everything: `.venv/bin/python tools/lint.py`. Ruff reads each file, import-linter holds course_lib's layers.

Their settings are in pyproject.toml. A lesson's checks compare through the check engine only. All run; the exit code is
1 when one of them found something.
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


def main() -> int:
    """Run all; 1 when one of them finds something."""
    os.chdir(ROOT)                                  # import-linter reads the pyproject.toml and the package found here
    style = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", "."], check=False).returncode
    layers = lint_imports(no_cache=True, no_logo=True)
    compared = [line for path in sorted(ROOT.glob("lessons/*/checks.py")) for line in own_comparisons(path)]
    print("\n".join(compared) or "checks: every comparison goes through the engine")
    return int(bool(style or layers or compared))


if __name__ == "__main__":
    sys.exit(main())
