"""A reward model's scores have no zero point and no unit: give them one before anything is priced in them. Lesson 10.

After this, 1 is one spread of the starting model's own texts, and beta can be read: with beta 0.1 a text that is one
spread better may be ten nats away. Source: D. Ziegler et al. (2019), section 2.1, reward of mean 0 and variance 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from course_lib.lm.completions import TextReward
from course_lib.lm.reward_model import RewardModel
from course_lib.lm.token_ppo import value_network
from course_lib.lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class ScaledReward:
    """(reward - mean) / spread; called with texts as any reward is."""

    reward: TextReward
    mean: float
    spread: float

    @classmethod
    def on(cls, reward: TextReward, texts: Sequence[str]) -> "ScaledReward":
        """Scaled so that `texts`, usually the starting model's, get mean 0, spread 1. ValueError if all are equal."""
        scores = reward(texts)
        mean, spread = scores.mean().item(), scores.std().item()
        if not spread > 0:
            raise ValueError(f"the reward says the same of all {len(texts)} texts: there is nothing to scale by")
        return cls(reward, mean, spread)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Rewards of whole texts, (texts,)."""
        return self.scaled(self.reward(texts))

    def scaled(self, scores: Tensor) -> Tensor:
        """The reward's own scores, brought to this zero point and unit; any shape."""
        return (scores - self.mean) / self.spread


def value_network_for(reward: TextReward, reward_model: RewardModel, texts: Sequence[str],
                      tokenizer: Tokenizer) -> RewardModel:
    """A value network that begins as the reward model, shifted and scaled to what `reward` says of `texts`.

    When `reward` is that model, scaled, it begins with its opinion; for another reward with the nearest thing to it.
    """
    theirs, wanted = reward_model.rewards(texts, tokenizer), reward(texts)
    spread = (theirs.std() / wanted.std()).item()
    return value_network(reward_model, theirs.mean().item() - spread * wanted.mean().item(), spread)
