"""axe-core, which looks for what shuts people out of a page."""

import shutil
import subprocess
from pathlib import Path

import pytest


def axe_core(folder: Path) -> str:
    """The source of axe-core, fetched into a folder that is thrown away; without npm or network the test is skipped."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: axe-core cannot be fetched")
    done = subprocess.run([npm, "install", "--no-save", "--prefix", str(folder), "axe-core@4.10.3"],
                          capture_output=True, text=True, timeout=120)
    source = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists():
        pytest.skip(f"axe-core could not be fetched: {done.stderr.strip()[-200:]}")
    return source.read_text()
