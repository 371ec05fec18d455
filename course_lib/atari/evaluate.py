"""Evaluation of agents on fresh games, and of reward models along a clip. Lessons 06 and 07.

Only here is the true score read in a run from preferences: nothing here returns anything that a policy or a reward
model learns from; the runs themselves play under the seal of preferences/hidden_reward.py. `play_style` says
how an agent plays beyond its score (points, rallies, where its paddle stands), `paddle_hits` how long a paddle hit
waits for its point, `occlusion` which part of the screen a reward model's prediction rests on.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from course_lib.atari.encoders import OUR_COLUMN, BinaryFrames, Encoder, forty_rows
from course_lib.atari.envs import AtariEnvs
from course_lib.atari.games import PONG, Game
from course_lib.atari.synthetic_labelers import ball_across, paddle_height
from course_lib.preferences.reward_ensemble import RewardEnsemble
from course_lib.rl.evaluate import Evaluation, evaluate, greedy, sampled
from course_lib.rl.rollout import Collector

STEP_LIMIT = 5_000                      # agent steps a game: 5.5 minutes of play; a won game takes about 1,700
FRESH_SEED = 1_000_000                  # far from the seeds of any training run


def fresh_games(network: nn.Module, game: str | Game, encoder: Encoder, games: int = 20, seed: int = 0,
                greedily: bool = False, step_limit: int = STEP_LIMIT) -> Evaluation:
    """Play `games` new games with the true score, each to its end or to the step limit; one entry a game.

    Actions are sampled as in training; a policy that always takes its likeliest action can fall into an endless rally.
    """
    envs = AtariEnvs(game, games, encoder)
    policy = greedy(network) if greedily else sampled(network, seed)
    try:
        return evaluate(envs, policy, seed=FRESH_SEED + seed, max_steps=step_limit)
    finally:
        envs.close()


def training_return(returns: list[float], games: int = 20) -> float:
    """Mean true return of the last `games` games that `TrueReturns` noted; nan before any has ended."""
    return float(np.mean(returns[-games:])) if returns else float("nan")


@torch.no_grad()
def reward_correlation(network: nn.Module, ensemble: RewardEnsemble, game: str | Game, encoder: Encoder,
                       steps: int = 512, window: int = 5, num_envs: int = 8, seed: int = 0) -> float:
    """Correlation of the learned with the true reward over windows of `window` steps of fresh play by `network`.

    Windows, because the learned reward may see a point coming a step or two before it is scored. nan without points.
    """
    envs = AtariEnvs(game, num_envs, encoder)
    collector = Collector(envs, network, torch.Generator().manual_seed(seed), FRESH_SEED + seed)
    rollout, _ = collector.collect(steps - steps % window)
    envs.close()
    learned = ensemble.predict(rollout.next_obs())                                  # (T, N)
    sums = [rewards.reshape(-1, window, num_envs).sum(1).flatten() for rewards in (learned, rollout.rewards)]
    return float(torch.corrcoef(torch.stack(sums))[0, 1]) if sums[1].std() > 0 else float("nan")


@dataclass(frozen=True)
class PlayStyle:
    """What was seen in some thousand agent steps of fresh play."""

    steps: int                          # agent steps in all games together
    won: int                            # points
    lost: int
    heights: np.ndarray                 # (steps,) height of our paddle: 0 floor, 1 ceiling; nan where not seen
    frames: np.ndarray                  # (K, 160, 160) uint8: the first game's first steps, for a clip

    @property
    def steps_a_point(self) -> float:
        """Agent steps from one point to the next, the serve included: how long rallies are. All steps without any."""
        return self.steps / max(1, self.won + self.lost)

    @property
    def height(self) -> float:
        """Mean height of our paddle."""
        return float(np.nanmean(self.heights))

    @property
    def balance(self) -> float:
        """Points won minus lost, for each 1,000 agent steps."""
        return 1000 * (self.won - self.lost) / self.steps

    def __str__(self) -> str:
        return (f"{self.steps_a_point:4.0f} steps a point, paddle at {self.height:.2f} of the height, "
                f"points {self.won} : {self.lost}")


@torch.no_grad()
def play_style(network: nn.Module, steps: int = 600, games: int = 8, seed: int = 0, keep: int = 240) -> PlayStyle:
    """Let `network` (BinaryFrames) play `games` fresh games of Pong for `steps` steps each, actions sampled."""
    envs, policy = AtariEnvs(PONG, games, BinaryFrames(), keep_frames=True), sampled(network, seed)
    obs, _ = envs.reset(seed=FRESH_SEED + seed)
    won = lost = 0
    heights, frames = [], []
    for step in range(steps):
        obs, rewards, *_ = envs.step(policy(obs))
        court = envs.take_frames()[0]                                               # (games, 160, 160)
        won, lost = won + int((rewards > 0).sum()), lost + int((rewards < 0).sum())
        heights.append(paddle_height(court))
        if step < keep:
            frames.append(court[0])
    envs.close()
    return PlayStyle(steps * games, won, lost, np.concatenate(heights), np.stack(frames))


NEAR_US = OUR_COLUMN - 20               # pixels from the left: the ball turns at our paddle beyond this


def paddle_hits(across: np.ndarray) -> np.ndarray:
    """(T,) bool: between this step and the one before, the ball turned at our paddle (on the right).

    across: (T,) pixels from the left, -1 where no ball is seen.
    """
    moved = np.diff(across)                                                         # (T - 1,)
    seen = across >= 0
    turned = (moved[:-1] > 0) & (moved[1:] < 0) & (across[1:-1] > NEAR_US)          # (T - 2,) at the middle one
    turned &= seen[:-2] & seen[1:-1] & seen[2:]
    return np.concatenate([[False, False], turned])


def steps_to_the_point(frames: np.ndarray, rewards: np.ndarray) -> list[int]:
    """For each point won, the steps since our last paddle hit; points without one (won by the serve) are left out.

    frames: (T, N, H, W) grey, what each action led to; rewards: (T, N), 1 where a point was won, -1 where one was lost.
    """
    found = []
    for n in range(rewards.shape[1]):
        hits, last = paddle_hits(ball_across(frames[:, n])), None
        for t in range(len(rewards)):
            last = t if hits[t] else last
            if rewards[t, n] != 0:
                if rewards[t, n] > 0 and last is not None:
                    found.append(t - last)
                last = None
    return found


@torch.no_grad()
def rewards_along(ensemble: RewardEnsemble, obs: np.ndarray) -> np.ndarray:
    """Each member's reward at every step of a clip, minus the clip's middle value: (L, ...) -> (members, L).

    Only differences mean something: preferences fix neither zero nor scale.
    """
    each = ensemble(torch.from_numpy(np.ascontiguousarray(obs))[None])[:, 0]   # (members, L)
    return (each - each.median(dim=1, keepdim=True).values).numpy()


@torch.no_grad()
def occlusion(ensemble: RewardEnsemble, obs: np.ndarray, size: int = 4) -> np.ndarray:
    """How much of a step's reward rests on each part of the picture: (2, rows, 40) -> (40 / size, 40 / size).

    Each block of size x size cells of the 40 x 40 that reward models read is emptied in both frames; the entry is the
    reward as it was minus the reward without the block. Source: M. Zeiler and R. Fergus (2014), "Visualizing and
    understanding convolutional networks", section 4.2.
    """
    blocks, obs = 40 // size, forty_rows(obs)
    changed = np.repeat(obs[None], blocks * blocks + 1, axis=0)                     # (blocks^2 + 1, 2, 40, 40)
    for number in range(blocks * blocks):
        row, column = number // blocks * size, number % blocks * size
        changed[number, :, row:row + size, column:column + size] = 0
    rewards = ensemble.predict(torch.from_numpy(changed)[None])[0]                  # (blocks^2 + 1,)
    return (rewards[-1] - rewards[:-1]).reshape(blocks, blocks).numpy()
