"""Two ways to run a built notebook for a test, both strict and in the CI budget, each in a my_work of its own.

By hand, all notebooks and solutions of the course (or of some lessons) in one pytest run:

    python tests/notebooks/notebook_runs.py [NN ...]
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient

from course_lib import kernel, paths
from course_lib.authoring import execute

CELL_SECONDS = 900                  # a cell that hangs; not one on a slow machine
RUN = ("notebooks", "solutions")
EQUAL = Path(__file__).with_name("equal.cfg")           # what nbval takes for equal where it compares


class Raised(NamedTuple):
    """A cell that raised: its place in the notebook, its tags, the name of the exception and its text."""

    index: int
    tags: tuple[str, ...]
    name: str
    text: str


def built(folder: str, numbers: Iterable[str] = ()) -> list[Path]:
    """The notebooks of lessons in one folder of the checkout, of all or of some."""
    wanted = set(numbers)
    found = sorted((paths.root() / folder).glob("[0-9][0-9]_*.ipynb"))
    return [path for path in found if not wanted or path.name[:2] in wanted]


def environment(work: Path) -> dict[str, str]:
    """Strict, small, apart from the author's own work, and not part of another pytest-xdist run."""
    kept = {name: value for name, value in execute.environment(work).items() if not name.startswith("PYTEST_")}
    return {**kept, "COURSE_BUDGET": "ci", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}


def nbval_command(notebooks: Iterable[Path], cell_seconds: int = CELL_SECONDS, workers: int = 0) -> list[str]:
    """pytest with nbval: every cell must run, in its order, on this Python's kernel.

    Where a cell has the tag `nbval-check-output` (it shows what benchmarks have stored), its output is compared with
    the one in the notebook, but for pictures and the seconds that a claim took. A hanging cell or a dead kernel is
    noticed after `cell_seconds`. All cells of one notebook stay in one worker.
    """
    parallel = ["-n", str(workers), "--dist", "loadscope"] if workers else ["-p", "no:xdist"]
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly",
            "--nbval-lax", f"--nbval-sanitize-with={EQUAL}", "--nbval-current-env",
            f"--nbval-cell-timeout={cell_seconds}",
            *parallel, *map(str, notebooks)]


def nbval(notebook: Path, cell_seconds: int = CELL_SECONDS) -> subprocess.CompletedProcess:
    """Run one notebook under nbval. Its exit code is 0 only when there were cells and all of them ran."""
    with tempfile.TemporaryDirectory(prefix="course-work-") as work:
        return subprocess.run(nbval_command([notebook], cell_seconds), env=environment(Path(work)), cwd=notebook.parent,
                              capture_output=True, text=True)


def raising_cells(notebook: Path, cell_seconds: int = CELL_SECONDS) -> list[Raised]:
    """Run every cell of a notebook, whatever happens, and list those that raised."""
    content = nbformat.read(notebook, as_version=4)
    with tempfile.TemporaryDirectory(prefix="course-work-") as work:
        NotebookClient(content, timeout=cell_seconds, kernel_name=kernel.NAME, allow_errors=True,
                       resources={"metadata": {"path": str(notebook.parent)}}).execute(env=environment(Path(work)))
    return [Raised(index, tuple(cell.metadata.get("tags", ())), output.ename, output.evalue)
            for index, cell in enumerate(content.cells) for output in cell.get("outputs", ())
            if output.output_type == "error"]


def main(numbers: list[str]) -> int:
    """All notebooks and solutions at once, two at a time; pytest's exit code."""
    notebooks = [path for folder in RUN for path in built(folder, numbers)]
    with tempfile.TemporaryDirectory(prefix="course-work-") as work:
        command = nbval_command(notebooks, workers=2)
        return subprocess.run(command, env=environment(Path(work)), cwd=paths.root()).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
