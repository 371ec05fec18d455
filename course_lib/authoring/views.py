"""One lesson's notebooks from its sources: the lesson, the solutions (filled) and the exercises (stubs).

Cell ids depend only on the lesson, the cell's tag or first line, and how often that line came before, so that
a new cell leaves the ids of all others, and with them a learner's copies and the stored outputs, as they were.
"""

import hashlib
from collections.abc import Callable, Iterable

from nbformat import NotebookNode, v4

from course_lib.authoring import registry, solutions
from course_lib.authoring.source import Cell, Fault, Lesson, SourceError, read_cells

FOLDERS = ("notebooks", "exercises", "solutions")

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3",
    },
}


def views(lesson: Lesson) -> dict[str, NotebookNode]:
    """The notebooks of a lesson without outputs, by folder; only those whose source file exists."""
    exercises = registry.exercises_of(lesson.number)
    made = {}
    if lesson.lesson.exists():
        made["notebooks"] = _notebook(lesson, read_cells(lesson.lesson), exercises, solutions.fill)
    if lesson.exercises.exists():
        cells = read_cells(lesson.exercises)
        made["solutions"] = _notebook(lesson, cells, exercises, solutions.fill)
        open_cells = [cell for cell in cells if "solution-only" not in cell.tags]
        made["exercises"] = _notebook(lesson, open_cells, exercises, solutions.strip)
    return made


def _notebook(lesson: Lesson, cells: Iterable[Cell], exercises: dict, view: Callable[[str], str]) -> NotebookNode:
    seen: dict[str, int] = {}
    made = []
    for cell in cells:
        anchor = _anchor(cell)
        seen[anchor] = seen.get(anchor, 0) + 1
        metadata = {"tags": list(cell.tags)} if cell.tags else {}
        cell_id = _cell_id(lesson.slug, anchor, seen[anchor])
        if cell.kind == "markdown":
            source = registry.fill_placeholders(cell.source, exercises)
            made.append(v4.new_markdown_cell(source, id=cell_id, metadata=metadata))
        elif cell.kind == "code":
            made.append(v4.new_code_cell(_in_view(cell, view), id=cell_id, metadata=metadata))
        else:
            raise SourceError(cell.fault(f"a {cell.kind} cell: only code and markdown are used"))
    return v4.new_notebook(cells=made, metadata=METADATA)


def _in_view(cell: Cell, view: Callable[[str], str]) -> str:
    try:
        return view(cell.source)
    except solutions.SolutionError as error:
        raise SourceError(Fault(cell.path, cell.line + error.line, str(error))) from None


def _anchor(cell: Cell) -> str:
    for tag in cell.tags:
        if tag.startswith(("exercise:", "check:")):
            return tag
    return cell.kind + "|" + next((line for line in cell.source.split("\n") if line.strip()), "")


def _cell_id(slug: str, anchor: str, occurrence: int) -> str:
    if anchor.startswith(("exercise:", "check:")) and occurrence == 1:
        return anchor.replace(":", "-").replace(".", "-")
    return hashlib.sha256(f"{slug}|{anchor}|{occurrence}".encode()).hexdigest()[:12]
