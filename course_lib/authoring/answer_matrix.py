"""`course answers`: every listed answer, the solution, the reference and the stub against every case of an exercise.

A check teaches when each plausible wrong answer dies of its own mistake, and no right answer dies at all. It holds when
no mechanical mutant of the solution lives (mutants.py), every argument varies, every likely mistake can be told from
the others, and the code that is given earns nothing.
"""

import ast
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from course_lib.authoring import mutants
from course_lib.authoring.answers import Answer, Excuse, read
from course_lib.authoring.render import blocks, fill
from course_lib.authoring.run_cells import CellFunction, aside, functions
from course_lib.authoring.source import Lesson, read_cells
from course_lib.errors import CourseError
from course_lib.exercises import registry, report
from course_lib.exercises.agree import at_once
from course_lib.exercises.checking import run, run_case
from course_lib.exercises.mixed_up import listening
from course_lib.exercises.registry import Exercise

WRONG, RIGHT = 4, 2             # answers that each exercise must list at least

_MARKS = {report.PASSED: "✓", report.FAILED: "✗", report.STOPPED: "✗", report.UNWRITTEN: "·", report.SKIPPED: " "}


@dataclass(frozen=True)
class Row:
    """One answer against all cases."""

    sort: str           # solution | reference | stub | right | wrong
    name: str
    marks: str          # one character per case: ✓ passed, ✗ failed, · not written, blank not tried
    said: str           # the likely-mistake line of the first case that failed
    fault: str          # why this is not as it must be, or empty


@dataclass(frozen=True)
class Section:
    """The rows of one exercise, and faults of the exercise as a whole."""

    exercise: Exercise
    rows: tuple[Row, ...]
    faults: tuple[str, ...]
    made: int = 0           # mutants of the solution; none for a prediction
    excused: int = 0        # of these, how many pass every case and are excused

    def idle_cases(self) -> list[str]:
        """Cases at which no wrong answer fails: an answer that only they would catch is not listed."""
        wrong = [row.marks for row in self.rows if row.sort == "wrong"]
        return [case.name for i, case in enumerate(self.exercise.cases)
                if not case.last and all(marks[i] == "✓" for marks in wrong)]


@dataclass(frozen=True)
class Matrix:
    """The matrix of one lesson."""

    lesson: Lesson
    sections: tuple[Section, ...]

    @property
    def faults(self) -> list[str]:
        """What is not as it must be, one text each."""
        return [fault for section in self.sections
                for fault in (*section.faults, *(row.fault for row in section.rows if row.fault))]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Mutants made, killed, and excused."""
        made, excused = (sum(getattr(section, name) for section in self.sections) for name in ("made", "excused"))
        lived = sum(fault.count(LIVES) for fault in self.faults)
        return made, made - excused - lived, excused

    def text(self) -> str:
        """The matrix for a terminal, faults with their explanations below their exercise."""
        lines = [f"Lesson {self.lesson.slug}"]
        for section in self.sections:
            lines += ["", *_section_lines(section)]
        return "\n".join([*lines, ""])


def count(number: int, what: str) -> str:
    """`1 case`, `2 cases`."""
    return f"{number} {what}{'s' * (number != 1)}"


def wanted(lesson: Lesson) -> bool:
    """Whether a lesson has exercises, and so must have a matrix."""
    return lesson.number in registry.lessons()


def of(lesson: Lesson, only: Sequence[str] = ()) -> Matrix:
    """Run everything that a lesson lists; with `only`, ids of exercises, for these alone.

    Raises:
        CourseError: a file is missing, or an answer names an exercise that does not exist.
    """
    path = lesson.folder / "answers.py"
    for needed in (path, lesson.exercises):
        if not needed.exists():
            raise CourseError(f"{needed} is missing; a lesson with exercises has exercises.py and answers.py.")
    if not wanted(lesson):
        raise CourseError(f"{lesson.folder / 'checks.py'} is missing: the checks go there.")
    exercises = registry.of_lesson(lesson.number)
    answers, excuses = read(path)
    known = {exercise.id for exercise in exercises}
    strangers = sorted({item.exercise for item in (*answers, *excuses)} - known)
    if strangers:
        raise CourseError(f"{path} lists answers to {', '.join(strangers)}, which the lesson does not have "
                          f"(it has {', '.join(sorted(known))}).")
    solutions, stubs = functions(lesson, exercises, filled=True), functions(lesson, exercises, filled=False)
    return Matrix(lesson, tuple(
        _section(exercise, [answer for answer in answers if answer.exercise == exercise.id],
                 [excuse for excuse in excuses if excuse.exercise == exercise.id],
                 solutions[exercise.id], stubs[exercise.id], _sources(lesson, exercise))
        for exercise in exercises if not only or exercise.id in only))


def _sources(lesson: Lesson, exercise: Exercise) -> list[str]:
    """The code cells of an exercise as the author wrote them."""
    return [cell.source for cell in read_cells(lesson.exercises)
            if cell.kind == "code" and f"exercise:{exercise.id}" in cell.tags]


def _section(exercise: Exercise, answers: Sequence[Answer], excuses: Sequence[Excuse], solution: CellFunction,
             stub: CellFunction, sources: Sequence[str]) -> Section:
    whole, exercise = exercise, _without_last(exercise)     # a long case is tried with the solution alone, cut short
    with aside():
        first = _from_notebook("solution", whole, solution)
    rows = [
        first,
        _row("reference", exercise.reference.partition(":")[2], exercise, _reference(exercise), None),
        _from_notebook("stub", exercise, stub),
        *(_row("right", answer.name, exercise, answer.fn, None) for answer in answers if answer.says is None),
        *(_row("wrong", answer.name, exercise, answer.fn, answer.says) for answer in answers if answer.says),
    ]
    counts = {sort: sum(row.sort == sort for row in rows) for sort in ("right", "wrong")}
    faults = [f"{exercise.id} lists {count(counts[sort], f'{sort} answer')}, and needs at least {least}."
              for sort, least in (("right", RIGHT), ("wrong", WRONG)) if counts[sort] < least]
    if not exercise.cases:
        faults.append(f"{exercise.id} has no cases: everything would pass it.")
    faults += _whole_hint(exercise, sources)
    made, excused = 0, 0
    if solution.fn is not None and exercise.kind != "predict":
        recorder = mutants.Recorder(solution.fn)
        faults += _confused(exercise, solution.fn if exercise.kind == "build" else recorder)
        constant = [mutants.ignored(name) for name in recorder.constant_arguments()]
        every = [*mutants.of(solution.fn, [fill(source) for source in sources]), *mutants.frozen(solution.fn, recorder),
                 *([mutants.detached(solution.fn)] if recorder.carries_gradient else [])]
        made, lived = len(every) + len(constant), _lived(exercise, every)
        names = [*constant, *(mutant.name for mutant in every)]
        excused, more = _weighed(exercise, [*lived, *constant], names, excuses)
        faults += more
    return Section(whole, tuple(rows), tuple(faults), made, excused)


def _without_last(exercise: Exercise) -> Exercise:
    """The exercise without its long cases: what an answer costs must not grow with the number of answers."""
    return replace(exercise, cases=[case for case in exercise.cases if not case.last])


LIVES = "passes every case, and is not excused"


def _lived(exercise: Exercise, every: Sequence[mutants.Mutant]) -> list[str]:
    """The names of the mutants that pass every case.

    A mutant differs from the one before in a nearby place, so it most often dies of the same case: that one is first.
    """
    lived, cases = [], list(exercise.cases)
    with at_once():
        for mutant in every:
            killer = next((case for case in cases if run_case(exercise, case, mutant.fn).status != report.PASSED), None)
            if killer is None:
                lived.append(mutant.name)
            else:
                cases.remove(killer)
                cases.insert(0, killer)
    return lived


def _weighed(exercise: Exercise, lived: Sequence[str], every: Sequence[str],
             excuses: Sequence[Excuse]) -> tuple[int, list[str]]:
    """How many survivors are excused, and the faults: survivors without an excuse, excuses without a survivor."""
    given = {excuse.mutant for excuse in excuses}
    faults = [f"{exercise.id}: the mutant `{name}` {LIVES}." for name in lived if name not in given]
    faults += [f"{exercise.id}: the excuse for `{name}` is not needed: " +
               ("a case kills that mutant." if name in every else "there is no such mutant.")
               for name in sorted(given - set(lived))]
    return sum(name in given for name in lived), faults


def _confused(exercise: Exercise, solution: Callable[..., Any]) -> list[str]:
    """Likely mistakes that a case cannot tell apart."""
    faults = []
    for case in exercise.cases:
        with listening() as notes:
            run_case(exercise, case, solution)
        faults += [f"{exercise.id}: in the case \"{case.name}\" {note}." for note in dict.fromkeys(notes)]
    return faults


LONG_ENOUGH = 25        # characters of code, without spaces, from which a hint would give a line away


def _whole_hint(exercise: Exercise, sources: Sequence[str]) -> list[str]:
    """A fault where the third hint holds every statement of the solution."""
    if exercise.kind != "implement":
        return []
    hint = re.sub(r"[\s`]", "", exercise.hints[2])
    lines = [line for source in sources for block in blocks(source) for line in _expressions("\n".join(block.lines))]
    told = [line for line in lines if line in hint]
    if not any(len(line) >= LONG_ENOUGH for line in lines) or len(told) < len(lines):
        return []
    return [f"{exercise.id}: the third hint is the whole code. Leave the last step to the learner."]


def _expressions(solution: str) -> list[str]:
    """What each statement of a solution computes, without spaces."""
    found = []
    for node in ast.walk(ast.parse(textwrap.dedent(solution))):
        value = getattr(node, "value", None)
        if isinstance(node, ast.Return | ast.Assign | ast.AugAssign) and value is not None:
            text = ast.get_source_segment(textwrap.dedent(solution), value) or ""
            found.append(re.sub(r"\s", "", text))
    return [text for text in found if len(text) >= LONG_ENOUGH // 2]


def _reference(exercise: Exercise) -> Callable[..., Any]:
    try:
        return exercise.load_reference()
    except (ImportError, AttributeError) as error:
        raise CourseError(f"the reference {exercise.reference} of exercise {exercise.id} cannot be imported: {error}."
                          ) from error


def _from_notebook(sort: str, exercise: Exercise, defined: CellFunction) -> Row:
    if defined.fn is None:
        return Row(sort, exercise.function, " " * len(exercise.cases), "", f"{exercise.id}: {defined.problem}")
    return _row(sort, exercise.function, exercise, defined.fn, None)


def _row(sort: str, name: str, exercise: Exercise, fn: Callable[..., Any], says: str | None) -> Row:
    result = run(exercise, fn)
    marks = "".join(_MARKS[outcome.status] for outcome in result.outcomes)
    passed = result.status == report.PASSED
    miss = None if passed else result.first_miss
    who = f"{exercise.id}: the {sort} {'answer ' if sort in ('right', 'wrong') else ''}`{name}`"
    fault = ""
    if sort in ("stub", "wrong") and passed:
        fault = f"{who} passes every case. Add a case at which it fails, or it is not wrong."
    elif sort == "stub" and result.points:
        free = [outcome.case for outcome, case in zip(result.outcomes, exercise.cases, strict=True)
                if outcome.status == report.PASSED and not case.given]
        fault = f"{who} earns points for {free}, which it passes as it was given: mark them `given=True`."
    elif sort in ("solution", "reference", "right") and miss is not None:
        fault = f"{who} fails at \"{miss.case}\".\n" + _evidence(miss)
    elif says and miss is not None and says.lower() not in miss.mistake.lower():
        fault = (f"{who} fails at \"{miss.case}\" but does not hear \"{says}\". It hears: \"{miss.mistake}\"\n"
                 + _evidence(miss))
    return Row(sort, name, marks, miss.mistake if miss else "", fault)


def _evidence(miss: report.Outcome) -> str:
    rows = (("called", miss.call), ("expected", miss.expected), ("got", miss.got), ("where", miss.where),
            ("likely", miss.mistake))
    return "\n".join(f"      {key:9} {text}" for key, text in rows if text)


def _section_lines(section: Section) -> list[str]:
    exercise, rows = section.exercise, section.rows
    width = max(len(row.name) for row in rows)
    lines = [f"{exercise.id}  {exercise.title}  ({count(len(exercise.cases), 'case')})"]
    for row in rows:
        said = row.said if len(row.said) <= 70 else row.said[:69] + "…"
        status = "FAULT" if row.fault else "ok"
        lines.append(f"  {status:6}{row.sort:10}{row.name:{width}}  {row.marks}  {said}".rstrip())
    lines += [f"  note: no wrong answer fails at \"{name}\"" for name in section.idle_cases()]
    if section.made:
        lived = sum(LIVES in fault for fault in section.faults)
        killed = section.made - section.excused - lived
        lines.append(f"  mutants: {section.made} made, {killed} killed, {section.excused} excused")
    return lines + [f"  → {fault}" for fault in (*section.faults, *(row.fault for row in rows if row.fault))]
