"""Preference tasks in environments: PPO on a learned reward, whose own is sealed. Lessons 04, 05 and 07.

A task says which environments and what its clips look like, what learns in them and where GAE stops; the trainer is
the same for all: CartPole (cartpole.py), Atari (atari/tasks.py), the hopper (hopper/task.py).
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from gymnasium.vector import VectorEnv
from torch import Tensor

from course_lib.labels.store import PreferenceStore
from course_lib.preferences.exploration import explore
from course_lib.preferences.hidden_reward import hide_reward
from course_lib.preferences.reward_ensemble import RewardEnsemble
from course_lib.preferences.reward_model import RewardConfig
from course_lib.preferences.segments import Segment, cut_segments
from course_lib.preferences.task import PreferenceTask, RoundsConfig
from course_lib.rl.ppo import PPO, PPOConfig, Progress
from course_lib.rl.rollout import Rollout

EXPLORATION_SEED = 50_000           # is added to a run's, so that exploring draws other actions than the run itself
Boundary = Callable[[Rollout], Tensor]                  # -> (T, N) bool: an advantage must not look past this step


@dataclass(frozen=True)
class LoopConfig(RoundsConfig):
    """One run in environments. The defaults are CartPole's (benchmarks/cartpole_from_preferences.py); atari/tasks.py
    has Atari's. Updates are PPO's, and its total_steps and seed are replaced by those here."""

    total_steps: int | None = None                  # agent steps over which the learning rate falls; None: all updates'
    clip_steps: int = 25                            # half a second of the cart's life
    clips_a_rollout: int | None = None              # clips cut from each rollout; None: all that it holds
    absorbing_steps: int = 20                       # steps more for which the reward of an episode's last state counts
    exploration_updates: int = 0                    # PPO updates on novelty before the first label (exploration.py)
    rollouts: int = 1                               # rollouts before a round's pairs are drawn, for new clips ...
    fresh_clips: bool = True                        # ... in every round; else only where no clips are at hand
    reward: object = field(default_factory=RewardConfig)
    ppo: PPOConfig = field(default_factory=lambda: PPOConfig(
        num_steps=128, epochs=4, minibatch_size=1024, learning_rate=2e-3, entropy_coefficient=0.005))


class EnvironmentTask(PreferenceTask):
    """A task in environments, which PPO learns; subclasses say which, and what clips look like."""

    num_envs: int
    fps: float
    algorithm: ClassVar[str] = "PPO"

    def config(self) -> LoopConfig:
        """The settings of a run where none are given."""
        return LoopConfig()

    @abstractmethod
    def envs(self) -> VectorEnv:
        """Environments to train in, not yet under seal."""

    @abstractmethod
    def frames(self, clip: Segment) -> np.ndarray:
        """(L, H, W, 3) uint8: a clip as a person is shown it."""

    @abstractmethod
    def alt(self, clip: Segment) -> str:
        """The clip in words, for those who cannot see it. No rewards, no hint at what is better."""

    def boundary(self, rollout: Rollout) -> Tensor:
        """Where GAE stops, (T, N) bool; here at the ends of episodes, whose last states are absorbing."""
        return rollout.ended

    def cut(self, rollout: Rollout, envs: VectorEnv, config: LoopConfig, rng: np.random.Generator) -> list[Segment]:
        """Clips of a rollout; here all that it holds. envs: under seal, for those that keep their pictures."""
        return cut_segments(rollout.next_obs(), rollout.actions, config.clip_steps, rng)

    def last_clips_cut(self, envs: VectorEnv) -> None:
        """Called when no round will ask for clips again, so that environments may stop keeping pictures."""

    def clips_wanted_again(self, envs: VectorEnv) -> None:
        """Called when a round is added after that."""

    def add_item(self, store: PreferenceStore, segment: Segment) -> str:
        """A clip with its pictures, words, observations and actions."""
        acts = None if segment.actions is None else segment.actions.numpy()
        return store.add_clip(self.frames(segment), fps=self.fps, alt=self.alt(segment), obs=segment.obs.numpy(),
                              acts=acts)

    def trainer(self, config: LoopConfig, reward_model: RewardEnsemble, pool: deque[Segment], rng: np.random.Generator,
                **functions: Callable) -> "EnvironmentTrainer":
        """PPO in sealed environments."""
        return EnvironmentTrainer(self, config, reward_model, pool, rng, **functions)


class EnvironmentTrainer:
    """PPO on the learned reward, in sealed environments: whatever looks at the true reward raises RewardIsHidden.

    The learner's own functions can be given: boundary takes the place of the task's, policy_loss and
    advantage_function are PPO's.
    """

    def __init__(self, task: EnvironmentTask, config: LoopConfig, reward_model: RewardEnsemble, pool: deque[Segment],
                 rng: np.random.Generator, boundary: Boundary | None = None, **functions: Callable):
        self.task, self.config, self.reward_model, self.pool, self.rng = task, config, reward_model, pool, rng
        self.envs, self.network = hide_reward(task.envs()), task.network(config.seed)
        self.steps_an_update = config.ppo.num_steps * self.envs.num_envs
        self.planned = sum(config.updates)          # PPO updates in all rounds
        ppo = replace(config.ppo, total_steps=config.total_steps or self.planned * self.steps_an_update,
                      seed=config.seed)
        self.ppo = PPO(self.envs, self.network, ppo, reward_function=self._learned_rewards,
                       boundary_function=boundary or task.boundary, **functions)
        self.clips_wanted = True
        self.acted = 0                              # rollouts since the last save, where games cannot be copied

    @property
    def updates(self) -> int:
        """PPO updates so far."""
        return self.ppo.updates

    @property
    def history(self) -> list[Progress]:
        """One entry an update."""
        return self.ppo.history

    def collect(self, pairs: int) -> None:
        """Act for some rollouts and cut clips from them; before the first label explore, where the config says so.

        pairs: how many will be asked about; the config's rollouts hold many more clips than that.
        """
        if self.config.exploration_updates and self.updates == 0:
            config = replace(self.ppo.config, seed=self.config.seed + EXPLORATION_SEED)
            self._cut(explore(self.envs, self.network, config, self.config.exploration_updates))
        if self.config.fresh_clips or not self.pool:
            for _ in range(self.config.rollouts):
                self._cut(self.ppo.collector.collect(self.config.ppo.num_steps)[0])
            self.acted = 0 if hasattr(self.envs, "state_dict") else self.config.rollouts

    def prolong(self, updates: int) -> None:
        """Plan for `updates` more. The learning rate is from then on that of a run planned so from the start."""
        planned_steps = max(self.ppo.config.total_steps, self.planned * self.steps_an_update)
        self.planned += updates
        self.ppo.prolong(planned_steps + updates * self.steps_an_update)
        self.clips_wanted = True
        self.task.clips_wanted_again(self.envs)

    def train(self, until: int) -> Iterator[Progress]:
        """PPO updates on the learned reward, until there were `until` in all."""
        if until == self.planned and not self.task.keeps_clips:
            self.clips_wanted = False
            self.task.last_clips_cut(self.envs)
        return self.ppo.train(until=until * self.steps_an_update)

    def save(self, path: Path) -> None:
        """Write PPO and its environments; those that cannot be copied begin new episodes, here and where it is loaded.

        Clips that the task cannot keep are dropped.
        """
        self.ppo.save(path)
        if not self.task.keeps_clips:
            self.pool.clear()

    def load(self, path: Path | None, acted: int) -> None:
        """Go on from `save`, and act as long as was acted since: the same games come to the same state."""
        if path is not None:
            self.ppo.load(path)
        for _ in range(acted):
            rollout, _ = self.ppo.collector.collect(self.config.ppo.num_steps)
            self.task.cut(rollout, self.envs, self.config, np.random.default_rng())         # pictures are taken away
        self.acted = acted

    def _learned_rewards(self, rollout: Rollout) -> Tensor:
        self.acted = 0
        if self.clips_wanted:
            self._cut(rollout)
        rewards = self.reward_model.normalized_reward(rollout.next_obs())           # of what each action led to, (T, N)
        return rewards * (1 + self.config.absorbing_steps * rollout.ended)          # an end lasts longer than a step

    def _cut(self, rollout: Rollout) -> None:
        self.pool.extend(self.task.cut(rollout, self.envs, self.config, self.rng))
