"""Rules for the words of a notebook: how it opens and ends, pictures with alt text, links that lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nbformat import NotebookNode

from course_lib import paths
from course_lib.authoring.source import Cell, Fault

OPENING = {
    "goals": r"\bgoals?\b",
    "the minutes it takes": r"\d+\s+minutes\b|\bminutes\b\W+\d+|\{\{time\}\}",
    "what it builds on": r"\bbuilds on\b",
}
ENDING = {
    "what was learned": r"\blearn(ed|t)\b",
    "what failed": r"\bfail(s|ed|ure|ures)?\b",
    "further reading": r"\bfurther reading\b",
}

_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\](\((?P<target>[^)\s]+)[^)]*\)|\[[^\]]*\])")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)[^)]*\)")
_HTML_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_HTML_ALT = re.compile(r"""\balt\s*=\s*(["'])\s*[^"'\s]""", re.IGNORECASE)
_HTML_SRC = re.compile(r"""\bsrc\s*=\s*["']([^"']+)["']""", re.IGNORECASE)
_ELSEWHERE = re.compile(r"[a-z]+:|#", re.IGNORECASE)


def opening_and_ending(cells: list[Cell]) -> list[Fault]:
    """Faults in the first and the last cell of a notebook."""
    first, last = cells[0], cells[-1]
    found = []
    if first.kind != "markdown" or not first.source.startswith("# "):
        found.append(first.fault("the first cell is markdown and starts with the title: `# ...`"))
    for cell, place, wanted in ((first, "first", OPENING), (last, "last", ENDING)):
        missing = [name for name, pattern in wanted.items() if not re.search(pattern, cell.source, re.IGNORECASE)]
        if cell.kind != "markdown" or missing:
            found.append(cell.fault(f"the {place} cell must say: {', '.join(missing or wanted)}"))
    return found


def images(cell: Cell) -> list[Fault]:
    """Pictures without alt text, pictures from the web (the course works offline), pictures that are not there."""
    found = []
    for number, line in _prose_lines(cell):
        pictures = [(match["alt"].strip(), match["target"]) for match in _IMAGE.finditer(line)]
        for tag in _HTML_IMAGE.findall(line):
            source = _HTML_SRC.search(tag)
            pictures.append((_HTML_ALT.search(tag), source and source[1]))
        for alt, target in pictures:
            if not alt:
                found.append(cell.fault("a picture without alt text: say what it shows and what it finds", number))
            inside = target is None or target.startswith(("data:", "attachment:"))
            if not inside and not (_checkout(target) or Path()).is_file():
                found.append(cell.fault(f"the picture {target} is not a file of the checkout", number))
    return found


def links(cell: Cell) -> list[Fault]:
    """Relative links that lead nowhere in the learner's copies: notebooks of lessons and the glossary are there."""
    found = []
    for number, line in _prose_lines(cell):
        for match in _LINK.finditer(line):
            target = match["target"]
            if _ELSEWHERE.match(target):
                continue
            path = PurePosixPath(target.split("#")[0])
            lesson = paths.root() / "lessons" / path.stem
            in_copies = path.parts[:-1] in ((), ("..", "notebooks"), ("..", "exercises"), ("..", "solutions"))
            here = lesson.is_dir() or (path.stem == "glossary" and lesson.with_suffix(".md").is_file())
            if path.suffix != ".ipynb" or not in_copies or not here:
                found.append(cell.fault(f"the link to {target} leads nowhere: link ../notebooks/NN_slug.ipynb", number))
    return found


def has_wordless_picture(outputs: list[NotebookNode]) -> bool:
    """Whether a cell's outputs hold a picture that says nothing to people who cannot see it.

    A bare PNG has nowhere to put words: figures are shown with `course_lib.show.figures.show(figure, alt)`.
    """
    for output in outputs:
        data = output.get("data", {})
        words = "".join(data.get("text/html", ""))
        if any(mime.startswith("image/") for mime in data) and not words:
            return True
        if any(not _HTML_ALT.search(tag) for tag in _HTML_IMAGE.findall(words)):
            return True
    return False


def local_pictures(source: str) -> set[PurePosixPath]:
    """Files of the checkout that a markdown text shows, as paths from the checkout's root."""
    targets = {match["target"] for match in _IMAGE.finditer(source) if match["target"]}
    for tag in _HTML_IMAGE.findall(source):
        targets.update(_HTML_SRC.findall(tag))
    root = paths.root().resolve()
    found = (_checkout(target) for target in targets if not _ELSEWHERE.match(target))
    return {PurePosixPath(path.relative_to(root).as_posix()) for path in found if path and path.is_file()}


def _checkout(target: str) -> Path | None:
    if _ELSEWHERE.match(target):
        return None
    root = paths.root().resolve()
    path = (root / "notebooks" / target).resolve()
    return path if path.is_relative_to(root) else None


def _prose_lines(cell: Cell) -> Iterator[tuple[int, str]]:
    fenced = False
    for number, line in enumerate(cell.source.split("\n"), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, re.sub(r"`[^`]*`", "", line)
