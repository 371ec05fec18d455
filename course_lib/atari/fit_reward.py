"""Fit a reward ensemble to preferences over segments with the Bradley–Terry loss. Lesson 06.

Departures from Christiano et al. (2017), section 2.2.3: members are resampled with Poisson weights (the same in the
limit) so that a pair keeps its weight in a member for the whole run; steps use all labels at once, because a step on
prepared clips is cheap; a penalty on the size of rewards (L1) keeps them at 0 where nothing happens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from course_lib.atari.reward_models import RewardEnsemble
from course_lib.preferences.bradley_terry import bradley_terry_loss, segment_return


@dataclass(frozen=True)
class FitConfig:
    """How a reward ensemble is fitted in each round."""

    first_steps: int = 200                  # gradient steps of the first round
    steps: int = 60                         # of each later one; the ensemble goes on from where it was
    learning_rate: float = 2e-3             # AdamW's
    weight_decay: float = 0.01              # AdamW's
    size_penalty: float = 0.02              # weight of the summed |reward| of a segment, in nats (L1)
    error_rate: float = 0.1                 # share of verdicts assumed to be random: Christiano et al. (2017)


@dataclass(frozen=True)
class Fit:
    """How well the ensemble explains the labels it was fitted to."""

    loss: float                             # Bradley–Terry loss of the members, nats, mean
    accuracy: float                         # share of strict labels that the mean reward agrees with (nan: all tie)
    pairs: int
    ties: int


class RewardFitter:
    """Keeps the labelled segments, prepared, and an optimiser for each member; `fit()` after each batch of labels."""

    def __init__(self, ensemble: RewardEnsemble, config: FitConfig, seed: int = 0):
        self.ensemble, self.config, self.rng = ensemble, config, np.random.default_rng(seed)
        self.optimizers = [torch.optim.AdamW(member.parameters(), config.learning_rate, fused=True,
                                             weight_decay=config.weight_decay) for member in ensemble.members]
        self.prepared: list = []                                # 2 a pair: sigma1, sigma2
        self.mu: list[float] = []
        self.weights: list[np.ndarray] = []                     # (members,) a pair: how often each member drew it

    def add(self, preferences: Sequence) -> None:
        """Add labels: each begins (sigma1, sigma2, mu), where a sigma has `.obs`, (L, ...)."""
        for sigma1, sigma2, mu, *_ in preferences:
            self.prepared += self.ensemble.kind.prepare([sigma1.obs, sigma2.obs])
            self.mu.append(float(mu))
            members = len(self.ensemble.members)
            self.weights.append(self.rng.poisson(1.0, members) if members > 1 else np.ones(1))

    def fit(self, steps: int | None = None) -> Fit:
        """Improve every member on all labels so far; `steps`: gradient steps, by default the config's."""
        config, data = self.config, self.ensemble.kind.gather(self.prepared)
        mu = torch.tensor(self.mu)                                                  # (P,)
        weights = torch.from_numpy(np.stack(self.weights)).float().T + 1e-6         # (members, P)
        rounds = steps if steps is not None else config.steps
        losses, returns = [], torch.zeros(2 * len(mu))
        for member, optimizer, weight in zip(self.ensemble.members, self.optimizers, weights, strict=True):
            for _ in range(rounds):
                rewards = member.prepared_rewards(data)                             # (2 P, L)
                totals = segment_return(rewards)                                    # (2 P,)
                loss = bradley_terry_loss(totals[0::2], totals[1::2], mu, config.error_rate, weight=weight)
                size = rewards.abs().sum(dim=1).mean()
                optimizer.zero_grad()
                (loss + config.size_penalty * size).backward()
                optimizer.step()
            losses.append(float(loss.detach()))
            with torch.no_grad():
                returns += segment_return(member.prepared_rewards(data)) / len(weights)
        decided = mu != 0.5
        agrees = ((returns[0::2] > returns[1::2]) == (mu > 0.5))[decided].float()
        return Fit(float(np.mean(losses)), float(agrees.mean()) if len(agrees) else float("nan"), len(mu),
                   int((~decided).sum()))


class Standardiser:
    """Shifts and scales predicted rewards to mean 0 and a small, steady spread, whatever the reward model's units.

    Preferences say nothing about zero or scale, and both wander as labels come in; PPO's critic needs them to stay.
    Source: Christiano et al. (2017), section 2.2.1. `spread`: of the result; `limit`: larger rewards are cut there;
    `memory`: share of the old mean and spread kept at each rollout.
    """

    def __init__(self, spread: float = 0.15, limit: float = 3.0, memory: float = 0.95):
        self.spread, self.limit, self.memory = spread, limit, memory
        self.mean, self.deviation = float("nan"), float("nan")

    def __call__(self, rewards: torch.Tensor) -> torch.Tensor:
        """Rewards of one rollout, (T, N) -> (T, N)."""
        mean, deviation = float(rewards.mean()), float(rewards.std()) + 1e-6
        if np.isnan(self.mean):
            self.mean, self.deviation = mean, deviation
        self.mean += (1 - self.memory) * (mean - self.mean)
        self.deviation += (1 - self.memory) * (deviation - self.deviation)
        return ((rewards - self.mean) / self.deviation * self.spread).clamp(-self.limit, self.limit)
