"""Several reward models of one kind, fitted to preferences between clips of a screen. Lesson 07.

Departures from Christiano et al. (2017), section 2.2.3: members are resampled with Poisson weights (the same in the
limit) so that a pair keeps its weight in a member for the whole run; steps use all labels at once, because a step on
prepared clips is cheap; a penalty on the size of rewards (L1) keeps them at 0 where nothing happens.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.preferences.bradley_terry import bradley_terry_loss, segment_return
from course_lib.preferences.reward_ensemble import Fit, Loss, Return, RewardEnsemble


@dataclass(frozen=True)
class FitConfig:
    """Settings of the reward model, and how it is fitted in each round."""

    members: int = 3                        # reward models: Christiano et al. (2017) used 3
    first_steps: int = 200                  # gradient steps of the first round
    steps: int = 60                         # of each later one; the ensemble goes on from where it was
    learning_rate: float = 2e-3             # AdamW's
    weight_decay: float = 0.01              # AdamW's
    size_penalty: float = 0.02              # weight of the summed |reward| of a segment, in nats (L1)
    error_rate: float = 0.1                 # share of labels assumed to be random: Christiano et al. (2017)


class Standardizer:
    """Shifts and scales predicted rewards to mean 0 and a small, steady standard deviation, whatever their units.

    Preferences say nothing about zero or scale, and both wander as labels come in; PPO's critic needs them to stay.
    Source: Christiano et al. (2017), section 2.2.1. `std`: standard deviation of the result; `limit`: larger rewards
    are cut there; `memory`: share of the old mean and standard deviation kept at each rollout.
    """

    def __init__(self, std: float = 0.15, limit: float = 3.0, memory: float = 0.95):
        self.std, self.limit, self.memory = std, limit, memory
        self.mean, self.running_std = float("nan"), float("nan")

    def __call__(self, rewards: Tensor) -> Tensor:
        """Rewards of one rollout, (T, N) -> (T, N)."""
        mean, std = float(rewards.mean()), float(rewards.std()) + 1e-6
        if np.isnan(self.mean):
            self.mean, self.running_std = mean, std
        self.mean += (1 - self.memory) * (mean - self.mean)
        self.running_std += (1 - self.memory) * (std - self.running_std)
        return ((rewards - self.mean) / self.running_std * self.std).clamp(-self.limit, self.limit)


class AtariRewardEnsemble(RewardEnsemble):
    """`config.members` models of one kind: `RowPooledReward`, `ObjectReward`, `BinnedReward`, `CellReward`.

    It keeps the labelled clips, prepared, and an optimizer for each member, from one fit to the next. The learner's own
    functions can be given: standardize (a `Standardizer`; a new one by default), loss and segment_return
    (bradley_terry.py).
    """

    def __init__(self, kind: Callable[..., nn.Module], config: FitConfig | None = None, seed: int = 0,
                 standardize: Standardizer | None = None, loss: Loss = bradley_terry_loss,
                 segment_return: Return = segment_return):
        super().__init__()
        self.kind: Any = kind
        self.config, self.loss, self.segment_return = config or FitConfig(), loss, segment_return
        self.standardize, self.rng = standardize or Standardizer(), np.random.default_rng(seed)
        self.members = nn.ModuleList(kind(seed=seed * 1000 + k) for k in range(self.config.members))
        self.optimizers = [torch.optim.AdamW(member.parameters(), self.config.learning_rate, fused=True,
                                             weight_decay=self.config.weight_decay) for member in self.members]
        self.clips: list[tuple[Tensor, Tensor]] = []        # the labelled pairs that `prepared` is made of
        self.prepared: list = []                            # 2 a pair: sigma1, sigma2
        self.draws: list[list[int]] = []                    # (members,) a pair: how often each member drew it
        self.fits = 0                                       # so far

    def forward(self, obs: Tensor) -> Tensor:
        """The rewards by every member, (members, S, L). obs: (S, L, ...), S stretches of L observations.

        Goes by `prepare`, which for frames is ten times faster than the convolution.
        """
        data = self.kind.gather(self.kind.prepare(list(obs.numpy())))
        return torch.stack([member.prepared_rewards(data) for member in self.members])

    @torch.no_grad()
    def normalized_reward(self, obs: Tensor) -> Tensor:
        """Rewards for the policy, (T, N, ...) -> (T, N); moves the running mean and standard deviation."""
        return self.standardize(self.predict(obs))

    def fit(self, first: Tensor, second: Tensor, mu: Tensor, weight: Tensor | None = None) -> Fit:
        """Improve every member on all labels so far. See `RewardEnsemble`; first, second: (P, L, ...)."""
        if len(mu) == 0:
            raise ValueError("there are no preferences to fit; label some pairs that are not skipped first")
        self._take(first, second)
        config, data = self.config, self.kind.gather(self.prepared)
        draws = torch.tensor(self.draws[:len(mu)]).float().T                        # (members, P)
        weights = (draws if weight is None else draws * weight) + 1e-6
        mu, losses, returns = mu.float(), [], torch.zeros(2 * len(mu))
        for member, optimizer, own in zip(self.members, self.optimizers, weights, strict=True):
            for _ in range(config.steps if self.fits else config.first_steps):
                rewards = member.prepared_rewards(data)                             # (2 P, L)
                totals = self.segment_return(rewards)                               # (2 P,)
                loss = self.loss(totals[0::2], totals[1::2], mu, config.error_rate, weight=own)
                size = rewards.abs().sum(dim=1).mean()
                optimizer.zero_grad()
                (loss + config.size_penalty * size).backward()
                optimizer.step()
            losses.append(float(loss.detach()))
            with torch.no_grad():
                returns += self.segment_return(member.prepared_rewards(data)) / len(weights)
        self.fits += 1
        return Fit.of(losses, returns[0::2], returns[1::2], mu)

    def _take(self, first: Tensor, second: Tensor) -> None:
        """Prepare the clips from the first on that was not there at the last fit; draw the weights of new pairs."""
        pairs = list(zip(first, second, strict=True))
        same = 0
        while same < min(len(pairs), len(self.clips)) and all(map(torch.equal, pairs[same], self.clips[same])):
            same += 1
        del self.prepared[2 * same:]
        for pair in pairs[same:]:
            self.prepared += self.kind.prepare([clip.numpy() for clip in pair])
        self.clips = pairs
        members = len(self.members)
        while len(self.draws) < len(pairs):
            self.draws.append(self.rng.poisson(1.0, members).tolist() if members > 1 else [1])

    def checkpoint(self) -> dict:
        """Weights, optimizers, draws, the running mean and standard deviation, and the random state."""
        return {"weights": self.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "draws": self.draws, "fits": self.fits, "random": self.rng.bit_generator.state,
                "moments": [self.standardize.mean, self.standardize.running_std]}

    def restore(self, state: dict) -> None:
        """Take up what `checkpoint` gave; the labelled clips are prepared anew at the next fit."""
        self.load_state_dict(state["weights"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.draws, self.fits = state["draws"], state["fits"]
        self.rng.bit_generator.state = state["random"]
        self.standardize.mean, self.standardize.running_std = state["moments"]
