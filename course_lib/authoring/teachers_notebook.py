"""The teacher's notebook: `classroom/class_labels.py`, in cells like a lesson, becomes `classroom/class_labels.ipynb`.

It belongs to no lesson and has no exercises; the rest is as with lessons: outputs are stored, and kept where their cell
is unchanged. `course build classroom` builds it alone.
"""

import hashlib
from collections import Counter
from pathlib import Path

from nbformat import NotebookNode, v4

from course_lib import paths
from course_lib.authoring import notebook_file, prose
from course_lib.authoring.render import METADATA
from course_lib.authoring.source import Fault, SourceError, read_cells

WORD = "classroom"                  # what stands for it on the command line
NAME = "class_labels"
LONGEST = 30                        # lines of a code cell, as in lessons


def source() -> Path:
    """What authors edit."""
    return paths.root() / "classroom" / f"{NAME}.py"


def target() -> Path:
    """The notebook that is built from it."""
    return paths.root() / "classroom" / f"{NAME}.ipynb"


def render() -> NotebookNode:
    """The notebook without outputs. Raises `SourceError`, with the line, for a cell that breaks a rule."""
    seen: Counter[str] = Counter()
    cells = []
    for cell in read_cells(source()):
        first = next((line for line in cell.source.split("\n") if line.strip()), "")
        seen[first] += 1
        name = hashlib.sha256(f"{NAME}|{cell.kind}|{first}|{seen[first]}".encode()).hexdigest()[:12]
        wrong = [Fault(cell.path, cell.line, "an empty cell")] if not first else []
        if cell.kind == "markdown":
            wrong += prose.images(cell)
            cells.append(v4.new_markdown_cell(cell.source, id=name))
        else:
            if cell.source.count("\n") >= LONGEST:
                wrong.append(cell.fault(f"more than {LONGEST} lines of code: one idea each"))
            metadata = {"tags": list(cell.tags)} if cell.tags else {}
            cells.append(v4.new_code_cell(cell.source, id=name, metadata=metadata))
        if wrong:
            raise SourceError(wrong[0])
    return v4.new_notebook(cells=cells, metadata=METADATA)


def build() -> str:
    """Write the notebook with the outputs that still belong to it; says what was done. Empty without a source."""
    if not source().exists():
        return ""
    notebook = render()
    notebook_file.keep_outputs(notebook, notebook_file.read(target()))
    words = "built" if notebook_file.write(notebook, target()) else "unchanged"
    missing = notebook_file.without_outputs(notebook)
    note = f", {missing} without stored outputs (course build --execute {WORD})" if missing else ""
    return f"{words:9} {WORD}/{NAME}.ipynb: {len(notebook.cells)} cells{note}"


def execute(cell_seconds: int) -> None:
    """Run it and store its outputs. Raises `CourseError` when a cell fails; then nothing is stored."""
    from course_lib.authoring.execute import execute

    if source().exists():
        execute(target(), cell_seconds=cell_seconds)


def differences() -> list[str]:
    """What differs between the notebook that would be built and the one on disk."""
    return notebook_file.differences(render(), notebook_file.read(target())) if source().exists() else []
