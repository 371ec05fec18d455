"""A learner's notebook file, read and written without touching what is not ours: plain JSON, cell by cell.

nbformat would repair and reorder a file as it reads it; here every cell that is not meant stays exactly as it was.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from course_lib import atomic
from course_lib.errors import CourseError

Cell = dict[str, Any]


class BrokenNotebook(CourseError):
    """The file is not a whole notebook: half written, empty, or something else."""


def read(path: Path) -> dict[str, Any]:
    """The notebook in `path`. Raises `BrokenNotebook` where it is none, `FileNotFoundError` without a file."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(cell, dict) and isinstance(cell["cell_type"], str) for cell in notebook["cells"]):
            return notebook
    except (ValueError, KeyError, TypeError):
        pass
    raise BrokenNotebook(
        f"{path} is not a whole notebook (was it half written when a disk was full?). It was left as it is. An older "
        f"state may be in {path.parent / '.ipynb_checkpoints'}. Rename the file, and `course lab` brings a fresh copy.")


def write(notebook: dict[str, Any], path: Path) -> None:
    """Replace the file in one step, indented as it was: cells that did not change keep their bytes."""
    atomic.write_text(path, json.dumps(notebook, indent=_indent(path), ensure_ascii=False) + "\n")


def source(cell: Cell) -> str:
    """A cell's text; files hold it as one string or as a list of lines."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def tags(cell: Cell) -> list[str]:
    """A cell's tags; none where the file has none."""
    metadata = cell.get("metadata")
    found = metadata.get("tags") if isinstance(metadata, dict) else None
    return [tag for tag in found if isinstance(tag, str)] if isinstance(found, list) else []


def digest(notebook: dict[str, Any]) -> str:
    """One hash for what a lesson says: types, sources, tags and order of the cells; outputs do not matter."""
    cells = [[cell["cell_type"], source(cell), tags(cell)] for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(cells, ensure_ascii=False).encode()).hexdigest()


def _indent(path: Path) -> int:
    match = re.match(rb"\{\r?\n( +)", path.read_bytes()[:40]) if path.exists() else None
    return len(match[1]) if match else 1
