"""Atari as tasks for the preference loop: Pong from pixels and from objects, Donkey Kong; their settings. Lesson 07.

    loop = PreferenceLoop(TASKS["pong frames"], store, folder, run="pong")

Departures from Christiano et al. (2017), "Deep reinforcement learning from human preferences", beyond those of the loop
(preferences/loop.py) and of the reward model (reward_ensemble.py):
- the policy sees 2 binary frames of 80 x 40 cells; the reward model reads every second row of them by one small
  convolution summed over rows, not by their four-layer network;
- GAE stops where the ball leaves the screen (pong.py), which tells that a rally ended, not who won it;
- the learning rate rises slowly, and 60 labels come before any training. The first reward models know little, and an
  agent that takes long steps after them may settle into losing before they know better (with 40 first labels, one seed
  of five did);
- an emulator cannot be copied, so at each save of the agent (after a round's training, and now and then within it) all
  games begin anew, in the run that goes on and in the one that is loaded, and clips not yet asked about are dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import ClassVar

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from course_lib.atari.donkey_kong import KongObjects
from course_lib.atari.encoders import BinaryFrames, Encoder, PongObjects
from course_lib.atari.envs import AtariEnvs
from course_lib.atari.games import DONKEY_KONG, PONG, Game, in_colour
from course_lib.atari.networks import BinnedObjectAgent, FrameAgent, ObjectAgent
from course_lib.atari.pong import NUM_ENVS, at_ball_gone, pong_config
from course_lib.atari.reward_ensemble import AtariRewardEnsemble, FitConfig
from course_lib.atari.reward_models import BinnedReward, CellReward, ObjectReward, RowPooledReward
from course_lib.labels.media import frames as frames_of
from course_lib.labels.records import Item
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.environment_task import EnvironmentTask, LoopConfig
from course_lib.preferences.segments import Segment, sample_segments
from course_lib.rl.ppo import PPOConfig
from course_lib.rl.rollout import Rollout

ZOOM = 2                                # a court of 160 x 160 is shown as 320 x 320


def nowhere(rollout: Rollout) -> Tensor:
    """(T, N) bool, all False: no step is a boundary."""
    return torch.zeros_like(rollout.ended)


def learned_reward_ppo(**changes: object) -> PPOConfig:
    """Lesson 06's settings, but the learning rate rises slowly and does not fall as far; `changes` win.

    Learned rewards are centred where they are standardized (reward_ensemble.py).
    """
    settings = {"warmup_share": 0.15, "final_learning_rate": 0.1, "centre_rewards": False}
    return pong_config(**{**settings, **changes})


@dataclass(frozen=True)
class AtariTask(EnvironmentTask):
    """One way of playing one game from preferences: how it is observed, who plays, what rewards a step."""

    name: str
    game: Game
    encoder: Callable[[], Encoder]
    agent: Callable[..., nn.Module]                     # agent(seed=...)
    kind: type[nn.Module]                               # of reward model, see reward_models.py
    gae_stops: Callable[[Rollout], Tensor]              # never the score: see pong.py
    question: str
    num_envs: int = NUM_ENVS

    fps: ClassVar[float] = 15
    keeps_clips: ClassVar[bool] = False                 # a clip's pictures take 640 kB

    def config(self, total_steps: int = 960_000, labels: int = 400, first_labels: int = 60, labels_a_round: int = 17,
               updates_a_round: int = 12, reward: FitConfig | None = None, ppo: PPOConfig | None = None,
               **changes: object) -> LoopConfig:
        """The settings of a run, and its rounds; the last one trains to the end. Chosen with benchmarks/pong.py.

        total_steps: agent steps of training. labels: preferences asked for in all, `first_labels` of them before any
        training, `labels_a_round` at each later time. updates_a_round: PPO updates between two times. changes: other
        fields of `LoopConfig`. Raises ValueError when the steps are too few for the rounds.
        """
        ppo = ppo or learned_reward_ppo()
        later, rest = divmod(labels - first_labels, labels_a_round)
        asked = (first_labels, *(labels_a_round,) * later, *((rest,) if rest else ()))
        last = ceil(total_steps / (ppo.num_steps * self.num_envs)) - updates_a_round * (len(asked) - 1)
        if last < 1:
            raise ValueError(f"{total_steps} agent steps are too few for {len(asked)} rounds of {updates_a_round} "
                             f"updates of {ppo.num_steps * self.num_envs} steps")
        settings = {"absorbing_steps": 0, "clips_a_rollout": 24, "pool": 480, "rollouts": 4, "fresh_clips": False,
                    "save_every": updates_a_round}
        return LoopConfig(labels=asked, updates=(*(updates_a_round,) * (len(asked) - 1), last), total_steps=total_steps,
                          reward=reward or FitConfig(), ppo=ppo, **{**settings, **changes})

    def envs(self) -> VectorEnv:
        """Games to train in, not yet under seal."""
        return AtariEnvs(self.game, self.num_envs, self.encoder(), keep_frames=True)

    def network(self, seed: int) -> nn.Module:
        """An untrained agent, or the one that `agent` brings."""
        return self.agent(seed=seed)

    def reward_model(self, config: LoopConfig, **functions: Callable) -> AtariRewardEnsemble:
        """Several reward models of the task's kind; functions: standardize, loss, segment_return."""
        return AtariRewardEnsemble(self.kind, config.reward, config.seed, **functions)

    def boundary(self, rollout: Rollout) -> Tensor:
        """Where GAE stops, (T, N) bool, read off the screen."""
        return self.gae_stops(rollout)

    def cut(self, rollout: Rollout, envs: VectorEnv, config: LoopConfig, rng: np.random.Generator) -> list[Segment]:
        """Some clips of a rollout, with the pictures of its steps."""
        return sample_segments(rollout.next_obs(), envs.take_frames(), config.clip_steps, config.clips_a_rollout, rng)

    def last_clips_cut(self, envs: VectorEnv) -> None:
        """Pictures are not kept any longer."""
        envs.stop_keeping_frames()

    def clips_wanted_again(self, envs: VectorEnv) -> None:
        """Pictures are kept from now on."""
        envs.start_keeping_frames()

    def frames(self, clip: Segment) -> np.ndarray:
        """A clip in colour, (L, 2 * H, 2 * W, 3) uint8; the score is not in it. Raises ValueError without pictures."""
        if clip.frames is None:
            raise ValueError("the pictures of this clip were dropped after it was asked about; cut a new one")
        return in_colour(clip.frames, self.game).repeat(ZOOM, axis=1).repeat(ZOOM, axis=2)

    def alt(self, clip: Segment) -> str:
        """Which game, and how many steps: what is seen cannot be told without a hint at what is better."""
        return f"{self.game.name.replace('_', ' ')}, {len(clip.obs)} steps of play"

    def add_item(self, store: PreferenceStore, segment: Segment) -> str:
        """A clip with its pictures and its observations."""
        return store.add_clip(self.frames(segment), fps=self.fps, alt=self.alt(segment), obs=segment.obs.numpy(),
                              zoom=ZOOM)

    def segment(self, item: Item) -> Segment:
        """The clip back from the store, its pictures in colour."""
        zoom = int(item.info["zoom"])
        return Segment(torch.from_numpy(item.obs), frames=frames_of(item)[:, ::zoom, ::zoom])


PONG_QUESTION = "Which clip plays better? We are the green paddle."
TASKS = {task.name: task for task in (
    AtariTask("pong frames", PONG, BinaryFrames, FrameAgent, RowPooledReward, at_ball_gone, PONG_QUESTION),
    AtariTask("pong cells", PONG, BinaryFrames, FrameAgent, CellReward, at_ball_gone, PONG_QUESTION),
    AtariTask("pong objects", PONG, PongObjects, BinnedObjectAgent, BinnedReward, at_ball_gone, PONG_QUESTION),
    AtariTask("donkey kong objects", DONKEY_KONG, KongObjects,
              partial(ObjectAgent, actions=len(DONKEY_KONG.actions)), ObjectReward, nowhere,
              "Which clip climbs, or comes nearer to a ladder?"))}
