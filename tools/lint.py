"""Lint everything: `.venv/bin/python tools/lint.py`. Ruff reads each file, import-linter holds course_lib's layers.

The settings of both are in pyproject.toml. Both always run; the exit code is 1 when one of them found something.
"""

import os
import subprocess
import sys
from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run both; 1 when one of them finds something."""
    os.chdir(ROOT)                                  # import-linter reads the pyproject.toml and the package found here
    style = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", "."], check=False).returncode
    layers = lint_imports(no_cache=True, no_logo=True)
    return int(bool(style or layers))


if __name__ == "__main__":
    sys.exit(main())
