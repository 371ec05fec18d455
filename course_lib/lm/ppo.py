"""PPO for language models: each token is an action, and a text is rewarded once, at its end. Lesson 10.

The loss is `course_lib.rl.objectives.clipped_policy_loss`, the advantage `course_lib.rl.objectives.gae`: the functions
that trained CartPole in lesson 02, told by a mask where there is nothing to learn.

Sources: D. Ziegler et al. (2019), "Fine-tuning language models from human preferences", section 2.1 also for rewards of
mean 0 and variance 1 (`ScaledReward`); N. Stiennon et al. (2020), "Learning to summarize from human feedback", section
3.4 and appendix B.1, for the value network of its own that starts from the reward model's weights; L. Ouyang et al.
(2022), "Training language models to follow instructions with human feedback" (InstructGPT), section 3.5 and appendix
C.4; S. Huang et al. (2024), "The N+ implementation details of RLHF with PPO", for the whitening over tokens that are no
padding.

A reward model's scores have no zero point and no unit. After `ScaledReward` 1 is one standard deviation of the
starting model's own texts, and beta can be read: with beta 0.1 a text that is one standard deviation better may be ten
nats away.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.lm.generate import Completions, TextReward, last_choice
from course_lib.lm.gpt import GPT
from course_lib.lm.kl import token_rewards
from course_lib.lm.reward_model import RewardModel
from course_lib.lm.text_training import MaskedLoss, TextTraining, TextTrainingConfig, TokenRewards, adam
from course_lib.lm.tokenizers import Tokenizer
from course_lib.rl.objectives import approximate_kl, clip_fraction, clipped_policy_loss, gae, masked_mean, value_loss

TokenAdvantages = Callable[[Tensor, Tensor, Tensor, float, float], Tensor]      # called as `token_gae` is
Whitening = Callable[[Tensor, Tensor], Tensor]                                  # called as `whiten` is


@dataclass(frozen=True)
class TokenPPOConfig(TextTrainingConfig):
    """Settings of PPO on tokens. The defaults were measured by `benchmarks/text_rl.py`."""

    gamma: float = 1.0                      # worth of a reward one token later: an end token is paid in full
    lam: float = 0.95                       # GAE's lambda
    value_learning_rate: float = 3e-4       # Adam's, of the value network, at the start
    whiten: bool = True                     # bring advantages to mean 0 and spread 1 over all choices of a batch


def token_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 0.95) -> Tensor:
    """Advantages of a batch of completions, by the `gae` of lesson 02; all (B, L - 1), 0 outside `mask`.

    rewards: of each choice. values: the value network's guess before each choice. What it says about prompts and
    padding is left out, and nothing follows the last choice. Exercise 10.3.
    """
    ends = last_choice(mask)
    last_value = torch.zeros(len(mask), dtype=values.dtype)                         # after the last column: nothing
    advantages = gae((rewards * mask).T, (values * mask).T, ends.T, last_value, gamma, lam)      # (L - 1, B)
    return advantages.T * mask


def whiten(advantages: Tensor, mask: Tensor) -> Tensor:
    """Shifted and scaled to mean 0 and spread 1 over the choices, 0 elsewhere: (B, L - 1) -> (B, L - 1).

    Padding must not be counted: its zeros would pull the mean towards 0 and make the spread wrong. Exercise 10.5.
    """
    mean = masked_mean(advantages, mask)
    spread = masked_mean((advantages - mean) ** 2, mask).sqrt()
    return (advantages - mean) / (spread + 1e-8) * mask


def value_network(reward_model: RewardModel, mean: float, spread: float) -> RewardModel:
    """A copy of the reward model that says at each token what (reward - mean) / spread it expects in the end.

    It has read whole texts and judged them; judging beginnings is what is left to learn. mean, spread: by which the
    reward was shifted and scaled (0 and 1 when it was not). Source: Stiennon et al. (2020), appendix B.1.
    """
    copy = RewardModel(GPT(reward_model.trunk.config))
    copy.load_state_dict(reward_model.state_dict())
    with torch.no_grad():
        copy.head.weight /= spread
        copy.head.bias.copy_((copy.head.bias - mean) / spread)
    return copy.eval()


class TokenPPO(TextTraining):
    """PPO on text; see TextTraining for how a run goes. `values` is trained in place, beside the policy.

    advantages, whitening, policy_loss: take the place of `token_gae`, `whiten` and `clipped_policy_loss`, for instance
    the learner's own of exercises 10.3 to 10.5; called by position.
    """

    def __init__(self, policy: GPT, reference: GPT, values: RewardModel, prompts: Tensor, reward: TextReward,
                 tokenizer: Tokenizer, config: TokenPPOConfig, checkpoint: Path | None = None,
                 earn: TokenRewards = token_rewards, advantages: TokenAdvantages = token_gae,
                 whitening: Whitening = whiten, policy_loss: MaskedLoss = clipped_policy_loss):
        super().__init__(policy, reference, prompts, reward, tokenizer, config, checkpoint, earn)
        self.values, self.advantages, self.whitening, self.policy_loss = values, advantages, whitening, policy_loss
        self.value_optimizer = adam(values, config.value_learning_rate)
        if checkpoint is not None and Path(checkpoint).exists():
            self.load(checkpoint)

    def _learn(self, batch: Completions, earned: Tensor) -> dict[str, float]:
        config, mask, old_logprobs = self.config, batch.mask, self._old_logprobs(batch)
        with torch.no_grad():
            values = torch.cat([self._values(some) for some in batch.tokens.split(config.minibatch)])   # (B, L - 1)
        advantages = self.advantages(earned, values, mask, config.gamma, config.lam)
        targets = (advantages + values) * mask                                      # (B, L - 1)
        weights = self.whitening(advantages, mask) if config.whiten else advantages
        reports = []
        for epoch in range(config.epochs):
            for rows in torch.randperm(len(mask), generator=self.generator).split(config.minibatch):
                old, here = old_logprobs[rows], mask[rows]
                now = self._improve(batch.tokens[rows], old, weights[rows], here, self.policy_loss)
                error = value_loss(self._values(batch.tokens[rows]), targets[rows], here)
                self._step(self.values, self.value_optimizer, error)
                if epoch == config.epochs - 1:
                    reports.append(torch.stack([error.detach(), approximate_kl(now, old, here),
                                                clip_fraction(now, old, config.clip, here)]))
        error, change, clipped = torch.stack(reports).mean(0).tolist()
        explained = 1 - advantages[mask].var() / targets[mask].var().clamp_min(1e-8)
        return {"value_loss": error, "policy_change": change, "clip_fraction": clipped,
                "explained_variance": explained.item()}

    def _values(self, tokens: Tensor) -> Tensor:
        """What the value network expects before each choice: (b, L) -> (b, L - 1)."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bfloat16):
            return self.values.at_each_token(tokens[:, :-1]).float()

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {**super()._parts(), "values": self.values, "value_optimizer": self.value_optimizer}

    def _set_learning_rates(self, share: float) -> None:
        super()._set_learning_rates(share)
        self.value_optimizer.param_groups[0]["lr"] = self.config.value_learning_rate * share


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
