"""`course answers`: every listed answer, the solution, the reference and the stub against every case of an exercise.

A check teaches when each plausible wrong answer dies of its own mistake, and no right answer dies at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from course_lib.authoring.answers import Answer, read
from course_lib.authoring.run_cells import CellFunction, functions
from course_lib.authoring.source import Lesson
from course_lib.errors import CourseError
from course_lib.exercises import registry, report
from course_lib.exercises.checking import run
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

    def idle_cases(self) -> list[str]:
        """Cases at which no wrong answer fails: an answer that only they would catch is not listed."""
        wrong = [row.marks for row in self.rows if row.sort == "wrong"]
        return [case.name for i, case in enumerate(self.exercise.cases) if all(marks[i] == "✓" for marks in wrong)]


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


def of(lesson: Lesson) -> Matrix:
    """Run everything that a lesson lists.

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
    answers = read(path)
    known = {exercise.id for exercise in exercises}
    strangers = sorted({answer.exercise for answer in answers} - known)
    if strangers:
        raise CourseError(f"{path} lists answers to {', '.join(strangers)}, which the lesson does not have "
                          f"(it has {', '.join(sorted(known))}).")
    solutions, stubs = functions(lesson, exercises, filled=True), functions(lesson, exercises, filled=False)
    return Matrix(lesson, tuple(
        _section(exercise, [answer for answer in answers if answer.exercise == exercise.id],
                 solutions[exercise.id], stubs[exercise.id]) for exercise in exercises))


def _section(exercise: Exercise, answers: Sequence[Answer], solution: CellFunction, stub: CellFunction) -> Section:
    rows = [
        _from_notebook("solution", exercise, solution),
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
    return Section(exercise, tuple(rows), tuple(faults))


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
    return lines + [f"  → {fault}" for fault in (*section.faults, *(row.fault for row in rows if row.fault))]
