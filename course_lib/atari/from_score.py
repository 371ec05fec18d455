"""Pong from its true score: PPO on binary frames of 80 x 40 cells. Lesson 05.

Departures from common practice (V. Mnih et al. 2015 and CleanRL's ppo_atari.py):
- 2 frames of 80 x 40 cells instead of 4 of 84 x 84 greys, and one convolution instead of three: 20 times fewer sums;
- three buttons instead of six (the other three do the same), no sticky actions, no pooling over two frames;
- GAE stops at each point (boundaries.py);
- 16 environments, learning rate 2e-3, minibatches of 512. With 1e-3 fewer points are won (benchmarks/pong.py
  pixels-400-slower);
- lambda 0.98 instead of 0.95: the ball flies about 30 steps from a good stroke to the point that it wins. Of that
  point (0.99 * 0.95)^30 = 0.16 reaches the stroke without the critic's help, with 0.98 it is 0.40;
- rewards are centred, by their mean over about 20 rollouts (A. Naik et al. 2024, "Reward centering", who do it for
  tasks without end). Here GAE stops at each point, so a constant on each step is a price on the length of rallies: an
  agent that loses is paid for holding out, one that wins pays for taking its time;
- the learning rate stays high until 60% of the steps and then falls, nearly to 0. Between playing as well as the
  opponent and winning lies a discovery (a stroke with the paddle's edge), and a run whose steps have become small may
  miss it; but the last few points come only with small steps.
"""

from pathlib import Path

from course_lib.atari.boundaries import at_points
from course_lib.atari.encoders import BinaryFrames
from course_lib.atari.envs import AtariEnvs
from course_lib.atari.networks import FrameAgent
from course_lib.rl.ppo import PPO, PPOConfig

NUM_ENVS = 16


def pong_config(seed: int = 0, **changes) -> PPOConfig:
    """The settings of lesson 05; those not named here are PPOConfig's own. Runs may stop early."""
    settings = {"total_steps": 650_000, "num_steps": 128, "minibatch_size": 512, "learning_rate": 2e-3, "lam": 0.98,
                "hold_learning_rate": 0.6, "final_learning_rate": 0.02, "centre_rewards": True,
                "checkpoint_every": 50}
    return PPOConfig(seed=seed, **{**settings, **changes})


def pong_from_score(seed: int = 0, checkpoint: Path | None = None, point_boundaries: bool = True,
                    **changes) -> PPO:
    """A trainer of Pong from its score: `for progress in pong_from_score().train(): ...`; `changes` go to PPOConfig.

    With `point_boundaries=False` only ends of games are boundaries: the slower way that lesson 05 compares.
    """
    envs = AtariEnvs("pong", NUM_ENVS, BinaryFrames())
    return PPO(envs, FrameAgent(seed=seed), pong_config(seed, **changes), checkpoint,
               boundary_function=at_points if point_boundaries else None)
