"""`course reset 03.2`: one exercise's cells as the course ships them, the rest of the learner's notebook untouched.

A learner's notebook is read and written as plain JSON, cell by cell: nbformat would repair and reorder a file as it
reads it; here every cell that is not meant stays exactly as it was.
"""

import argparse
import copy
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from course_lib import atomic, paths
from course_lib.atomic import in_a_sentence
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


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `course reset` to the command line."""
    parser = subparsers.add_parser("reset", help="put one exercise back as it was, keeping a copy of yours")
    parser.add_argument("exercise", metavar="NN.N", help="the exercise's number, for example 03.2")
    parser.add_argument("--notebook", type=Path, metavar="FILE",
                        help="the notebook to mend, when you work in another than my_work/exercises/NN_....ipynb")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Restore the exercise and say what was done and where the old code is."""
    shipped, key = _find(arguments.exercise)
    target = arguments.notebook or paths.my_work() / "exercises" / shipped.name
    kept, changed = reset(key, shipped, target)
    if not changed:
        print(f"Exercise {key} in {target} is as the course ships it already: nothing to do.")
        return 0
    print(f"Exercise {key} in {target} is as it was at the start; the other cells were not touched.")
    if kept:
        print(f"Your code is kept in {kept}.")
    print("If the notebook is open in JupyterLab, choose File > Reload Notebook from Disk now, before you save it.")
    return 0


def reset(key: str, shipped: Path, target: Path) -> tuple[Path | None, bool]:
    """Restore exercise `key` in the notebook `target` from the notebook `shipped`.

    Returns: the file that holds the learner's code (None when there was none to keep), and whether anything changed.
    Raises:
        CourseError: the notebook is missing, broken or cannot be written; it is then as it was.
    """
    try:
        mine = read(target)
    except FileNotFoundError:
        raise CourseError(f"{target} is not there: `course lab` brings a fresh copy of what is missing") from None
    cells = restored(mine["cells"], read(shipped)["cells"], key)
    if cells == mine["cells"]:
        return None, False
    still_there = {id(cell) for cell in cells}
    gone = [source(cell) for cell in mine["cells"] if id(cell) not in still_there]
    kept = _keep(key, gone, target) if gone else None
    with in_a_sentence(target):
        write({**mine, "cells": cells}, target)
    return kept, True


def restored(mine: list[Cell], shipped: list[Cell], key: str) -> list[Cell]:
    """The learner's cells with those of exercise `key` as shipped; all others are the same objects in the same order.

    A cell of the exercise that is gone comes back after the nearest cell before it that is still there, and in any
    case before the check; a check cell that is gone comes back as well.
    """
    exercise, check = f"exercise:{key}", f"check:{key}"
    cells = list(mine)
    used: set[int] = set()
    for place, stub in enumerate(shipped):
        tag = next((tag for tag in tags(stub) if tag in (exercise, check)), None)
        if tag is None:
            continue
        fresh = copy.deepcopy(stub)
        if not any("id" in cell for cell in mine):             # an old format, in which cells have no ids
            fresh.pop("id", None)
        at = _match(cells, stub, tag, used)
        if at is None:
            at = _place(cells, shipped, place, check)
            cells.insert(at, fresh)
        elif tag == exercise and not _alike(cells[at], fresh):
            cells[at] = fresh
        used.add(id(cells[at]))
    return [cell for cell in cells if exercise not in tags(cell) or id(cell) in used]


def _match(cells: list[Cell], stub: Cell, tag: str, used: set[int]) -> int | None:
    """Where the learner's version of `stub` stands: the cell with its id, or else the first with its tag."""
    free = [at for at, cell in enumerate(cells) if id(cell) not in used]
    same_id = [at for at in free if cells[at].get("id", "") == stub["id"]]
    return next(iter(same_id + [at for at in free if tag in tags(cells[at])]), None)


def _alike(cell: Cell, stub: Cell) -> bool:
    """The same cell, whether or not it has been run."""
    def bare(cell: Cell) -> tuple[Any, ...]:
        return cell["cell_type"], source(cell), tags(cell)
    return bare(cell) == bare(stub)


def _place(cells: list[Cell], shipped: list[Cell], place: int, check: str) -> int:
    """Where a missing cell, `shipped[place]`, belongs among the learner's."""
    known = {cell.get("id"): at for at, cell in enumerate(cells) if cell.get("id")}
    before = next((known[cell["id"]] for cell in reversed(shipped[:place]) if cell["id"] in known), None)
    at = len(cells) if before is None else before + 1
    checks = [number for number, cell in enumerate(cells) if check in tags(cell)]
    return min([at, *checks])


def _keep(key: str, sources: list[str], target: Path) -> Path:
    folder = target.parent / "kept"
    content = f"# Exercise {key}: your code before `course reset {key}`.\n\n" + "\n\n# %%\n".join(sources) + "\n"
    with in_a_sentence(folder):
        return atomic.create_next(lambda number: folder / f"{key}-{number}.py", content.encode())


def _find(word: str) -> tuple[Path, str]:
    """The shipped exercise notebook that holds this exercise, and its id with two digits (`3.2` is `03.2`)."""
    match = re.fullmatch(r"(\d{1,2})\.(\d+)", word)
    if not match:
        raise CourseError(f"{word!r} is not an exercise's number: write it as 03.2 (lesson 03, second exercise)")
    number, key = match[1].zfill(2), f"{match[1].zfill(2)}.{match[2]}"
    known: list[str] = []
    for path in sorted((paths.root() / "exercises").glob(f"{number}_*.ipynb")):
        every = [tag for cell in read(path)["cells"] for tag in tags(cell)]
        if f"exercise:{key}" in every:
            return path, key
        known += sorted({tag.removeprefix("exercise:") for tag in every if tag.startswith("exercise:")})
    there = f"lesson {number} has {', '.join(known)}" if known else f"lesson {number} has no exercises here"
    raise CourseError(f"there is no exercise {key}; {there}")
