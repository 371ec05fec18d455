"""What every lesson must keep to, so that a notebook is readable, gradable and the same for everyone.

`faults` gives all of them for one lesson, each with file and line; `course build` writes nothing while there are any.
"""

import ast
import re
from collections import Counter

from course_lib.authoring import clean_outputs, prose, render
from course_lib.authoring.source import Cell, Fault, Lesson, SourceError, read_cells

MAX_LINES = 30
MAX_LINES_OF_A_BUILD = 100         # what the learner writes into one empty cell
ANYWHERE = frozenset({"third-party-text", "this-machine", "nbval-check-output"})
IN_EXERCISES = frozenset({"solution-only"})

_EXERCISE_TAG = re.compile(r"(exercise|check):(\d\d\.\d+)")
_NBVAL = re.compile(r"#\s*(NBVAL_\w+|PYTEST_VALIDATE_IGNORE_OUTPUT)\s*$")
_CHECK_CALL = re.compile(r"""\bcheck\(\s*["'](\d\d\.\d+)["']""")


def faults(lesson: Lesson) -> list[Fault]:
    """Every fault in a lesson's sources; an empty list means that it can be built (or that nothing is there yet)."""
    found: list[Fault] = []
    exercises = render.exercises_of(lesson.number)
    for path in (lesson.lesson, lesson.exercises):
        if not path.exists():
            continue
        try:
            cells = read_cells(path)
        except SourceError as error:
            found.append(error.fault)
            continue
        has_exercises = path == lesson.exercises
        found += [fault for cell in cells for fault in _in_cell(cell, exercises, has_exercises)]
        found += prose.opening_and_ending(cells)
        if has_exercises:
            found += _against_registry(lesson, cells, exercises)
            found += clean_outputs.in_source(cells)
    return found


def _in_cell(cell: Cell, exercises: dict, has_exercises: bool) -> list[Fault]:
    found = _tags(cell, has_exercises)
    if cell.kind == "markdown":
        found += prose.images(cell) + prose.links(cell)
        for number, line in enumerate(cell.source.split("\n"), start=1):
            for name in re.findall(r"\{\{\s*exercise.*?\}\}", line):
                known = render.PLACEHOLDER.fullmatch(name)
                if not known:
                    found.append(cell.fault(f"{name} is not a placeholder: write {{{{exercise 03.2}}}}", number))
                elif known[1] not in exercises:
                    found.append(cell.fault(f"exercise {known[1]} is not registered in checks.py", number))
    elif cell.kind == "code":
        found += _code(cell, MAX_LINES_OF_A_BUILD if _is_build(cell, exercises) else MAX_LINES)
    else:
        found.append(cell.fault(f"a {cell.kind} cell: only code and markdown are used"))
    if not cell.source.strip():
        found.append(cell.fault("an empty cell"))
    return found


def _tags(cell: Cell, has_exercises: bool) -> list[Fault]:
    found = []
    for tag in cell.tags:
        if tag in ANYWHERE:
            continue
        if tag not in IN_EXERCISES and not _EXERCISE_TAG.fullmatch(tag):
            known = "exercise:NN.N, check:NN.N, solution-only, " + ", ".join(sorted(ANYWHERE))
            found.append(cell.fault(f"unknown tag {tag!r} (known: {known})"))
        elif not has_exercises:
            found.append(cell.fault(f"the tag {tag!r} belongs in exercises.py"))
    return found


def _is_build(cell: Cell, exercises: dict) -> bool:
    return any(f"exercise:{key}" in cell.tags and exercise.kind == "build" for key, exercise in exercises.items())


def _code(cell: Cell, most: int) -> list[Fault]:
    try:
        blocks = render.blocks(cell.source)
    except render.SolutionError as error:
        return [cell.fault(str(error), error.line)]
    found = []
    if blocks and not any(tag.startswith("exercise:") for tag in cell.tags):
        found.append(cell.fault('a solution in a cell without the tag "exercise:NN.N"', blocks[0].begin))
    lines = render.fill(cell.source).split("\n")
    if len(lines) > most:
        found.append(cell.fault(f"{len(lines)} lines of code; a cell has at most {most}: one idea each"))
    for number, line in enumerate(cell.source.split("\n"), start=1):
        if _NBVAL.search(line):
            found.append(cell.fault("this asks the tests to look away: say what is expected with expect(...)", number))
    for view in (render.fill, render.strip):
        try:
            tree = _parse(view(cell.source))
        except SyntaxError as error:
            found.append(cell.fault(f"not Python: {error.msg}", error.lineno or 1))
            break
        if view is render.fill:
            found += [cell.fault("this claim cannot fail: give expect a bound, or, for a run too short to show it, "
                                 'the reason: ci="two updates are too few"', line) for line in _empty_claims(tree)]
    return found


def _empty_claims(tree: ast.Module) -> list[int]:
    """The lines of calls of `expect` whose condition is a constant, or whose `ci` is one that gives no reason."""
    found = []
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "expect":
            short = next((word.value for word in call.keywords if word.arg == "ci"), None)
            reason = isinstance(short, ast.Constant) and isinstance(short.value, str) and short.value.strip()
            if any(isinstance(part, ast.Constant) for part in [*call.args[:1], short]) and not reason:
                found.append(call.lineno)
    return found


def _against_registry(lesson: Lesson, cells: list[Cell], exercises: dict) -> list[Fault]:
    tagged = {"exercise": Counter(), "check": Counter(), "heading": Counter()}
    found = []
    for cell in cells:
        tagged["heading"].update(render.PLACEHOLDER.findall(cell.source) if cell.kind == "markdown" else ())
        for what, key in (match.groups() for tag in cell.tags if (match := _EXERCISE_TAG.fullmatch(tag))):
            tagged[what][key] += 1
            if key not in exercises:
                found.append(cell.fault(f"exercise {key} is not registered in lessons/{lesson.slug}/checks.py"))
            if what == "check" and _CHECK_CALL.findall(cell.source) != [key]:
                found.append(cell.fault(f'a cell tagged check:{key} holds one call of check("{key}", ...)'))
        if _CHECK_CALL.search(cell.source) and not any(tag.startswith("check:") for tag in cell.tags):
            found.append(cell.fault('a cell that calls check(...) needs the tag "check:NN.N"'))
    for key, exercise in exercises.items():
        found += [Fault(lesson.exercises, 0, f"exercise {key} needs {words}") for wrong, words in (
            (tagged["heading"][key] != 1, f"one heading: a markdown cell with {{{{exercise {key}}}}}"),
            (tagged["exercise"][key] == 0, f'a code cell with the tag "exercise:{key}"'),
            (tagged["check"][key] != 1, f'one code cell with the tag "check:{key}"'),
            (tagged["exercise"][key] and not _defines(cells, key, exercise.function),
             f"its function: no cell tagged exercise:{key} defines {exercise.function}"),
        ) if wrong]
    return found


def _defines(cells: list[Cell], key: str, function: str) -> bool:
    sources = (cell.source for cell in cells if f"exercise:{key}" in cell.tags)
    return any(re.search(rf"^(def|class) {re.escape(function)}\b", source, re.MULTILINE) for source in sources)


def _parse(source: str) -> ast.Module:
    from IPython.core.inputtransformer2 import TransformerManager

    return ast.parse(TransformerManager().transform_cell(source))
