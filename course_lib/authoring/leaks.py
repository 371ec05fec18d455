"""Nothing of a solution may stand in the learner's notebook: not in another cell, not in words, not in an output."""

import re
from collections.abc import Iterable, Iterator

from nbformat import NotebookNode

from course_lib.authoring import solutions
from course_lib.authoring.source import Cell, Fault

SHORTEST = 16        # characters: `return x + 1` says nothing, `return F.logsigmoid(r1 - r2)` gives the answer


def telling_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of `text` that would give a solution away, with their number from 1: code and words, no imports."""
    for number, line in enumerate(text.split("\n"), start=1):
        bare = _bare(re.sub(r"\s#.*$", "", line))
        if len(bare) >= SHORTEST and not re.match(r"(import|from) |#?\s*$", bare):
            yield number, bare


def secrets(cells: Iterable[Cell]) -> list[tuple[Cell, int, str]]:
    """Each telling line that only the solution may show: cell, line in its source, the line with single spaces."""
    found = []
    for cell in cells:
        if "solution-only" in cell.tags:
            found += [(cell, number, line) for number, line in telling_lines(cell.source)]
        elif cell.kind == "code":
            for block in solutions.blocks(cell.source):
                found += [(cell, block.begin + n, line) for n, line in telling_lines("\n".join(block.lines))]
    return found


def in_source(cells: list[Cell]) -> list[Fault]:
    """Secrets of `exercises.py` that its learner's view would show, each at the line of the solution."""
    try:
        hidden = secrets(cells)
        shown = [(cell, _bare(solutions.strip(cell.source))) for cell in cells if "solution-only" not in cell.tags]
    except solutions.SolutionError:
        return []                          # reported as what it is by the rule for markers
    return [cell.fault(f"this line of the solution also stands in the cell at line {other.line}: {line}", number)
            for cell, number, line in hidden for other, source in shown if line in source]


def in_notebook(cells: Iterable[Cell], notebook: NotebookNode) -> list[str]:
    """Secrets that stand anywhere in a built notebook: sources, outputs, metadata."""
    everything = _bare("\n".join(strings(notebook)))
    return [line for _, _, line in secrets(cells) if line in everything]


def strings(node: object) -> Iterator[str]:
    """Every text in a tree of lists and dictionaries, for example a notebook."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)


def _bare(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
