"""A run from preferences in rounds that a notebook can show: ask -> label -> fit -> train, and go on. Lesson 06.

    rounds = LabelRounds(AtariFromPreferences(config), store, "pong", folder / "run.pt")
    labeler = rounds.ask(1, title="Which clip plays better?"); labeler          # a person answers
    rounds.fit(labeler.require(), 1)                                            # in the next cell
    for progress in rounds.train(1): ...

With its number, a round that is done is passed over: the cells can be run again from the top. Questions and answers are
in the store as soon as they are made; the rest is written after each round (preference_checkpoint.py), and now and then
in the long last one, so that a closed lid costs at most one round's training.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from course_lib.atari.fit_reward import Fit
from course_lib.atari.from_preferences import AtariFromPreferences
from course_lib.atari.preference_checkpoint import load_run, save_run
from course_lib.atari.questions import ask, scripted_by
from course_lib.atari.segments import Segment
from course_lib.errors import CourseError
from course_lib.labels.labeler import Labeler
from course_lib.labels.records import Preference
from course_lib.labels.store import PreferenceStore
from course_lib.rl.ppo import Progress

DRAWS = 5                               # attempts to bring as many different pairs as a round wants


class NotThisRound(CourseError):
    """A round was asked for before the one ahead of it is done. A notebook shows the sentence without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class LabelRounds:
    """Rounds 1, 2, ... of one run. `round` is the one that is due; `name` is the run's name in the label store.

    What is at `path` already is taken up. Raises CheckpointError when that file is damaged or another run's.
    """

    def __init__(self, run: AtariFromPreferences, store: PreferenceStore, name: str, path: Path):
        self.run, self.store, self.name, self.path = run, store, name, Path(path)
        if self.path.exists():
            load_run(run, self.path)
        last = bool(run.fits) and not run.wanted and not run.finished       # stopped while training on all labels
        self.round = len(run.fits) + (not last)
        self._fitted = last                         # whether this round's labels are in, so that only training is due

    def ask(self, round: int, judge: Callable[[Segment, Segment], float] | None = None, **options: object) -> Labeler:
        """A labeller for all pairs up to this round; draws the round's pairs unless they wait in the store already.

        judge: the scripted labeller behind the widget's button. options: the labeller's own, for instance `title`.
        """
        if self._due(round) and not self._questions(round):
            for _ in range(DRAWS):                  # a pair drawn twice is one question
                if missing := self.run.wanted - len(self._questions(round)):
                    ask(self.store, self.run.pairs(missing), self.name, self.run.track.game, round=round)
        target = sum(len(self._questions(number)) for number in range(1, round + 1))
        scripted = scripted_by(judge) if judge else None
        return Labeler(self.store, run=self.name, target=target, scripted=scripted, **options)

    def fit(self, preferences: Sequence[Preference], round: int) -> Fit:
        """Take this round's verdicts and fit the reward model to all so far; returns how well it explains them.

        Raises ValueError rather than mix a person's labels with scripted ones, CourseError when all were skipped.
        """
        if self._due(round) and not self._fitted:
            asked = self._questions(round)
            ours = [preference for preference in preferences if preference.group in asked]
            if not ours:
                raise CourseError(f"Round {round} has no verdict: every pair was skipped. Show the labeller, undo some "
                                  "skips (u) and answer those pairs.")
            self.run.add(ours)
            self._fitted = True
        return self.run.fits[round - 1]

    def train(self, round: int) -> Iterator[Progress]:
        """This round's updates on the learned reward; then everything is written. Stopped in between, call it again."""
        if not self._due(round):
            return
        if not self._fitted:
            raise NotThisRound(f"Round {round} has no verdicts yet: fit(labeler.require(), {round}) comes first.")
        for done, progress in enumerate(self.run.train(), start=1):
            if not self.run.wanted and done % self.run.config.updates_a_round == 0:     # the last round is a long one
                save_run(self.run, self.path)
            yield progress
        save_run(self.run, self.path)
        self.round, self._fitted = round + 1, False

    def __repr__(self) -> str:
        run = self.run
        return (f"{self.name}: round {self.round} is due; {len(run.preferences)} of {run.config.labels} labels"
                f"{' by ' + run.preferences[0].source if run.preferences else ''}, "
                f"{run.ppo.steps:,} of {run.config.total_steps:,} agent steps")

    def _due(self, round: int) -> bool:
        """Whether this round is the one to work on (False: it is done)."""
        if round > self.round:
            raise NotThisRound(f"Round {round} comes after round {self.round}, which is not done: run its cells first.")
        return round == self.round

    def _questions(self, round: int) -> set[int]:
        return set(self.store.questions_of(self.name, round))
