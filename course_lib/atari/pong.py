"""Pong from its true score: PPO on binary frames of 80 x 40 cells, and where one point ends and the next begins.

A game has about 30 points, and what happened in one says nothing about the next. When GAE stops at each point, credit
goes to the paddle hits that led to it; lesson 06 measures what that buys. `at_points` reads the true rewards;
`at_ball_gone` reads the screen, for lesson 07, where the score is hidden.

Departures from common practice (V. Mnih et al. 2015 and CleanRL's ppo_atari.py):
- 2 frames of 80 x 40 cells instead of 4 of 84 x 84 greys, and one convolution instead of three: 20 times fewer sums;
- three buttons instead of six (the other three do the same), no sticky actions, no pooling over two frames;
- GAE stops at each point;
- 16 environments, learning rate 2e-3, minibatches of 512. With 1e-3 fewer points are won (benchmarks/pong.py
  pixels-400-slower);
- lambda 0.98 instead of 0.95: the ball flies about 30 steps from a good hit to the point that it wins. Of that
  point (0.99 * 0.95)^30 = 0.16 reaches the hit without the critic's help, with 0.98 it is 0.40;
- rewards are centred, by their mean over about 20 rollouts (A. Naik et al. 2024, "Reward centering", who do it for
  tasks without end). Here GAE stops at each point, so a constant on each step depends on the length of rallies: an
  agent that loses is rewarded for holding out, one that wins is charged for taking its time;
- the learning rate stays high until 60% of the steps and then falls, nearly to 0. Between playing as well as the
  opponent and winning lies a discovery (hitting with the paddle's edge), and a run whose steps have become small may
  miss it; but the last few points come only with small steps.

Taught in lesson 06; the boundaries without the score in lesson 07.
"""

from pathlib import Path

import torch

from course_lib.atari.encoders import BinaryFrames
from course_lib.atari.envs import AtariEnvs
from course_lib.atari.networks import FrameAgent
from course_lib.preferences.segments import Segment
from course_lib.rl.ppo import PPO, PPOConfig
from course_lib.rl.rollout import Rollout

BALL_GONE_STEPS = 3                     # the ball flickers for one step now and then; unseen for three it is out
PADDLE_COLUMNS = (slice(0, 4), slice(5, 35), slice(36, 40))     # columns of the 40 without the two paddles' (4 and 35)


def at_points(rollout: Rollout) -> torch.Tensor:
    """(T, N) bool: a point or the game ended with this step. Uses the true rewards, so only where those may be seen."""
    return (rollout.rewards != 0) | rollout.ended


def ball_seen(obs: torch.Tensor) -> torch.Tensor:
    """Whether the newer frame shows a ball. obs: (..., 2, rows, 40) cells or (..., 10) objects; returns (...) bool.

    In cells, anything outside the paddles' two columns is the ball.
    """
    if obs.shape[-1] == 10:
        return obs[..., 0] > 0.5
    now = obs[..., 0, :, :]                                                         # (..., rows, 40)
    return torch.stack([now[..., columns].flatten(-2).amax(-1) > 0 for columns in PADDLE_COLUMNS]).any(0)


def ball_leaves(segment: Segment) -> bool:
    """Whether the ball leaves the screen in a clip, read off its observations; who scored is not."""
    seen = ball_seen(segment.obs)                                                   # (L,)
    return bool((seen[:-1] & ~seen[1:]).any())


def at_ball_gone(rollout: Rollout) -> torch.Tensor:
    """(T, N) bool: the ball was seen before this step and is not in the three observations after it.

    It is read off the screen and says that a rally ended, not who won it. The last two steps of a rollout cannot be
    followed far enough; they count what can be seen. Ends of games are not used: how long a game lasts tells who wins.
    """
    seen = ball_seen(torch.cat([rollout.obs, rollout.last_obs[None]]))              # (T + 1, N)
    unseen_to_the_end = torch.zeros_like(seen[:1]).expand(BALL_GONE_STEPS - 1, -1)
    later = torch.cat([seen, unseen_to_the_end])                                    # (T + 3, N)
    steps = len(rollout.obs)
    gone = ~torch.stack([later[1 + k:1 + k + steps] for k in range(BALL_GONE_STEPS)]).any(0)
    return seen[:-1] & gone


NUM_ENVS = 16


def pong_config(seed: int = 0, **changes) -> PPOConfig:
    """The settings of lesson 06; those not named here are PPOConfig's own. Runs may stop early."""
    settings = {"total_steps": 650_000, "num_steps": 128, "minibatch_size": 512, "learning_rate": 2e-3, "lam": 0.98,
                "hold_learning_rate": 0.6, "final_learning_rate": 0.02, "centre_rewards": True,
                "checkpoint_every": 50}
    return PPOConfig(seed=seed, **{**settings, **changes})


def pong_from_score(seed: int = 0, checkpoint: Path | None = None, point_boundaries: bool = True,
                    **changes) -> PPO:
    """A trainer of Pong from its score: `for progress in pong_from_score().train(): ...`; `changes` go to PPOConfig.

    With `point_boundaries=False` only ends of games are boundaries: the slower way that lesson 06 compares.
    """
    envs = AtariEnvs("pong", NUM_ENVS, BinaryFrames())
    return PPO(envs, FrameAgent(seed=seed), pong_config(seed, **changes), checkpoint,
               boundary_function=at_points if point_boundaries else None)
