"""What the preference loop needs to know about a task, and the settings that every run has. Lessons 04, 05 and 07.

A `PreferenceTask` brings what differs: who learns (`trainer`), what rewards a step (`reward_model`), what a person is
shown and asked. Tasks with environments inherit from `EnvironmentTask` (environment_task.py) and say the rest in a few
lines. A task of texts has no environments: its segments are answers, and its own trainer samples them
(course_lib/lm/answer_task.py). So nothing in here loads an environment.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import nn

from course_lib.labels.records import Item
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.reward_ensemble import RewardEnsemble
from course_lib.preferences.segments import Pairs, Segment, random_pairs


@dataclass(frozen=True)
class RoundsConfig:
    """What the loop itself asks of a run's settings; each task's own are a subclass of this one."""

    labels: tuple[int, ...] = (20, 20, 20)          # pairs asked about in each round
    updates: tuple[int, ...] = (6, 12, 30)          # the trainer's updates after each round
    pool: int = 400                                 # newest clips that pairs are drawn from
    save_every: int = 10                            # updates between two saves while training
    seed: int = 0
    reward: object = None                           # settings of the task's reward model, a dataclass

    def __post_init__(self) -> None:
        if not self.labels or len(self.labels) != len(self.updates):
            raise ValueError("labels and updates need one number for each round, and there is at least one round")


class Trainer(Protocol):
    """The agent's side of a run: acts, so that there is something to compare, and learns from the learned reward."""

    network: nn.Module
    updates: int                                    # so far
    history: list                                   # one entry an update: PPO's `Progress`, or another algorithm's
    acted: int                                      # what `collect` did and `save` cannot write: `load` does it again

    def collect(self, pairs: int) -> None:
        """Act, and add segments to the pool that the task was given: about `pairs` pairs will be asked about."""

    def prolong(self, updates: int) -> None:
        """Plan for `updates` more than before, and for clips to be asked for again."""

    def train(self, until: int) -> Iterator:
        """Learn until there were `until` updates in all; what is done meanwhile may add segments to the pool."""

    def save(self, path: Path) -> None:
        """Write everything that `load` needs to go on identically."""

    def load(self, path: Path | None, acted: int) -> None:
        """Go on from a file that `save` wrote (None: from the start), after which `acted` was done.

        Raises CheckpointError.
        """


class PreferenceTask(ABC):
    """A task to learn from preferences. `name` stands in the files of a run, `question` above each pair."""

    name: str
    question: str
    keeps_clips: ClassVar[bool] = True              # False: clips not yet asked about are dropped at a save
    segments_called: ClassVar[str] = "clips"        # these three are words with which a notebook shows the loop
    collects: ClassVar[str] = "the agent acts, clips are cut"
    algorithm: ClassVar[str] = ""                   # whose updates are counted

    @abstractmethod
    def config(self) -> RoundsConfig:
        """The settings of a run where none are given."""

    @abstractmethod
    def network(self, seed: int) -> nn.Module:
        """What learns, as it is at the start."""

    @abstractmethod
    def reward_model(self, config: RoundsConfig, **functions: Callable) -> RewardEnsemble:
        """A reward model that has seen no labels. functions: the learner's own, by the names of its arguments."""

    @abstractmethod
    def trainer(self, config: RoundsConfig, reward_model: RewardEnsemble, pool: deque[Segment],
                rng: np.random.Generator, **functions: Callable) -> Trainer:
        """The agent's side: rewarded by `reward_model`, it adds what it does to `pool`, cut with `rng`."""

    @abstractmethod
    def add_item(self, store: PreferenceStore, segment: Segment) -> str:
        """Put what a person is shown, and what the reward model reads, into the store; returns the item's id."""

    def select(self, clips: Sequence[Segment], count: int, ensemble: RewardEnsemble, rng: np.random.Generator) -> Pairs:
        """Which pairs are asked about where the run says nothing: `count` of them, drawn blindly."""
        return random_pairs(clips, count, ensemble, rng)

    def prompt(self, first: Segment, second: Segment) -> str:
        """What stands above this pair besides the question; here nothing. For texts: what both of them answer."""
        return ""

    def segment(self, item: Item) -> Segment:
        """The segment back from the store, as far as a synthetic labeler may see it."""
        return Segment(torch.from_numpy(item.obs))
