"""What the preference loop knows of a reward model: several members whose mean is the reward, and how well it fits.

Reward models for states of a few numbers are in reward_model.py, for a screen in atari/reward_ensemble.py, for answers
of a chat model in lm/answer_ensemble.py. Lessons 04, 07 and 12.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Loss = Callable[..., Tensor]                    # called as bradley_terry_loss(r1, r2, mu, error_rate, weight=weight)
Return = Callable[[Tensor], Tensor]             # rewards of clips (P, L) -> their returns (P,)


@dataclass(frozen=True)
class Fit:
    """How well a reward model explains the labels it was fitted to."""

    loss: float                             # Bradley–Terry loss of the members at the last step, nats, mean
    accuracy: float                         # share of strict labels that the mean reward agrees with (nan: all tie)
    pairs: int
    ties: int

    @classmethod
    def of(cls, losses: Sequence[float], r1: Tensor, r2: Tensor, mu: Tensor) -> "Fit":
        """From the members' losses and from the returns (P,) that the fitted mean reward gives the clips."""
        decided = mu != 0.5
        agrees = ((r1 > r2) == (mu > 0.5))[decided].float()
        return cls(sum(losses) / len(losses), float(agrees.mean()) if len(agrees) else float("nan"), len(mu),
                   int((~decided).sum()))


class RewardEnsemble(nn.Module):
    """What the loop, pair selection and pictures know of a reward model: several members, whose mean is the reward."""

    members: nn.ModuleList

    def forward(self, obs: Tensor) -> Tensor:
        """Raw rewards of each member: (S, L, ...) -> (members, S, L). Their zero and scale mean nothing."""
        raise NotImplementedError

    @torch.no_grad()
    def predict(self, obs: Tensor) -> Tensor:
        """Raw rewards, the mean over the members: (S, L, ...) -> (S, L)."""
        return self(obs).mean(dim=0)

    def normalized_reward(self, obs: Tensor) -> Tensor:
        """Rewards for the policy, with a zero and a scale: one rollout (T, N, ...) -> (T, N)."""
        raise NotImplementedError

    def fit(self, first: Tensor, second: Tensor, mu: Tensor, weight: Tensor | None = None) -> Fit:
        """Go on fitting to all labels so far, those of earlier calls first.

        first, second: (P, L, ...) observations of the clips. mu: (P,), 1, 0 or 0.5. weight: (P,), how sure the labeler
        was of each; all count alike when None. Raises ValueError without a label.
        """
        raise NotImplementedError

    def checkpoint(self) -> dict:
        """All that `restore` needs to go on identically: weights, random state, optimizers where they are kept."""
        raise NotImplementedError

    def restore(self, state: dict) -> None:
        """Take up what `checkpoint` gave."""
        raise NotImplementedError
