"""What came of running a function against the cases of an exercise."""

from dataclasses import dataclass

from course_lib.exercises.registry import Exercise

PASSED, FAILED, UNWRITTEN, STOPPED, SKIPPED = "passed", "failed", "unwritten", "stopped", "skipped"


@dataclass(frozen=True)
class Outcome:
    """What came of one case. All texts are plain; whoever shows them escapes them."""

    case: str
    status: str                 # passed | failed | unwritten (the stub) | stopped (out of time or memory) | skipped
    call: str = ""
    expected: str = ""
    got: str = ""
    mistake: str = ""
    where: str = ""             # the learner's line that raised; of the stub, the name of the unwritten function
    printed: str = ""           # what the learner's code wrote to stdout and stderr, and its warnings


@dataclass(frozen=True)
class Report:
    """All outcomes of one exercise, in the order of its cases."""

    exercise: Exercise
    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> int:
        """Cases that passed."""
        return sum(outcome.status == PASSED for outcome in self.outcomes)

    @property
    def status(self) -> str:
        """`passed` when every case passed, `unwritten` when the stub is still there, else `failed`."""
        if self.outcomes and self.passed == len(self.outcomes):
            return PASSED
        return UNWRITTEN if self.passed == 0 and self.first_miss.status == UNWRITTEN else FAILED

    @property
    def first_miss(self) -> Outcome:
        """The first case that did not pass.

        Raises:
            StopIteration: all passed.
        """
        return next(outcome for outcome in self.outcomes if outcome.status != PASSED)

    @property
    def points(self) -> float:
        """The share of the exercise's points that the passed cases earn, to two decimals.

        Cases that the given code of a find-the-bug exercise passes already earn nothing; each broken one costs a case.
        """
        given = {case.name for case in self.exercise.cases if case.given}
        earning = [outcome for outcome in self.outcomes if outcome.case not in given]
        earned = sum(outcome.status == PASSED for outcome in earning)
        broken = len(self.outcomes) - len(earning) - (self.passed - earned)
        return round(self.exercise.points * max(0, earned - broken) / len(earning), 2) if earning else 0.0

    @property
    def printed(self) -> str:
        """What the first case that printed anything printed; of the first miss, if that printed."""
        misses = [outcome for outcome in self.outcomes if outcome.status != PASSED]
        return next((outcome.printed for outcome in (*misses[:1], *self.outcomes) if outcome.printed.strip()), "")
