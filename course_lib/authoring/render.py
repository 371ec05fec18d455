"""One lesson's notebooks from its sources: the lesson, the solutions (filled) and the exercises (stubs).

An author writes the solution between two marker lines inside a function:

    def tie_loss(r1, r2):
        # BEGIN SOLUTION
        return ...
        # END SOLUTION

`fill` drops the marker lines; `strip` puts one line that raises `NotImplementedError` in place of the whole block.
Both work on a cell or on a whole `exercises.py`.

A find-the-bug exercise gives the learner code that runs. Its lines follow `# INSTEAD`, each behind `# `:

        # BEGIN SOLUTION
        loss = F.binary_cross_entropy_with_logits(s1 - s2, mu)
        # INSTEAD
        # loss = F.binary_cross_entropy_with_logits(torch.sigmoid(s1 - s2), mu)
        # END SOLUTION

Headings of exercises (`fill_placeholders`), and the time they take (`{{time}}` in the opening of `exercises.py`), come
from the check engine's registry. Cell ids depend only on the lesson, the cell's tag or first line, and how often that
line came before, so that a new cell leaves the ids of all others, and with them a learner's copies and the stored
outputs, as they were.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from nbformat import NotebookNode, v4

from course_lib.authoring.source import Cell, Fault, Lesson, SourceError, read_cells
from course_lib.exercises import registry
from course_lib.exercises.registry import Exercise

PLACEHOLDER = re.compile(r"\{\{exercise (\d\d\.\d+)\}\}")
TIME = "{{time}}"
IMPORTANCE = {1: "optional", 2: "important", 3: "essential"}


def exercises_of(number: str) -> dict[str, Exercise]:
    """The registered exercises of lesson `number` (`"03"`) by id, in order; empty without a file of checks."""
    return {found.id: found for found in registry.of_lesson(number)} if number in registry.lessons() else {}


def heading(exercise: Exercise) -> str:
    """The line above an exercise: `### Exercise 03.2 — Ties  ●●○ · important · 10 minutes · 2 points`."""
    dots = "●" * exercise.difficulty + "○" * (3 - exercise.difficulty)
    minutes = f"{exercise.minutes} minute{'s' * (exercise.minutes != 1)}"
    points = f"{exercise.points:g} point{'s' * (exercise.points != 1)}"
    facts = " · ".join((dots, IMPORTANCE[exercise.importance], minutes, points))
    return f"### Exercise {exercise.id} — {exercise.title}  {facts}"


def fill_placeholders(source: str, exercises: dict[str, Exercise]) -> str:
    """`source` with each `{{exercise 03.2}}` replaced by its heading; unknown ids stay (a rule reports them)."""
    return PLACEHOLDER.sub(lambda found: heading(exercises[found[1]]) if found[1] in exercises else found[0], source)


def time_taken(exercises: Sequence[Exercise]) -> str:
    """What stands in place of `{{time}}`: all minutes, and which exercises are essential, in the given order."""
    essential = [exercise for exercise in exercises if exercise.importance == 3]
    whole = f"About {sum(exercise.minutes for exercise in exercises)} minutes."
    if not essential:
        return whole
    ids = [exercise.id for exercise in essential]
    listed = ids[0] if len(ids) == 1 else f"{', '.join(ids[:-1])} and {ids[-1]}"
    minutes = sum(exercise.minutes for exercise in essential)
    if len(ids) == 1:
        return f"{whole} The essential one, {listed}, takes {minutes} minutes."
    return f"{whole} The essential ones, in the order of the lesson, are {listed}: {minutes} minutes."


def in_order_of(lesson: Lesson, exercises: dict[str, Exercise]) -> list[Exercise]:
    """The exercises in the order in which the lesson sends there; those that it does not name come last, by number."""
    text = lesson.lesson.read_text(encoding="utf-8") if lesson.lesson.exists() else ""

    def place(id: str) -> tuple[float, int]:
        named = rf"[Ee]xercises?[\s#]+{re.escape(id)}\b"
        sent = re.search(rf"(\[|\*\*)\**{named}", text) or re.search(named, text)
        return sent.start() if sent else math.inf, int(id[3:])

    return [exercises[id] for id in sorted(exercises, key=place)]


STUB = "raise NotImplementedError            # your code"

_MARKER = re.compile(r"^(?P<indent>[ \t]*)#\s*(?P<what>BEGIN|END) SOLUTION\s*$")
_INSTEAD = re.compile(r"^[ \t]*# INSTEAD\s*$")
_LOOSE_MARKER = re.compile(r"(begin|end)\s+solution", re.IGNORECASE)


class SolutionError(ValueError):
    """A marker stands where it cannot work. `line` counts from 1 in the text that was given."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Block:
    """One solution: the marker lines' numbers (from 1), their indentation, and the lines between them."""

    begin: int
    end: int
    indent: str
    lines: tuple[str, ...]            # the solution
    instead: tuple[str, ...]          # what the learner gets in its place, still behind `# `; () for the usual stub

    @property
    def stub(self) -> list[str]:
        """The lines that stand in the learner's notebook."""
        if not self.instead:
            return [self.indent + STUB]
        return [re.sub(r"^([ \t]*)# ?", r"\1", line, count=1) for line in self.instead]


def blocks(source: str) -> list[Block]:
    """All solution blocks of `source`, in order. Raises `SolutionError` for a marker without its partner."""
    found: list[Block] = []
    lines = source.split("\n")
    opened: tuple[int, str] | None = None
    for number, line in enumerate(lines, start=1):
        marker = _MARKER.match(line)
        if marker is None:
            if _LOOSE_MARKER.search(line) and line.lstrip().startswith("#"):
                exact = "write exactly `# BEGIN SOLUTION` or `# END SOLUTION`"
                raise SolutionError(number, f"`{line.strip()}` is not a marker: {exact}")
        elif marker["what"] == "BEGIN":
            if opened:
                raise SolutionError(number, f"a second BEGIN SOLUTION before the END of the one in line {opened[0]}")
            if not marker["indent"]:
                raise SolutionError(number, "BEGIN SOLUTION outside a function: the stub would raise as the cell runs")
            opened = (number, marker["indent"])
        else:
            if not opened:
                raise SolutionError(number, "END SOLUTION without a BEGIN SOLUTION before it")
            found.append(_block(opened, number, lines[opened[0]:number - 1]))
            opened = None
    if opened:
        raise SolutionError(opened[0], "BEGIN SOLUTION without an END SOLUTION after it")
    return found


def _block(opened: tuple[int, str], end: int, inside: list[str]) -> Block:
    begin, indent = opened
    cut = next((i for i, line in enumerate(inside) if _INSTEAD.match(line)), None)
    if cut is None:
        return Block(begin, end, indent, tuple(inside), ())
    instead = inside[cut + 1:]
    plain = [i for i, line in enumerate(instead) if not line.lstrip().startswith("#")]
    if plain or not instead:
        line = begin + cut + 2 + (plain[0] if plain else 0)
        raise SolutionError(line, "after `# INSTEAD` stand the learner's lines, each behind `# `")
    return Block(begin, end, indent, tuple(inside[:cut]), tuple(instead))


def fill(source: str) -> str:
    """The solution notebook: `source` without its marker lines and without what the learner gets instead."""
    lines: list[str] = []
    rest = source.split("\n")
    done = 0
    for block in blocks(source):
        lines += [*rest[done:block.begin - 1], *block.lines]
        done = block.end
    return "\n".join(lines + rest[done:])


def strip(source: str) -> str:
    """The learner's view: each solution block replaced by its stub (or by the faulty code after `# INSTEAD`)."""
    lines: list[str] = []
    rest = source.split("\n")
    done = 0
    for block in blocks(source):
        lines += [*rest[done:block.begin - 1], *block.stub]
        done = block.end
    return "\n".join(lines + rest[done:])


FOLDERS = ("notebooks", "exercises", "solutions")

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3",
    },
}


def render(lesson: Lesson) -> dict[str, NotebookNode]:
    """The notebooks of a lesson without outputs, by folder; only those whose source file exists."""
    exercises = exercises_of(lesson.number)
    made = {}
    if lesson.lesson.exists():
        made["notebooks"] = _notebook(lesson, read_cells(lesson.lesson), exercises, fill)
    if lesson.exercises.exists():
        cells = read_cells(lesson.exercises)
        made["solutions"] = _notebook(lesson, cells, exercises, fill)
        open_cells = [cell for cell in cells if "solution-only" not in cell.tags]
        made["exercises"] = _notebook(lesson, open_cells, exercises, strip)
    return made


def _notebook(lesson: Lesson, cells: Iterable[Cell], exercises: dict, rewrite: Callable[[str], str]) -> NotebookNode:
    seen: dict[str, int] = {}
    made = []
    for cell in cells:
        anchor = _anchor(cell)
        seen[anchor] = seen.get(anchor, 0) + 1
        metadata = {"tags": list(cell.tags)} if cell.tags else {}
        cell_id = _cell_id(lesson.slug, anchor, seen[anchor])
        if cell.kind == "markdown":
            source = fill_placeholders(cell.source, exercises)
            if TIME in source:
                source = source.replace(TIME, time_taken(in_order_of(lesson, exercises)))
            made.append(v4.new_markdown_cell(source, id=cell_id, metadata=metadata))
        elif cell.kind == "code":
            made.append(v4.new_code_cell(_rendered(cell, rewrite), id=cell_id, metadata=metadata))
        else:
            raise SourceError(cell.fault(f"a {cell.kind} cell: only code and markdown are used"))
    return v4.new_notebook(cells=made, metadata=METADATA)


def _rendered(cell: Cell, rewrite: Callable[[str], str]) -> str:
    try:
        return rewrite(cell.source)
    except SolutionError as error:
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
