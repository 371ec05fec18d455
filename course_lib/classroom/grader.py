"""Grade one notebook: the cases of its lesson's exercises, run here, on answers that run in a student's process.

The cases and what they expect stay in this process. A case sees the answer as a function; that its calls go to another
process it does not know. A process that was lost (ended, too slow, too large) costs the exercise that lost it the rest
of its cases, as in a notebook, and no other exercise anything.
"""

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from course_lib.classroom import hidden, notebooks
from course_lib.classroom.bridge import Gone
from course_lib.classroom.notebooks import Lesson, Submission, Unreadable
from course_lib.classroom.sandbox import Sandbox
from course_lib.classroom.student import Student
from course_lib.errors import CourseError
from course_lib.exercises import draws
from course_lib.exercises import report as r
from course_lib.exercises.agree import at_once
from course_lib.exercises.checking import run_case
from course_lib.exercises.isolation import TimeIsUp
from course_lib.exercises.registry import Case, Exercise
from course_lib.exercises.report import Outcome, Report

SLOWER, THE_WAY = 2.0, 5.0      # a case's limit here: times the notebook's, and seconds for the way there and back
GRADER = "the grader could not do its work"        # then the notebook is not at fault, and is tried again next time


@dataclass(frozen=True)
class Graded:
    """What came of one notebook.

    `reason` is empty where it was graded; else it ends the sentence "Not graded, because …", and there are no reports.
    """

    student: str
    path: Path
    digest: str = ""
    lesson: str = ""
    reason: str = ""
    reports: tuple[Report, ...] = ()
    notes: tuple[str, ...] = ()             # for the student: cells that are no Python, definitions that failed
    seconds: float = 0.0                    # by the clock on the wall

    @property
    def points(self) -> float:
        """All points.

        Raises:
            ValueError: it was not graded, which is not 0 points.
        """
        if self.reason:
            raise ValueError(f"{self.path} was not graded")
        return round(sum(report.points for report in self.reports), 2)


def grade(path: Path, student: str, sandbox: Sandbox, lesson: str = "", seed: int | None = None) -> Graded:
    """Grade a notebook; whatever is in it, this comes back.

    Args:
        lesson: its number, where the teacher says so; else it is told from the notebook.
        seed: the class's own number, from which hidden inputs are drawn; None: public inputs.
    """
    began = time.monotonic()
    digest = number = ""
    try:
        submission = notebooks.read(path, student)
        digest = submission.digest
        number = lesson or notebooks.lesson_of(submission)
        attempt = _Attempt(submission, notebooks.lesson(number), sandbox, seed)
        try:
            with draws.of_class(seed):
                reports = attempt.reports()
        finally:
            attempt.stop()
        return Graded(student, path, digest, number, reports=reports, notes=tuple(attempt.notes),
                      seconds=time.monotonic() - began)
    except Unreadable as error:
        reason, number = str(error), lesson or notebooks.named(path)
    except CourseError as error:
        reason = f"{GRADER}: {error}"
    except Exception as error:              # a fault of the grader must not stop the other notebooks
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{GRADER}: {type(error).__name__} in {Path(place.filename).name}, line {place.lineno} ({error})"
    return Graded(student, path, digest, number, reason, seconds=time.monotonic() - began)


@dataclass
class _Attempt:
    """A notebook while it is graded. Its process is started when it is needed, and again after it was lost."""

    submission: Submission
    lesson: Lesson
    sandbox: Sandbox
    seed: int | None
    notes: list[str] = field(default_factory=list)
    process: Student | None = None
    _knows_inputs: bool = False             # whether its process has been given hidden inputs, and could tell them

    def reports(self) -> tuple[Report, ...]:
        """Every exercise of the lesson."""
        found: list[Report] = []
        for exercise in self.lesson.exercises:
            passed = [report.exercise.id for report in found if report.status == r.PASSED]
            found.append(Report(exercise, self._outcomes(exercise, passed)))
        return tuple(found)

    def stop(self) -> None:
        """End its process."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def _outcomes(self, exercise: Exercise, passed: Sequence[str]) -> tuple[Outcome, ...]:
        fault = self._ready(exercise, passed)
        if fault is not None:
            first, *others = exercise.cases
            return (replace(fault, case=first.name), *(Outcome(case.name, r.SKIPPED) for case in others))
        outcomes: list[Outcome] = []
        for case in exercise.cases:
            ended = bool(outcomes) and (outcomes[-1].status in (r.STOPPED, r.SKIPPED)
                                        or outcomes[0].status == r.UNWRITTEN)
            missed = any(outcome.status != r.PASSED for outcome in outcomes)
            if ended or (case.last and missed):
                outcomes.append(Outcome(case.name, r.SKIPPED))
            else:
                fault = self._ready(exercise, passed) if self._knows_inputs else None
                outcomes.append(self._case(exercise, case) if fault is None else
                                replace(fault, case=case.name, status=r.STOPPED))
        if self.seed is not None and self._memorized(exercise, outcomes):
            outcomes = [replace(outcome, status=r.FAILED, call="", expected="", got="", mistake=hidden.MEMORIZED,
                                where="")
                        for outcome in outcomes]
        if self.process is not None and self.process.broken:
            self.stop()
        return tuple(outcomes)

    def _memorized(self, exercise: Exercise, outcomes: Sequence[Outcome]) -> bool:
        """Whether the answer knows the public inputs and no others."""
        for case, outcome in zip(exercise.cases, outcomes, strict=True):
            if outcome.status == r.FAILED and outcome.mistake == hidden.WORDS:
                def passes(case: Case = case) -> bool:
                    if self.process is None or self.process.broken:
                        return False
                    with at_once():
                        return self._case(exercise, case).status == r.PASSED

                assert self.seed is not None
                if hidden.only_public_inputs(passes, self.seed):
                    return True
        return False

    def _ready(self, exercise: Exercise, passed: Sequence[str]) -> Outcome | None:
        """Have the answer defined, in a process that knows no hidden input; what is wrong where it is not."""
        if self._knows_inputs and self.sandbox.renews:
            self.stop()
        self._knows_inputs = False
        try:
            return self._define(exercise, passed)
        except (Gone, TimeIsUp) as error:
            self.stop()
            how = "took too long" if isinstance(error, TimeIsUp) else f"ended its process ({error})"
            return Outcome("", r.STOPPED, mistake=f"What stands around `{exercise.function}` in the notebook {how}: "
                                                  "a loop that never ends, or an exit, outside of a function?")

    def _define(self, exercise: Exercise, passed: Sequence[str]) -> Outcome | None:
        if self.process is None:
            cells = [cell.source for cell in self.submission.cells]
            self.process = Student(self.sandbox, cells, self.lesson.stubs, self.lesson.functions,
                                   notebooks.references())
        there, told = self.process.define(exercise.id, passed)
        if there:
            return None
        self._note_faults()
        words = told[0] if told else "no cell that can be run defines it"
        return Outcome("", r.UNWRITTEN,
                       mistake=f"The notebook has no function or class `{exercise.function}`: {words}.")

    def _note_faults(self) -> None:
        assert self.process is not None
        faults = self.process.faults
        for cell, fault in faults.items() if isinstance(faults, dict) else ():
            note = f"Code cell {int(cell) + 1} is no Python: {str(fault)[:200]}"
            if note not in self.notes:
                self.notes.append(note)

    def _case(self, exercise: Exercise, case: Case) -> Outcome:
        """Run one case, in this process, on the answer in the other."""
        process = self.process
        assert process is not None
        try:
            patient = replace(case, seconds=SLOWER * case.seconds + THE_WAY)
            answer = process.begin(exercise.id, patient.seconds)
        except (Gone, TimeIsUp) as error:
            process.lose(str(error) or "time")
            return Outcome(case.name, r.STOPPED, mistake=_lost(process.broken))
        before = draws.drawn()
        outcome = run_case(exercise, patient, answer, waiting_counts=False)     # the line to the process counts it
        if process.door.unable is not None:
            raise process.door.unable
        if outcome.status == r.STOPPED and not process.broken:
            process.lose("time")                            # this end was interrupted in the middle of a frame
        if self.seed is not None and draws.drawn() > before:
            self._knows_inputs = True
            return _without_inputs(outcome, process.broken)
        if process.broken:
            if outcome.status == r.PASSED:
                return outcome
            time_ = process.broken == "time"
            return replace(outcome, status=r.STOPPED, got=outcome.got if time_ else "nothing: its process was lost",
                           mistake=outcome.mistake if time_ and outcome.mistake else _lost(process.broken), where="")
        last = process.door.last
        if outcome.status == r.UNWRITTEN:
            return replace(outcome, where=last.get("unwritten", ""))
        if outcome.status in (r.FAILED, r.STOPPED) and not outcome.where and last.get("where"):
            outcome = replace(outcome, where=last["where"][:200])
        return outcome


def _without_inputs(outcome: Outcome, broken: str) -> Outcome:
    """What a student may read of a case with hidden inputs: no text of it comes from the student's process."""
    if outcome.status == r.PASSED:
        return outcome
    if not broken:
        return Outcome(outcome.case, outcome.status, mistake=hidden.WORDS if outcome.status == r.FAILED else "")
    return Outcome(outcome.case, r.STOPPED, mistake=_lost("time" if broken == "time" else "on such an input"))


def _lost(how: str) -> str:
    if how == "time":
        return "It took too long: a loop that never ends, or far too much work?"
    return f"Its process was lost: {how}. A crash, an exit, or more memory than there is?"


def try_out(sandbox: Sandbox) -> None:
    """Start a process and end it again.

    Raises:
        CourseError: it does not start; the text says why.
    """
    Student(sandbox, [], [], {}, {}).stop()


