"""What a learner has done, as far as it can be shown to others: points, numbers of labels, days.

Names of labellers, prompts, texts, paths and answers never leave the learner's files here: they are not read, or only
counted. Names of runs are the learner's own words unless a lesson gave them; without leave such a run has a number.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from course_lib.errors import CourseError
from course_lib.exercises import progress
from course_lib.exercises import store as progress_file
from course_lib.exercises.progress import Line
from course_lib.labels.queue import same_again
from course_lib.labels.store import PreferenceStore, default_path

RUNS = {                                # names that lessons give: (lesson, what is compared)
    "first-taste": ("00", "short texts"),
    "cartpole": ("04", "CartPole: balancing"), "cartpole-mine": ("04", "CartPole: a preference of one's own"),
    "backflip": ("05", "the hopper: a backflip"), "hopper-mine": ("05", "the hopper: a preference of one's own"),
    "pong": ("07", "Pong"), "pong-mine": ("07", "Pong: a preference of one's own"), "kong": ("07", "Donkey Kong"),
    "text-taste": ("10", "short texts"),
    "answers": ("12", "answers of a language model"), "answers-blind": ("12", "answers before and after, blind"),
    "answers-rloo": ("12", "answers, for RLOO"), "answers-rloo-blind": ("12", "answers before and after RLOO, blind"),
    "answers-rejection": ("12", "answers, for rejection sampling"),
    "answers-rejection-blind": ("12", "answers before and after rejection sampling, blind"),
    "summaries-blind": ("13", "summaries, blind"),
}


@dataclass(frozen=True)
class LabelRun:
    """The labels of one run."""

    title: str
    lesson: str                         # two digits; empty for a run that no lesson asked for
    human: int                          # answers by people: one a pair, or one a ranking
    scripted: int                       # by a synthetic labeler
    people: int                         # how many of them answered
    ties: int
    skips: int
    repeated: int                       # pairs that a person was asked twice
    same: int                           # of these, answered the same way both times
    first: date | None
    last: date | None


@dataclass
class Findings:
    """All that the page tells but the agents."""

    lessons: dict[str, list[Line]] = field(default_factory=dict)
    labels: list[LabelRun] = field(default_factory=list)
    worked: tuple[date, date] | None = None         # first and last day on which an exercise was checked
    left_out: list[str] = field(default_factory=list)      # sentences for the learner alone, not for the page

    @property
    def tried(self) -> bool:
        """Whether any exercise was tried."""
        return any(line.standing.attempts for rows in self.lessons.values() for line in rows)

    @property
    def period(self) -> tuple[date, date] | None:
        """First and last day of labels and exercises."""
        days = [*(self.worked or ()), *(day for run in self.labels for day in (run.first, run.last) if day)]
        return (min(days), max(days)) if days else None


class Titles:
    """What runs are called on the page: the lesson's words, the learner's own with their leave, or a number."""

    def __init__(self, own_names: bool):
        self.own_names, self.numbers = own_names, {}

    def of(self, run: str) -> tuple[str, str]:
        """(title, lesson) of a run; the lesson is empty for one that no lesson asked for."""
        if run in RUNS:
            return RUNS[run][1], RUNS[run][0]
        number = self.numbers.setdefault(run, len(self.numbers) + 1)
        return (run if self.own_names else f"a run of their own, number {number}"), ""


def gather(titles: Titles) -> Findings:
    """Read the progress file and the label file; what cannot be read is named in `left_out`."""
    found = Findings()
    known, fault = progress.read()
    if fault:
        found.left_out.append(fault)
    else:
        found.lessons, found.worked = progress.lines(known), progress_file.days()
    path = default_path()
    if path.is_file():
        try:
            store = PreferenceStore(path, read_only=True)
            found.labels = [run for name in store.runs() if (run := label_run(store, name, titles))]
        except (CourseError, sqlite3.Error) as error:
            found.left_out.append(f"Your labels could not be read: {error}. `course labels check` says what is wrong.")
    found.labels.sort(key=lambda run: (run.lesson or "99", run.title))
    return found


def label_run(store: PreferenceStore, name: str, titles: Titles) -> LabelRun | None:
    """The labels of one run; None where nobody has answered."""
    labels = store.labels(name)
    if not labels:
        return None
    answers, pairs = {label.event_id: label for label in labels}, Counter(label.event_id for label in labels)
    single = [label for event, label in answers.items() if pairs[event] == 1]          # a ranking's pairs share one
    people = sorted({label.labeler for label in labels if label.source == "human"})
    twice = [same_again(store, name, [person]) for person in people]
    days = [date.fromtimestamp(label.answered_at) for label in labels]
    title, lesson = titles.of(name)
    return LabelRun(
        title, lesson, human=sum(label.source == "human" for label in answers.values()),
        scripted=sum(label.source == "scripted" for label in answers.values()), people=len(people),
        ties=count(single, "equal"), skips=count(single, "skip"), repeated=sum(asked for asked, _ in twice),
        same=sum(same for _, same in twice), first=min(days), last=max(days))


def count(labels: Sequence, choice: str) -> int:
    """How many of the answers are this choice."""
    return sum(label.choice == choice for label in labels)
