"""Learning from preferences, the whole loop: collect -> label -> fit -> train -> collect ... Lesson 04.

    loop = PreferenceLoop(CartPoleTask(), store, folder, run="cartpole")
    loop.collect()                                      # 20 pairs of clips wait in the store
    labeler = loop.labeler(); labeler                   # a person answers
    loop.label(labeler.require(20))
    loop.fit()                                          # the reward model learns what was preferred
    for progress in loop.train(): ...                   # the agent learns what the reward model likes

Everything is on the disk after each step (loop_state.py): a new loop with the same folder goes on where the old one
was, and ends where it would have ended. In a notebook a loop shows its four steps, with the one that is due marked.

Source: P. Christiano et al. (2017), "Deep reinforcement learning from human preferences". Departures:
- the parts take turns, in a few rounds, instead of running at once; PPO takes the place of A2C and TRPO;
- clips are 25 steps of CartPole, chosen at random by default (segments.py has their choice, and others);
- the reward is a function of the state that an action led to; five small networks, each on a bootstrap sample;
- labels are never thrown away; the reward model goes on from its last weights in each round;
- rewards are standardized over the labelled clips, not over what the policy meets (reward_model.py);
- environments start anew after a fall, and the end of an episode is an absorbing state (I. Kostrikov et al. 2019,
  "Discriminator-actor-critic"): as if the agent stayed in its last state. Christiano et al. took variants of their
  environments that never end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.labels.labeler import Labeler
from course_lib.labels.records import Preference
from course_lib.labels.session import Scripted
from course_lib.labels.store import PreferenceStore
from course_lib.preferences import loop_state
from course_lib.preferences.cartpole import CartPoleTask
from course_lib.preferences.hidden_reward import hide_reward
from course_lib.preferences.reward_model import RewardConfig, RewardEnsemble, Standardize, standardize_rewards
from course_lib.preferences.segments import PairSelection, Segment, Verdicts, cut_segments, random_pairs
from course_lib.rl.ppo import PPO, PPOConfig, Progress
from course_lib.rl.rollout import Rollout
from course_lib.show.palette import BLUE

STAGES = ("collect", "label", "fit", "train")
CALLS = {"collect": "collect()", "label": "label(labeler.require())", "fit": "fit()", "train": "train()"}


@dataclass(frozen=True)
class LoopConfig:
    """One run. Sources of the defaults: benchmarks/cartpole_from_preferences.py, where no field says otherwise."""

    labels: tuple[int, ...] = (20, 20, 20)          # pairs asked about in each round
    updates: tuple[int, ...] = (8, 16, 60)          # PPO updates after each round
    clip_steps: int = 25                            # half a second of the cart's life
    pool: int = 400                                 # newest clips that pairs are drawn from
    absorbing_steps: int = 99                       # steps more for which the reward of an episode's last state counts:
                                                    # 1 + 99 = 1 / (1 - gamma), as if it were there for ever
    save_every: int = 10                            # updates between two saves while training
    seed: int = 0
    reward: RewardConfig = field(default_factory=RewardConfig)
    ppo: PPOConfig = field(default_factory=lambda: PPOConfig(
        num_steps=128, epochs=8, minibatch_size=512, learning_rate=1e-3, entropy_coefficient=0.005))

    def __post_init__(self) -> None:
        if not self.labels or len(self.labels) != len(self.updates):
            raise ValueError("labels and updates need one number for each round, and there is at least one round")


class OutOfTurn(CourseError):
    """A step of the loop was asked for when another one is due. A notebook shows the sentence without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class PreferenceLoop:
    """The whole run, of which one step at a time is due: `stage` says which, `round` (from 1) in which round.

    task: what is learned, see cartpole.py. store: where pairs wait and answers are kept, under the name `run`.
    folder: where the loop keeps its own state; what is there already is taken up. select: which pairs to ask about.
    Raises CheckpointError when the folder holds another run or a damaged one, OutOfTurn for a step that is not due.
    """

    def __init__(self, task: CartPoleTask, store: PreferenceStore, folder: Path, run: str,
                 config: LoopConfig | None = None, select: PairSelection = random_pairs,
                 standardize: Standardize = standardize_rewards):
        self.task, self.store, self.folder, self.run = task, store, Path(folder), run
        self.config, self.select = config or LoopConfig(), select
        seed, envs = self.config.seed, hide_reward(task.envs())
        steps = sum(self.config.updates) * self.config.ppo.num_steps * envs.num_envs
        self.rng = np.random.default_rng(seed)
        self.network = task.network(seed)
        self.ensemble = RewardEnsemble(task.scale, self.config.reward, seed, standardize)
        self.ppo = PPO(envs, self.network, replace(self.config.ppo, total_steps=steps, seed=seed),
                       reward_function=self._learned_rewards,
                       boundary_function=lambda rollout: rollout.ended)
        self.stage, self.round = "collect", 1
        self.pool: list[Segment] = []
        self.asked: dict[int, int] = {}             # question -> round
        self.verdicts: Verdicts | None = None
        self.losses: list[float] = []               # after each fit, nats
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
        rollout, _ = self.ppo.collector.collect(self.config.ppo.num_steps)
        self._keep_clips(rollout, rollout.next_obs())
        pairs = self.select(self.pool, self.config.labels[self.round - 1], self.ensemble, self.rng)
        with self.store.transaction():
            for first, second in pairs:
                question = self.store.add_pair(self._item(first), self._item(second), run=self.run, round=self.round)
                self.asked.setdefault(question, self.round)
        self._go_to("label")
        return len(self.asked)

    def labeler(self, scripted: Scripted | None = None, round: int | None = None, **options: object) -> Labeler:
        """A labeller for all pairs asked about up to this round: show it in a cell, `require()` answers in the next."""
        target = sum(asked_in <= (round or self.round) for asked_in in self.asked.values())
        return Labeler(self.store, run=self.run, target=target, title=self.task.question, scripted=scripted, **options)

    def label(self, preferences: Sequence[Preference], round: int | None = None, mixed: bool = False) -> int:
        """Take the verdicts on the pairs asked about; returns how many (skipped pairs bring none).

        A run with answers of a person and of a script is refused, unless `mixed` says that this is meant; then it
        says "mixed" wherever it shows its labels.
        """
        if self._done("label", round):
            return len(self.verdicts.mu)
        answered = self.answered
        if answered < len(self.asked):
            raise OutOfTurn(f"{answered} of {len(self.asked)} pairs are labelled. Go on in the labeller, then run this "
                            "cell again.")
        ours = sorted((p for p in preferences if p.group in self.asked), key=lambda p: (p.group, p.labeler))
        if not ours:
            raise CourseError("There is no verdict among the answers: every pair was skipped, or these are another "
                              "run's. Show the labeller, undo some skips (u) and answer those pairs.")
        sources = {p.source for p in ours}
        if len(sources) > 1 and not mixed:
            count = sum(p.source == "human" for p in ours)
            raise CourseError(f"This run would mix {count} verdicts of a person and {len(ours) - count} of a script, "
                              "and nobody could tell later whose taste was learned. Start another run for one of "
                              "them, or say label(..., mixed=True).")
        first, second = (torch.stack([torch.from_numpy(item.obs) for item in items])
                         for items in zip(*((p.sigma1, p.sigma2) for p in ours), strict=True))
        self.verdicts = Verdicts(first, second, torch.tensor([p.mu for p in ours]),
                                 torch.tensor([p.weight for p in ours]), tuple(p.source for p in ours))
        self._go_to("fit")
        return len(ours)

    def fit(self, round: int | None = None) -> float:
        """Fit the reward model to all verdicts so far; returns the loss, nats."""
        if self._done("fit", round):
            return self.losses[round - 1]
        self.losses.append(self.ensemble.fit(*(getattr(self.verdicts, name)
                                               for name in ("first", "second", "mu", "weight"))))
        self._go_to("train")
        return self.losses[-1]

    def train(self, round: int | None = None) -> Iterator[Progress]:
        """This round's PPO updates on the learned reward; stop and go on at will."""
        if self._done("train", round):
            return
        goal = sum(self.config.updates[:self.round]) * self.config.ppo.num_steps * self.task.num_envs
        try:
            for progress in self.ppo.train(until=goal):
                if self.ppo.updates % self.config.save_every == 0 and self.ppo.steps < goal:
                    self.files.save(self)
                yield progress
        finally:
            if self.ppo.steps < goal:
                self.files.save(self)
        self.agents.append(_copy(self.network))
        self.models.append(_copy(self.ensemble))
        last = self.round == len(self.config.labels)
        self.round += not last
        self._go_to("finished" if last else "collect")

    # ---- what one may ask ---------------------------------------------------------------------------------------

    @property
    def answered(self) -> int:
        """How many of the pairs asked about have an answer, skips included."""
        return len(self.asked.keys() & self.store.answered_questions(self.run))

    @property
    def source(self) -> str:
        """Whose verdicts the reward model learned from: "human", "scripted", "mixed", or "" before the first."""
        sources = set(self.verdicts.sources) if self.verdicts else set()
        return "mixed" if len(sources) > 1 else "".join(sources)

    def agent(self, after: int) -> nn.Module:
        """A copy of the agent as it was after round `after`; 0 is the untrained one."""
        network = self.task.network(self.config.seed)
        network.load_state_dict(self.agents[after])
        return network

    def reward_model(self, round: int) -> RewardEnsemble:
        """A copy of the reward model that the agent of round `round` (from 1) was trained on."""
        ensemble = RewardEnsemble(self.task.scale, self.config.reward)
        ensemble.load_state_dict(self.models[round - 1])
        return ensemble

    def __repr__(self) -> str:
        return text(self)

    def _repr_html_(self) -> str:
        return picture(self)

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
            raise OutOfTurn(f"All {len(self.config.labels)} rounds are done, so there is nothing left to {stage}. "
                            "For another run give another folder and another run name.")
        raise OutOfTurn(f"It is not time to {stage}: in round {self.round} the next step is to {self.stage}. "
                        f"Call {CALLS[self.stage]}. The order is {' → '.join(STAGES)}.")

    def _go_to(self, stage: str) -> None:
        self.stage = stage
        self.files.save(self)

    def _learned_rewards(self, rollout: Rollout) -> Tensor:
        after = rollout.next_obs()                                                  # what each action led to
        self._keep_clips(rollout, after)
        rewards = self.ensemble.normalized_reward(after)                            # (T, N)
        return rewards * (1 + self.config.absorbing_steps * rollout.ended)          # an end lasts longer than a step

    def _keep_clips(self, rollout: Rollout, after: Tensor) -> None:
        self.pool += cut_segments(after, rollout.actions, self.config.clip_steps, self.rng)
        del self.pool[:-self.config.pool]

    def _item(self, clip: Segment) -> str:
        return self.store.add_clip(self.task.frames(clip), fps=self.task.fps, alt=self.task.alt(clip),
                                   obs=clip.obs.numpy(), acts=clip.actions.numpy())


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


DOES = {"collect": "the agent acts, clips are cut", "label": "a person compares", "fit": "the reward model learns",
        "train": "the agent learns"}

BOX = ("display:inline-block;border:1.5px solid;border-radius:8px;padding:6px 12px;margin:2px;text-align:center;"
       "line-height:1.35")


def text(loop: "PreferenceLoop") -> str:
    """One line: `PreferenceLoop(run='cartpole', round 2 of 3, next: label)`."""
    return f"PreferenceLoop(run={loop.run!r}, round {loop.round} of {len(loop.config.labels)}, next: {loop.stage})"


def picture(loop: "PreferenceLoop") -> str:
    """The steps as boxes with arrows between them, and below each what it has brought so far."""
    boxes = []
    for stage, found in facts(loop).items():
        due = stage == loop.stage
        style = f"background:{BLUE};color:white;border-color:{BLUE}" if due else "border-color:currentColor"
        boxes.append(
            f'<span role="listitem"{" aria-current=step" if due else ""} style="{BOX};{style}">'
            f"<b>{stage}</b>{' ◂ now' if due else ''}<br><small>{DOES[stage]}<br>{escape(found)}</small></span>")
    rounds = len(loop.config.labels)
    head = f"all {rounds} rounds are done" if loop.stage == "finished" else f"round {loop.round} of {rounds}"
    return (f'<div style="margin:4px 0"><b>Run “{escape(loop.run)}”</b>: {head}</div>'
            f'<div role="list" aria-label="The steps of the loop">{" → ".join(boxes)} ↩</div>')


def facts(loop: "PreferenceLoop") -> dict[str, str]:
    """What each step has brought so far, in a few words."""
    asked, answered = len(loop.asked), loop.answered
    whose = {"human": " by a person", "scripted": " by a script", "mixed": " MIXED: person and script", "": ""}
    fitted = f"loss {loop.losses[-1]:.2f} nats" if loop.losses else "not fitted yet"
    return {
        "collect": f"{len(loop.pool)} clips at hand",
        "label": f"{answered} of {asked} pairs{whose[loop.source]}" if asked else "no pairs yet",
        "fit": f"{len(loop.verdicts.mu)} verdicts, {fitted}" if loop.verdicts else "no verdicts yet",
        "train": f"{loop.ppo.updates} of {sum(loop.config.updates)} updates",
    }
