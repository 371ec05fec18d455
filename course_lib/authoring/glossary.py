"""The glossary: `lessons/glossary.md`, one line a term, becomes `notebooks/glossary.ipynb`, to which lesson 00 links.

A notebook, because JupyterLab shows it with its formulas, and so do the sites on which the course is read; and because
learners get their copy of it as of every lesson. A test holds each term to the lesson that is named beside it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode, v4

from course_lib import paths
from course_lib.authoring import notebook_file
from course_lib.authoring.render import METADATA
from course_lib.authoring.source import Fault, SourceError

NAME = "glossary.ipynb"
HEAD = "| term | symbol | meaning | lesson |"


@dataclass(frozen=True)
class Term:
    """One line of the glossary."""

    term: str
    symbol: str             # in TeX, or an abbreviation; may be empty
    meaning: str
    lesson: str             # the number of the lesson that introduces it


def source() -> Path:
    """What authors edit."""
    return paths.root() / "lessons" / "glossary.md"


def target() -> Path:
    """The notebook that is built from it."""
    return paths.root() / "notebooks" / NAME


def read(text: str) -> tuple[str, list[Term]]:
    """The words above the table, and its lines. Raises `SourceError`, with the line, for one that is not a term."""
    before, found, rows = text.partition(HEAD + "\n")
    if not found:
        raise SourceError(Fault(source(), 1, f"the table begins with `{HEAD}`"))
    terms = []
    first = before.count("\n") + 3
    for number, row in enumerate(rows.rstrip("\n").split("\n")[1:], start=first):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if len(cells) != 4 or not (cells[0] and cells[2]):
            cells_wanted = "a term has four cells: term, symbol (may be empty), meaning, lesson"
            raise SourceError(Fault(source(), number, cells_wanted))
        term = Term(*cells)
        if slug(term.lesson) is None:
            raise SourceError(Fault(source(), number, f"{term.term}: there is no lesson {term.lesson!r}"))
        terms.append(term)
    return before.strip(), terms


def slug(number: str) -> str | None:
    """`"03"` -> `"03_bradley_terry"`; None where no lesson has the number."""
    found = sorted((paths.root() / "lessons").glob(f"{number}_*")) if re.fullmatch(r"\d\d", number) else []
    return found[0].name if found else None


def render() -> NotebookNode:
    """The notebook: the words above, and the terms in the order of the alphabet, each with a link to its lesson."""
    before, terms = read(source().read_text(encoding="utf-8"))
    rows = [f"| **{term.term}** | {term.symbol} | {term.meaning} | [{term.lesson}]({slug(term.lesson)}.ipynb) |"
            for term in sorted(terms, key=lambda term: term.term.casefold())]
    cells = [v4.new_markdown_cell(before, id="glossary-top"),
             v4.new_markdown_cell("\n".join([HEAD, "|---|---|---|---|", *rows]), id="glossary-terms")]
    return v4.new_notebook(cells=cells, metadata=METADATA)


def build() -> str:
    """Write the notebook; says what was done. Nothing is done in a course without a glossary."""
    if not source().exists():
        return ""
    notebook = render()
    words = "built" if notebook_file.write(notebook, target()) else "unchanged"
    return f"{words:9} notebooks/{NAME}: {notebook.cells[1].source.count(chr(10)) - 1} terms"


def differences() -> list[str]:
    """What differs between the notebook that would be built and the one on disk."""
    return notebook_file.differences(render(), notebook_file.read(target())) if source().exists() else []
