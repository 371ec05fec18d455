"""What an agent is really worth: fresh games with the true score. The only reader of a sealed score. Lessons 05 and 06.

Nothing here returns anything that a policy or a reward model learns from; tests/test_atari_hidden_score.py trains with
a seal that raises when it is opened elsewhere.
"""

import numpy as np
import torch
from torch import nn

from course_lib.atari.encoders import Encoder
from course_lib.atari.envs import AtariEnvs, SealedScore
from course_lib.atari.games import Game
from course_lib.atari.reward_models import RewardEnsemble
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


def training_return(score: SealedScore, games: int = 20) -> float:
    """Mean true return of the last `games` games of a run whose score is sealed; nan before any has ended."""
    returns = score.read()[-games:]
    return float(np.mean(returns)) if returns else float("nan")


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
    learned = ensemble.rewards(rollout.next_obs())                                  # (T, N)
    sums = [rewards.reshape(-1, window, num_envs).sum(1).flatten() for rewards in (learned, rollout.rewards)]
    return float(torch.corrcoef(torch.stack(sums))[0, 1]) if sums[1].std() > 0 else float("nan")
