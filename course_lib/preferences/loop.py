"""Learning from preferences, the whole loop: collect -> label -> fit -> train -> collect ... Lessons 04, 05 and 07.

    loop = PreferenceLoop(CartPoleTask(), store, folder, run="cartpole")
    loop.collect()                                      # 20 pairs of clips wait in the store
    labeler = loop.labeler(); labeler                   # a person answers
    loop.label(labeler.require(20))
    loop.fit()                                          # the reward model learns what was preferred
    for progress in loop.train(): ...                   # the agent learns what the reward model likes

When all rounds are done, `loop.add_round(labels=20, updates=30)` plans one more.

The same class for every task (task.py): CartPole, Pong, Donkey Kong, a hopper, answers of a chat model. Everything is
on the disk after each step (loop_state.py): a new loop with the same folder goes on where the old one was, and ends
where it would have ended. In a notebook a loop shows its four steps, with the one that is due marked (loop_view.py).
Without stops between the steps: algorithm.py.

Source: P. Christiano et al. (2017), "Deep reinforcement learning from human preferences". Departures:
- the parts take turns, in a few rounds, instead of running at once; PPO takes the place of A2C and TRPO;
- pairs are chosen at random by default (segments.py has their choice, and others), and none is asked about twice;
- labels are never thrown away; the reward model goes on from its last weights in each round;
- the reward of a step is read from what its action led to; reward models are small (reward_model.py, and
  atari/reward_ensemble.py for how theirs differ from the paper's);
- CartPole's rewards are standardized over the labelled clips, not over what the policy meets (reward_model.py);
- environments start anew after a fall, and the end of an episode is an absorbing state (I. Kostrikov et al. 2019,
  "Discriminator-actor-critic"): as if the agent stayed in its last state. Christiano et al. took variants of their
  environments that never end. Atari's games are cut otherwise (atari/tasks.py).
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.labels.labeler import Labeler
from course_lib.labels.records import Item, Preference
from course_lib.labels.store import PreferenceStore
from course_lib.preferences import loop_state, loop_view
from course_lib.preferences.environment_task import LoopConfig as LoopConfig  # where learners look for it
from course_lib.preferences.reward_ensemble import Fit, RewardEnsemble
from course_lib.preferences.segments import PairSelection, PreferenceDataset, Segment
from course_lib.preferences.task import PreferenceTask, RoundsConfig
from course_lib.rl.ppo import PPO, Progress

STAGES = ("collect", "label", "fit", "train")
CALLS = {"collect": "collect()", "label": "label(labeler.require())", "fit": "fit()", "train": "train()"}
DRAWS = 5                               # attempts to find as many pairs as a round asks about
WORDS = {1.0: "left", 0.0: "right", 0.5: "equal", None: "skip"}
OF_THE_AGENT = ("boundary", "policy_loss", "advantage_function")        # the learner's functions that the trainer takes


class OutOfTurn(CourseError):
    """A step of the loop was asked for when another one is due. A notebook shows the sentence without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class PreferenceLoop:
    """The whole run, of which one step at a time is due: `stage` says which, `round` (from 1) in which round.

    task: what is learned (task.py). store: where pairs wait and answers are kept, under the name `run`. folder: where
    the loop keeps its own state; what is there already is taken up.

    The learner's own functions enter here and nowhere else. select: which pairs to ask about (segments.py; None:
    as the task does). functions,
    by name: boundary (where GAE stops), policy_loss and advantage_function (as in PPO), and those of the task's reward
    model: standardize, loss and segment_return.
    Raises CheckpointError when the folder holds another run or a damaged one, OutOfTurn for a step that is not due.
    """

    def __init__(self, task: PreferenceTask, store: PreferenceStore, folder: Path, run: str,
                 config: RoundsConfig | None = None, select: PairSelection | None = None, **functions: Callable):
        self.task, self.store, self.folder, self.run = task, store, Path(folder), run
        self.config, self.select = config or task.config(), select or task.select
        self.rng = np.random.default_rng(self.config.seed)
        self.pool: deque[Segment] = deque(maxlen=self.config.pool)
        of_the_agent = {name: functions.pop(name) for name in OF_THE_AGENT if name in functions}
        self.ensemble = task.reward_model(self.config, **functions)
        self.trainer = task.trainer(self.config, self.ensemble, self.pool, self.rng, **of_the_agent)
        self.stage, self.round = "collect", 1
        self.added: list[tuple[int, int]] = []      # rounds beyond the config's: (labels, updates)
        self.asked: dict[int, int] = {}             # question -> round
        self.preferences: PreferenceDataset | None = None
        self.fits: list[Fit] = []                   # one a round
        self.agents = [_copy(self.network)]         # the untrained agent, and the agent after each round
        self.models: list[dict[str, Tensor]] = []   # the reward model that each round trained on
        self.files = loop_state.Files(self.folder)
        if self.files.exist:
            loop_state.load(self)

    # ---- the four steps -----------------------------------------------------------------------------------------

    # With `round`, a step that was taken earlier is passed over: a notebook can be run again from the top.

    def collect(self, round: int | None = None) -> int:
        """Let the agent act, cut clips and put this round's pairs into the store; returns how many wait in all."""
        if self._done("collect", round):
            return len(self.asked)
        wanted = self.labels_a_round[self.round - 1]
        self.trainer.collect(wanted)
        with self.store.transaction():
            for _ in range(DRAWS):                  # a pair asked about before, or of equal clips, is no new one
                for pair in self.select(self.pool, wanted, self.ensemble, self.rng):
                    first, second = (self.task.add_item(self.store, clip) for clip in pair)
                    if first != second:
                        question = self.store.add_pair(first, second, run=self.run, round=self.round,
                                                       prompt=self.task.prompt(*pair))
                        self.asked.setdefault(question, self.round)
                wanted = sum(self.labels_a_round[:self.round]) - len(self.asked)
                if wanted <= 0:
                    break
        self._go_to("label")
        return len(self.asked)

    def labeler(self, synthetic: Callable[[Segment, Segment], float | None] | None = None, round: int | None = None,
                **options: object) -> Labeler:
        """A labeller for all pairs asked about up to this round: show it in a cell, `require()` answers in the next.

        synthetic: a synthetic labeler behind the button; it is given the two clips as they stand, left and right, and
            may answer None to skip. A skipped pair counts as answered and is not replaced: the round brings fewer
            labels, and the loop shows how many pairs were skipped.
        """
        target = sum(asked_in <= (round or self.round) for asked_in in self.asked.values())
        answer = synthetic and self.as_answer(synthetic)
        return Labeler(self.store, run=self.run, target=target, synthetic=answer,
                       used_rounds=lambda: self.rounds_labelled, **{"title": self.task.question, **options})

    def label(self, preferences: Sequence[Preference], round: int | None = None, mixed: bool = False) -> int:
        """Take the preferences between the pairs asked about; returns how many (skipped pairs bring none).

        A run with answers of a person and of a script is refused, unless `mixed` says that this is meant; then it
        says "mixed" wherever it shows its labels.
        """
        if self._done("label", round):
            return len(self.preferences.mu)
        answered = self.answered
        if answered < len(self.asked):
            raise OutOfTurn(f"{answered} of {len(self.asked)} pairs are labelled. Go on in the labeller, then run this "
                            "cell again.")
        ours = sorted((p for p in preferences if p.group in self.asked), key=lambda p: (p.group, p.labeler))
        if not ours:
            raise CourseError("There is no preference among the answers: every pair was skipped, or these are another "
                              "run's. Show the labeller, undo some skips (u) and answer those pairs; or give a "
                              "synthetic labeler that returns an answer: None is a skip.")
        if len({p.source for p in ours}) > 1 and not mixed:
            raise CourseError(self._mixture(ours))
        self.preferences = PreferenceDataset.of(ours)
        self._go_to("fit")
        return len(ours)

    def fit(self, round: int | None = None) -> Fit:
        """Fit the reward model to all preferences so far; returns how well it explains them."""
        if self._done("fit", round):
            return self.fits[round - 1]
        data = self.preferences
        self.fits.append(self.ensemble.fit(data.first, data.second, data.mu, data.weight))
        self._go_to("train")
        return self.fits[-1]

    def train(self, round: int | None = None) -> Iterator[Progress]:
        """This round's updates (PPO's, where the task has environments); stop and go on at will."""
        if self._done("train", round):
            return
        goal = list(accumulate(self.updates_a_round))[self.round - 1]
        try:
            for progress in self.trainer.train(until=goal):
                if self.trainer.updates % self.config.save_every == 0 and self.trainer.updates < goal:
                    self.files.save(self)
                yield progress
        finally:
            if self.trainer.updates < goal:
                self.files.save(self)
        self.agents.append(_copy(self.network))
        self.models.append(_copy(self.ensemble))
        last = self.round == self.rounds
        self.round += not last
        self._go_to("finished" if last else "collect")

    def add_round(self, labels: int, updates: int, round: int | None = None) -> int:
        """Plan one round more for a finished run: `labels` pairs to ask about, then `updates` of the trainer's updates.

        Returns its number. It is kept with the run's state: the loop is still made with the config that it began with.
        The learning rate is from now on that of a run planned so long from the start, so it rises again. With `round`,
        a round that was added earlier is passed over, and its steps too when they have been taken.
        Raises OutOfTurn while the run is not finished, and ValueError for numbers below 1.
        """
        if round is not None and round <= self.rounds:
            return round
        if labels < 1 or updates < 1:
            raise ValueError(f"a round needs at least one label and one update, not {labels} and {updates}")
        if self.stage != "finished":
            raise OutOfTurn(f"A round can be added when the {self.rounds} that are planned are done: in round "
                            f"{self.round} the next step is to {self.stage}. Call {CALLS[self.stage]}.")
        if round is not None and round > self.rounds + 1:
            raise OutOfTurn(f"The run has {self.rounds} rounds, so the next one is round {self.rounds + 1}, not "
                            f"{round}.")
        self._extend(labels, updates)
        self.round += 1
        self._go_to("collect")
        return self.round

    # ---- what one may ask ---------------------------------------------------------------------------------------

    @property
    def labels_a_round(self) -> tuple[int, ...]:
        """How many pairs each round asks about, added rounds included."""
        return (*self.config.labels, *(labels for labels, _ in self.added))

    @property
    def updates_a_round(self) -> tuple[int, ...]:
        """How many updates each round trains for, added rounds included."""
        return (*self.config.updates, *(updates for _, updates in self.added))

    @property
    def rounds(self) -> int:
        """How many rounds the run has, added rounds included."""
        return len(self.config.labels) + len(self.added)

    @property
    def network(self) -> nn.Module:
        """The agent as it is now."""
        return self.trainer.network

    @property
    def ppo(self) -> PPO:
        """What trains the agent, where the task has environments."""
        return self.trainer.ppo

    @property
    def answered(self) -> int:
        """How many of the pairs asked about have an answer, skips included."""
        return len(self.asked.keys() & self.store.answered_questions(self.run))

    @property
    def skipped(self) -> int:
        """How many of the pairs asked about were skipped: nobody's answer to them is a preference."""
        preferred = {label.question_id for label in self.store.labels(self.run) if label.choice != "skip"}
        return self.answered - len(self.asked.keys() & preferred)

    @property
    def rounds_labelled(self) -> int:
        """The last round whose labels `label` has taken; 0 before the first. Its answers stay as they are."""
        return self.round - (self.stage in ("collect", "label"))

    @property
    def source(self) -> str:
        """Whose preferences the reward model learned from: "human", "scripted", "mixed", or "" before the first."""
        return self.preferences.source if self.preferences else ""

    def agent(self, after: int) -> nn.Module:
        """A copy of the agent as it was after round `after`; 0 is the untrained one."""
        network = self.task.network(self.config.seed)
        network.load_state_dict(self.agents[after])
        return network

    def reward_model(self, round: int) -> RewardEnsemble:
        """A copy of the reward model that the agent of round `round` (from 1) was trained on."""
        ensemble = self.task.reward_model(self.config)
        ensemble.load_state_dict(self.models[round - 1])
        return ensemble

    def __repr__(self) -> str:
        return loop_view.text(self)

    def _repr_html_(self) -> str:
        return loop_view.picture(self)

    # ---- inside -------------------------------------------------------------------------------------------------

    def _done(self, stage: str, round: int | None) -> bool:
        """Whether the step was taken before; raises OutOfTurn when it is neither done nor due."""
        wanted = (self.round if round is None else round, STAGES.index(stage))
        now = (self.round, len(STAGES) if self.stage == "finished" else STAGES.index(self.stage))
        if round is not None and wanted < now:
            return True
        if wanted == now:
            return False
        if self.stage == "finished":
            raise OutOfTurn(f"All {self.rounds} rounds are done, so there is nothing left to {stage}. Call "
                            "add_round(labels=20, updates=30) for one more, or make another run with another folder "
                            "and another run name.")
        raise OutOfTurn(f"It is not time to {stage}: in round {self.round} the next step is to {self.stage}. "
                        f"Call {CALLS[self.stage]}. The order is {' → '.join(STAGES)}.")

    def _mixture(self, ours: Sequence[Preference]) -> str:
        """What is wrong with labels of two sources, and the ways out that are still open."""
        human = sum(p.source == "human" for p in ours)
        before = {p.source for p in ours if self.asked[p.group] <= self.rounds_labelled}       # used: these stay
        ways = []
        if "scripted" not in before:
            ways.append('labeler.keep_only("human") opens the script\'s pairs again, for you to answer in the labeler')
        if "human" not in before:
            ways.append('labeler.keep_only("scripted"), then labeler.answer_synthetic(), lets the script answer your '
                        "pairs too")
        ways.append("label(..., mixed=True) learns from both")
        return (f"This run would mix {human} labels of a person and {len(ours) - human} of a script, and nobody could "
                f"tell later whose preferences were learned. Choose one: {'; '.join(ways)}.")

    def _extend(self, labels: int, updates: int) -> None:
        self.added.append((labels, updates))
        self.trainer.prolong(updates)

    def _go_to(self, stage: str) -> None:
        self.stage = stage
        self.files.save(self)

    def as_answer(self, synthetic: Callable[[Segment, Segment], float | None]) -> Callable[[Item, Item], str]:
        """A synthetic labeler of two segments as one of two items of the store, left and right, that answers in words.

        Raises CourseError, when it answers, for anything but 1, 0.5, 0 and None.
        """
        def answer(left: Item, right: Item) -> str:
            mu = synthetic(self.task.segment(left), self.task.segment(right))
            if mu not in WORDS:
                raise CourseError(f"A synthetic labeler answers 1 (the left one is better), 0 (the right one) or 0.5 "
                                  f"(equally good), or None to skip the pair; this one answered {mu!r}.")
            return WORDS[mu]

        return answer


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}
