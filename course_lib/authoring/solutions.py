"""The two views of an exercise: filled, as the solution shows it, and stripped, as the learner gets it.

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
"""

import re
from dataclasses import dataclass

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
        """The lines that stand in the learner's view."""
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
    """The solution view: `source` without its marker lines and without what the learner gets instead."""
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
