"""Notebooks as students hand them in, for the tests of the classroom."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def solution(lesson: str) -> dict[str, Any]:
    """The solution notebook of a lesson, without outputs."""
    book = json.loads(next((ROOT / "solutions").glob(f"{lesson}_*.ipynb")).read_text(encoding="utf-8"))
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    return book


def place(book: dict[str, Any], tag: str) -> int:
    """Where the cell with this tag is."""
    return next(i for i, cell in enumerate(book["cells"]) if tag in cell["metadata"].get("tags", ()))


def code(source: str, *tags: str) -> dict[str, Any]:
    """A code cell."""
    return {"cell_type": "code", "execution_count": None, "id": "more",
            "metadata": {"tags": list(tags)} if tags else {},
            "outputs": [], "source": source}


def with_code(exercise: str, source: str) -> dict[str, Any]:
    """The solutions of a lesson, with other code in the cell of one exercise."""
    book = solution(exercise[:2])
    book["cells"][place(book, f"exercise:{exercise}")]["source"] = source
    return book


def save(book: dict[str, Any], path: Path) -> Path:
    """Write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(book), encoding="utf-8")
    return path
