"""The hopper as a task for the preference loop, and its evaluator. Lesson 05.

`HopperTask` says what the loop needs to know: environments, networks, what a person sees of a clip. `perform` plays
fresh hoppers for the evaluator: how often they turn, how high the torso is. There is no true reward to look at.

Departures from CartPole's task (preferences/cartpole.py):
- an episode ends by the clock alone, so the critic's estimate stands for what would have followed, and no state is
  absorbing;
- clips are cut inside episodes: the way from the last state of one to the first of the next would look like a turn;
- before the first label the agent explores for ten updates (preferences/exploration.py): a beginner's clips all show
  the same fall. Without it 3 of 7 seeds tried in development and 1 of 5 fresh ones missed the goal, with it none of 4
  and none of 20 (100 or 200 labels, benchmarks/backflip.py);
- the reward model reads the torso alone, not the joints: six numbers instead of twelve leave less to make up;
- the reward is the members' mean, without a penalty for their disagreement: fast turning is new to all of them. With
  the penalty the development runs that were looked at stopped turning; fresh seeds were not measured.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import nn

from course_lib.hopper.drawing import draw, way_gone
from course_lib.hopper.environment import (
    COS_PITCH,
    FORWARD,
    HEIGHT,
    OBSERVATION_SIZE,
    PITCH_RATE,
    SIN_PITCH,
    TIME_STEP,
    UP,
    VectorHopper,
)
from course_lib.hopper.labelers import backward_turns, on_the_floor, torso_height
from course_lib.preferences.environment_task import EnvironmentTask, LoopConfig
from course_lib.preferences.reward_model import RewardConfig, StateRewardEnsemble
from course_lib.preferences.segments import Segment
from course_lib.rl.evaluate import greedy
from course_lib.rl.networks import GaussianActorCritic
from course_lib.rl.ppo import PPOConfig
from course_lib.rl.rollout import Rollout

TORSO = (HEIGHT, SIN_PITCH, COS_PITCH, FORWARD, UP, PITCH_RATE)         # the columns that the reward model reads
FILM_EVERY = 2                          # of the states, every second one is drawn: 25 pictures a second


def clip_starts(ended: np.ndarray, length: int) -> list[int]:
    """Where clips of `length` steps begin in one hopper's rollout, none across the end of an episode.

    ended: (T,) bool, an episode ended with this step; its last state belongs to it. Clips lie end to end from the first
    step of each episode on; what is left at its end is too short and is left out. Lesson 05, exercise 05.4.
    """
    starts, first = [], 0
    for end in [*np.flatnonzero(ended), len(ended) - 1]:
        starts += range(first, int(end) + 2 - length, length)
        first = int(end) + 1
    return starts


def hopper_config(labels: tuple[int, ...] = (20,) * 5, updates: tuple[int, ...] = (10, 12, 14, 18, 26),
                  seed: int = 0, exploration_updates: int = 10) -> LoopConfig:
    """Settings measured by benchmarks/backflip.py; clips of 1.5 seconds."""
    return LoopConfig(
        labels=labels, updates=updates, clip_steps=75, absorbing_steps=0, seed=seed,
        exploration_updates=exploration_updates,
        reward=RewardConfig(members=3, hidden=32, uncertainty_penalty=0.0),
        ppo=PPOConfig(num_steps=256, epochs=6, minibatch_size=512, learning_rate=7e-4, entropy_coefficient=0.0))


@dataclass(frozen=True)
class HopperTask(EnvironmentTask):
    """The hopper for `PreferenceLoop`."""

    question: str = "Which clip looks more like a backflip?"
    num_envs: int = 16
    width: int = 300                                        # of a picture, pixels; as high
    fps: float = 1 / (FILM_EVERY * TIME_STEP)               # real time
    reads: tuple[int, ...] = TORSO                          # columns of the observation, by the reward model
    clip_starts: Callable[[np.ndarray, int], list[int]] = clip_starts

    name: ClassVar[str] = "hopper"
    boundary: ClassVar[None] = None                         # PPO bootstraps at the clock's ends

    def config(self) -> LoopConfig:
        """The settings of a run where none are given."""
        return hopper_config()

    def envs(self) -> VectorHopper:
        """Environments to train in, not yet under seal."""
        return VectorHopper(self.num_envs)

    def network(self, seed: int) -> GaussianActorCritic:
        """An untrained agent."""
        return GaussianActorCritic(OBSERVATION_SIZE, 3, activation=nn.Tanh, seed=seed)

    def reward_model(self, config: LoopConfig, **functions: Callable) -> StateRewardEnsemble:
        """Small networks that read a state; functions: standardize, loss, segment_return."""
        scale = torch.zeros(OBSERVATION_SIZE)
        scale[list(self.reads)] = 1.0
        return StateRewardEnsemble(scale, config.reward, config.seed, **functions)

    def cut(self, rollout: Rollout, envs: VectorEnv, config: LoopConfig, rng: np.random.Generator) -> list[Segment]:
        """All clips of a rollout that lie inside episodes."""
        states, ended = rollout.next_obs(), rollout.ended.numpy()                   # (T, N, 12), (T, N)
        clips = []
        for n in range(states.shape[1]):
            for start in self.clip_starts(ended[:, n], config.clip_steps):
                piece = slice(start, start + config.clip_steps)
                clips.append(Segment(states[piece, n].clone(), rollout.actions[piece, n].clone()))
        return clips

    def frames(self, clip: Segment) -> np.ndarray:
        """(frames, width, width, 3) uint8: the clip in real time."""
        return film(clip.obs.numpy(), self.width)

    def alt(self, clip: Segment) -> str:
        """The clip in words, for those who cannot see it. No rewards, no hint at what is better."""
        obs = clip.obs.numpy()
        turns = float(backward_turns(obs))
        heights = torso_height(obs)
        way = "backwards" if turns >= 0 else "forwards"
        return (f"The torso turns {way} by {abs(turns):.1f} turns; its height goes from {heights.min():.1f} m to "
                f"{heights.max():.1f} m; it is on the floor for {on_the_floor(obs).mean():.0%} of the time.")


def film(states: np.ndarray, width: int = 240, every: int = FILM_EVERY) -> np.ndarray:
    """States (T, 12) as pictures, every second one unless told: 25 a second in real time, (T / 2, width, width, 3)."""
    return draw(states[::every], width, way_gone(states)[::every])


@dataclass(frozen=True)
class Performance:
    """What some fresh hoppers did, each from standing."""

    states: np.ndarray              # (T, N, 12)

    @property
    def turns(self) -> np.ndarray:
        """(N,) turns backwards of each hopper; forwards counts below 0."""
        return backward_turns(self.states.swapaxes(0, 1))

    @property
    def mean_turns(self) -> float:
        """Mean of `turns`."""
        return float(self.turns.mean())

    @property
    def mean_height(self) -> float:
        """Height of the torso's centre, m, mean over all states."""
        return float(torso_height(self.states).mean())

    @property
    def floor_share(self) -> float:
        """Share of the time with the torso on the floor."""
        return float(on_the_floor(self.states).mean())

    def film(self, hopper: int = 0, width: int = 240) -> np.ndarray:
        """One hopper in real time at 25 frames a second, (T / 2, width, width, 3) uint8."""
        return film(self.states[:, hopper], width)


def perform(network: nn.Module, seconds: float = 6.0, hoppers: int = 16, seed: int = 10_000) -> Performance:
    """Let fresh hoppers act greedily for some seconds. The seed is none that training uses."""
    envs, policy = VectorHopper(hoppers, max_episode_steps=10**9, staggered=False), greedy(network)
    obs, _ = envs.reset(seed=seed)
    states = [obs]
    for _ in range(round(seconds / TIME_STEP)):
        obs, *_ = envs.step(policy(obs))
        states.append(obs)
    return Performance(np.stack(states))
