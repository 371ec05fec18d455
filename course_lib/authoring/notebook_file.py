"""Built notebooks on disk: written the same way every time, compared cell by cell, outputs kept."""

import warnings
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.atomic import write_text


def text(notebook: NotebookNode) -> str:
    """The file's text: sorted keys, one space of indentation, LF, a newline at the end."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def read(path: Path) -> NotebookNode | None:
    """The notebook in `path`; None where there is none or where it cannot be read as a notebook."""
    try:
        with warnings.catch_warnings(action="ignore"):     # a doubled id gets a new one: a difference
            return nbformat.reads(path.read_text(encoding="utf-8"), as_version=nbformat.NO_CONVERT)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, AttributeError, nbformat.reader.NotJSONError):
        return None


def write(notebook: NotebookNode, path: Path) -> bool:
    """Write `notebook` unless the file already holds exactly that; True when something was written."""
    wanted = text(notebook)
    if path.exists() and path.read_bytes() == wanted.encode():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, wanted)
    return True


def keep_outputs(new: NotebookNode, old: NotebookNode | None) -> None:
    """Give the code cells of `new` the outputs that `old` holds for the same cell (id, source and tags alike)."""
    known = {_key(cell): cell for cell in (old.cells if old else []) if cell.cell_type == "code"}
    for cell in new.cells:
        if cell.cell_type == "code" and _key(cell) in known:
            cell.outputs = known[_key(cell)].outputs
            cell.execution_count = known[_key(cell)].execution_count


def without_outputs(notebook: NotebookNode) -> int:
    """How many non-empty code cells have never been executed in this file."""
    return sum(cell.cell_type == "code" and bool(cell.source.strip()) and cell.execution_count is None
               for cell in notebook.cells)


def differences(built: NotebookNode, on_disk: NotebookNode | None) -> list[str]:
    """What differs between two notebooks, one sentence for each cell; outputs are not compared."""
    if on_disk is None:
        return ["missing, or not a notebook"]
    found = []
    new, old = ({cell.get("id"): cell for cell in notebook.cells} for notebook in (built, on_disk))
    for cell_id, cell in new.items():
        if cell_id not in old:
            found.append(f"{_name(cell)} is new in the source")
            continue
        for what in ("cell_type", "source", "metadata"):
            if cell[what] != old[cell_id].get(what):
                found.append(f"{_name(cell)} has another {what.replace('cell_type', 'type')}")
    found += [f"{_name(cell)} is not in the source" for cell_id, cell in old.items() if cell_id not in new]
    if not found and [cell.id for cell in built.cells] != [cell.get("id") for cell in on_disk.cells]:
        found.append("the cells stand in another order")
    for what in ("metadata", "nbformat", "nbformat_minor"):
        if built[what] != on_disk.get(what):
            found.append(f"the notebook has another {what}")
    return found


def _key(cell: NotebookNode) -> tuple:
    return cell.get("id"), cell.source, tuple(cell.metadata.get("tags", ()))


def _name(cell: NotebookNode) -> str:
    first = next((line for line in cell.source.split("\n") if line.strip()), "")
    return f"cell {cell.get('id')} (`{first[:60]}`)"
