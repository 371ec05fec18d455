"""What may be committed in a notebook: outputs cleaned of what belongs to one machine, and nothing of a solution.

Cleaned outputs hold no addresses, no paths of one machine, no timings of progress bars and no widget state; figures,
numbers and printed text stay. Texts of others are left out. `in_notebook` finds what the learner's notebook gives away
of a solution: in another cell, in words, or in an output.
"""

import itertools
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nbformat import NotebookNode, v4

from course_lib import paths
from course_lib.authoring import render
from course_lib.authoring.source import Cell, Fault

LEFT_OUT = {"third-party-text": "Texts of others appear here when you run this cell.",
            "this-machine": "What holds for your machine appears here when you run this cell."}
WIDGET = "Something to move or click appears here when you run this cell."

_VIEW = "application/vnd.jupyter.widget-view+json"
_EMBEDDED = re.compile(r"(data:[\w/+.;=-]+;base64,[A-Za-z0-9+/=]+)")
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,16}\b|\b0x7f[0-9a-f]{8,12}\b")
_CELL_FILE = re.compile(r"(/[\w./-]*)?/ipykernel_\d+/\d+\.py")
_BAR_TIMES = re.compile(r"\s*\[\d+:\d+(:\d+)?<[^\]\n]*\]")
_BAR = re.compile(r"\d+%\|.*\| *\d+/\d+|^\d+it$")


class ErrorOutput(ValueError):
    """An output holds an error, which must not be stored; the text names it."""


def outputs(cell: NotebookNode, widgets: Mapping[str, Mapping], work: Path) -> list[NotebookNode]:
    """A cell's outputs as they may be stored.

    Args:
        cell: an executed code cell.
        widgets: state of the notebook's widgets by model id, as nbclient collects it.
        work: the temporary folder that stood for `my_work/` in this run.

    Raises:
        ErrorOutput: one of the outputs is an error, also inside a widget.
    """
    plain = [made for output in cell.outputs for made in _without_widgets(output, widgets)]
    for output in plain:
        if output.output_type == "error":
            raise ErrorOutput(f"{output.ename}: {output.evalue}")
    for tag, words in LEFT_OUT.items():
        if tag in cell.metadata.get("tags", ()):
            return [_note(words)] if plain else []
    clean = [_clean(output, work) for output in _joined(plain)]
    return [output for output in clean if output.output_type != "stream" or output.text.strip()]


def _without_widgets(output: NotebookNode, widgets: Mapping[str, Mapping]) -> list[NotebookNode]:
    view = output.get("data", {}).get(_VIEW)
    if view is None:
        return [output]
    rest = {mime: value for mime, value in output.data.items() if mime != _VIEW}
    if set(rest) - {"text/plain"}:                          # the widget brought its own picture or table
        return [NotebookNode({**output, "data": NotebookNode(rest)})]
    inside = _inside(view["model_id"], widgets, set())
    if inside or _is_bar(rest.get("text/plain", "")):
        return inside
    return [_note(WIDGET)]


def _inside(model: str, widgets: Mapping[str, Mapping], seen: set[str]) -> list[NotebookNode]:
    """What the Output widgets below `model` show: the picture that a slider starts with."""
    if model in seen:
        return []
    seen.add(model)
    state = widgets.get(model, {})
    found = [made for output in state.get("outputs", ()) for made in _without_widgets(NotebookNode(output), widgets)]
    for child in state.get("children", ()):
        found += _inside(str(child).removeprefix("IPY_MODEL_"), widgets, seen)
    return found


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Neighbouring streams as one of each kind, errors first: which piece came when differs from run to run."""
    made: list[NotebookNode] = []
    for is_stream, group in itertools.groupby(outputs, lambda output: output.output_type == "stream"):
        if not is_stream:
            made += group
            continue
        texts: dict[str, str] = {"stderr": "", "stdout": ""}
        for output in group:
            texts[output.name] += output.text
        made += [v4.new_output("stream", name=name, text=text) for name, text in texts.items() if text]
    return made


def _clean(output: NotebookNode, work: Path) -> NotebookNode:
    made = NotebookNode(output)
    made.pop("transient", None)
    if made.output_type == "stream":
        made.text = text(_last_states(made.text), work)
    else:
        made.data = NotebookNode({mime: _clean_value(mime, value, work) for mime, value in made.data.items()})
    return made


def _clean_value(mime: str, value: object, work: Path) -> object:
    return text(value, work) if isinstance(value, str) and (mime.startswith("text/") or mime.endswith("xml")) else value


def text(value: str, work: Path) -> str:
    """`value` without memory addresses and without the paths of this machine; embedded pictures stay as they are."""
    pieces = _EMBEDDED.split(value)
    return "".join(piece if number % 2 else _text(piece, work) for number, piece in enumerate(pieces))


def _text(value: str, work: Path) -> str:
    value = _CELL_FILE.sub("this cell", value)
    value = _ADDRESS.sub(lambda found: "at 0x..." if found[0].startswith("at") else "0x...", value)
    for folder, name in _folders(work):
        value = re.sub(re.escape(folder) + r"(?![\w.-])(?P<slash>/?)",
                       lambda found, name=name: name + found["slash"] if name else "" if found["slash"] else ".", value)
    return value


def _folders(work: Path) -> list[tuple[str, str]]:
    """Folders of this machine and what stands for them, the deepest first."""
    known = {}
    for folder, name in ((Path.home(), "~"), (Path(sys.prefix), ".venv"), (paths.root(), ""), (work, "my_work")):
        for spelling in (folder.absolute(), folder.resolve()):
            if len(spelling.parts) > 1:
                known[str(spelling)] = name
    return sorted(known.items(), key=lambda item: -len(item[0]))


def _last_states(value: str) -> str:
    """A stream as a terminal would show it at the end: each line's last state, bars without their times."""
    lines = []
    for line in value.split("\n"):
        states = [state for state in line.split("\r") if state.strip()]
        shown = states[-1] if states else line.strip("\r")
        lines.append(_BAR_TIMES.sub("", shown) if _is_bar(shown) else shown)
    return "\n".join(lines)


def _is_bar(line: str) -> bool:
    return bool(_BAR.search(_BAR_TIMES.sub("", line).strip()))


def _note(words: str) -> NotebookNode:
    return v4.new_output("display_data", data={"text/markdown": f"*{words}*", "text/plain": words})


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
            for block in render.blocks(cell.source):
                found += [(cell, block.begin + n, line) for n, line in telling_lines("\n".join(block.lines))]
    return found


def in_source(cells: list[Cell]) -> list[Fault]:
    """Secrets of `exercises.py` that its learner's view would show, each at the line of the solution."""
    try:
        hidden = secrets(cells)
        shown = [(cell, _bare(render.strip(cell.source))) for cell in cells if "solution-only" not in cell.tags]
    except render.SolutionError:
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
