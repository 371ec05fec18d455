"""PPO for language models: each token is an action, and a text is rewarded once, at its end. Lesson 11.

`TokenPPO.update()` is the whole algorithm: sample completions -> rewards with a KL penalty -> advantages -> minibatch
epochs. The loss is `course_lib.rl.objectives.clipped_policy_loss`, the advantage `course_lib.rl.objectives.gae`: the
functions that trained CartPole in lesson 02, told by a mask where there is nothing to learn.

One convention runs through everything: all tensors about tokens are (B, L - 1), and column t is about the choice of
tokens[:, t + 1]; `mask` says which columns were choices of the policy (see generate.py).

Sources: D. Ziegler et al. (2019), "Fine-tuning language models from human preferences"; N. Stiennon et al. (2020),
"Learning to summarize from human feedback", section 3.4 and appendix B.1, for the value network of its own that starts
from the reward model's weights; L. Ouyang et al. (2022), "Training language models to follow instructions with human
feedback" (InstructGPT), section 3.5 and appendix C.4; S. Huang et al. (2024), "The N+ implementation details of RLHF
with PPO", for the whitening over tokens that are no padding.
Departures from InstructGPT:
- each batch is learned from twice (there once), the learning rate falls, and no running mean of the weights is kept;
- no gradients of pretraining are mixed in;
- the value network's error is not clipped, and a text that is cut off is rewarded as it stands.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from course_lib.lm.data import draw_prompts
from course_lib.lm.generate import (
    ChoiceLogprobs,
    Completions,
    SampleCompletions,
    TextReward,
    choice_logprobs,
    sample_completions,
)
from course_lib.lm.gpt import GPT
from course_lib.lm.kl import AdaptiveBeta, TokenRewards, last_choice, token_rewards
from course_lib.lm.reward_model import RewardModel
from course_lib.lm.text_training import TextProgress, TextTrainingConfig, adam, summary
from course_lib.lm.tokenizers import Tokenizer
from course_lib.rl.objectives import (
    approximate_kl,
    clip_fraction,
    clipped_policy_loss,
    explained_variance,
    gae,
    masked_mean,
    value_loss,
)
from course_lib.training.precision import in_bfloat16, products
from course_lib.training.run import TrainingRun, gradient_step, require_finite
from course_lib.training.schedules import warmup_then_linear

TokenAdvantages = Callable[[Tensor, Tensor, Tensor, float, float], Tensor]      # called as `token_gae` is
Whitening = Callable[[Tensor, Tensor], Tensor]                                  # called as `whiten` is
MaskedLoss = Callable[[Tensor, Tensor, Tensor, float, Tensor], Tensor]          # as `clipped_policy_loss` with a mask


@dataclass(frozen=True)
class TokenPPOConfig(TextTrainingConfig):
    """Settings of PPO on tokens. The defaults were measured by `benchmarks/text_rl.py`."""

    gamma: float = 1.0                      # discount of a reward one token later: an end token counts in full
    lam: float = 0.95                       # GAE's lambda
    value_learning_rate: float = 3e-4       # Adam's, of the value network; it rises and falls as the policy's
    whiten: bool = True                     # bring advantages to mean 0 and std 1 over all choices of a batch


def token_gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 0.95) -> Tensor:
    """Advantages of a batch of completions, by the `gae` of lesson 02; all (B, L - 1), 0 outside `mask`.

    rewards: of each choice. values: the value network's estimate before each choice. What it says about prompts and
    padding is left out, and nothing follows the last choice. Exercise 11.3.
    """
    ends = last_choice(mask)
    last_value = torch.zeros(len(mask), dtype=values.dtype)                         # after the last column: nothing
    advantages = gae((rewards * mask).T, (values * mask).T, ends.T, last_value, gamma, lam)      # (L - 1, B)
    return advantages.T * mask


def whiten(advantages: Tensor, mask: Tensor) -> Tensor:
    """Standardized to mean 0 and std 1 over the choices, 0 elsewhere: (B, L - 1) -> (B, L - 1).

    Padding must not be counted: its zeros would pull the mean towards 0 and make the std wrong. Exercise 11.5.
    """
    mean = masked_mean(advantages, mask)
    std = masked_mean((advantages - mean) ** 2, mask).sqrt()                        # of all choices: n, not n - 1
    return (advantages - mean) / (std + 1e-8) * mask


class TokenPPO(TrainingRun[TextProgress]):
    """Trains `policy` and `values` in place. `for progress in run.train(): ...` is one update a turn; see TrainingRun.

    reference: the model from which the KL is measured, usually a copy of the policy at the start; never changed.
    prompts: (N, P) prompts of one length, each begun by the end token. reward: whole texts -> (texts,).
    token_rewards, advantages, whitening, policy_loss: take the place of the course's `token_rewards`, `token_gae`,
    `whiten` and `clipped_policy_loss`, for instance the learner's own of exercises 11.1 and 11.3 to 11.5; called by
    position. sample, logprobs: take the place of `sample_completions` and `choice_logprobs`, for a policy that is no
    GPT of the course.
    """

    progress = TextProgress
    remedy = "Look for rewards that are nan; else lower the learning rate."

    def __init__(self, policy: GPT, reference: GPT, values: RewardModel, prompts: Tensor, reward: TextReward,
                 tokenizer: Tokenizer, config: TokenPPOConfig, checkpoint: Path | None = None,
                 token_rewards: TokenRewards = token_rewards, advantages: TokenAdvantages = token_gae,
                 whitening: Whitening = whiten, policy_loss: MaskedLoss = clipped_policy_loss,
                 sample: SampleCompletions = sample_completions, logprobs: ChoiceLogprobs = choice_logprobs):
        super().__init__(config, checkpoint)
        self.sample, self.logprobs = sample, logprobs
        self.policy, self.reference, self.values = policy.eval(), reference.eval(), values
        self.prompts, self.reward, self.tokenizer = prompts, reward, tokenizer
        self.token_rewards, self.policy_loss = token_rewards, policy_loss
        self.advantages, self.whitening = advantages, whitening
        self.optimizer = adam(policy, config.learning_rate)
        self.value_optimizer = adam(values, config.value_learning_rate)
        schedule = warmup_then_linear(config.updates, config.warmup_share, final=config.final_learning_rate)
        self.scheduler = LambdaLR(self.optimizer, schedule)
        self.value_scheduler = LambdaLR(self.value_optimizer, schedule)
        self.kl_coefficient = AdaptiveBeta(config.beta, config.kl_target, config.kl_speed)
        self.batch: Completions | None = None           # the newest completions, for whoever wants to read them
        self.parts = {"policy": policy, "values": values,
                      "optimizer": self.optimizer, "value_optimizer": self.value_optimizer,
                      "scheduler": self.scheduler, "value_scheduler": self.value_scheduler}
        self.resume()

    @property
    def beta(self) -> float:
        """The KL coefficient now."""
        return self.kl_coefficient.beta

    def update(self) -> TextProgress:
        """One update: sample completions, reward their tokens, compute advantages, learn for some epochs, report."""
        config, beta = self.config, self.beta

        # Sample: the policy continues some prompts, and each whole text gets a reward.
        prompts = draw_prompts(self.prompts, config.batch_size, config.samples_per_prompt, self.generator)    # (B, P)
        batch = self.sample(self.policy, self.reference, prompts, self.reward, self.tokenizer,
                            config.max_new_tokens, self.generator)
        require_finite("A reward", batch.rewards)           # before learning from them: the weights are still good
        tokens, mask, old_logprobs = batch.tokens, batch.mask, batch.logprobs       # (B, L), (B, L - 1), (B, L - 1)

        # Reward each token: the text's reward at its end, and everywhere the KL penalty.
        rewards = self.token_rewards(batch.rewards, old_logprobs, batch.reference_logprobs, mask, beta)  # (B, L - 1)

        # How much better than expected was each choice? The value network's targets are the returns.
        with torch.no_grad(), products(config.bfloat16):
            pieces = tokens.split(config.minibatch_size)
            values = torch.cat([self.values.at_each_token(some[:, :-1]).float() for some in pieces])     # (B, L - 1)
            if in_bfloat16(config.bfloat16):      # in the precision that learning reads in, so that ratios begin at 1
                masks = mask.split(config.minibatch_size)
                old_logprobs = torch.cat([self.logprobs(self.policy, *piece)
                                          for piece in zip(pieces, masks, strict=True)])                 # (B, L - 1)
        advantages = self.advantages(rewards, values, mask, config.gamma, config.lam)                    # (B, L - 1)
        returns = (advantages + values) * mask                                                           # (B, L - 1)
        weights = self.whitening(advantages, mask) if config.whiten else advantages                      # (B, L - 1)

        # Learn: one step of the policy and one of the value network for each minibatch.
        reports = []
        for epoch in range(config.epochs):
            for rows in torch.randperm(len(tokens), generator=self.generator).split(config.minibatch_size):
                with products(config.bfloat16):
                    logprobs = self.logprobs(self.policy, tokens[rows], mask[rows])                      # (b, L - 1)
                    estimates = self.values.at_each_token(tokens[rows, :-1]).float()                     # (b, L - 1)
                policy_loss = self.policy_loss(logprobs, old_logprobs[rows], weights[rows], config.clip, mask[rows])
                gradient_step(policy_loss, self.policy, self.optimizer, max_grad_norm=config.max_grad_norm)
                error = value_loss(estimates, returns[rows], mask[rows])
                gradient_step(error, self.values, self.value_optimizer, max_grad_norm=config.max_grad_norm)
                if epoch == config.epochs - 1:
                    now, old = logprobs.detach(), old_logprobs[rows]
                    reports.append(torch.stack([error.detach(), approximate_kl(now, old, mask[rows]),
                                                clip_fraction(now, old, config.clip, mask[rows])]))

        # Report, and move the KL coefficient and the learning rates on.
        error, change, clipped = torch.stack(reports).mean(0).tolist()
        self.batch = batch
        progress = TextProgress(
            update=self.updates + 1, steps=(self.updates + 1) * config.batch_size, **summary(batch), beta=beta,
            policy_change=change, clip_fraction=clipped, value_loss=error,
            explained_variance=explained_variance(advantages[mask], returns[mask]),
            learning_rate=self.scheduler.get_last_lr()[0], cpu_seconds=self.cpu_seconds)
        self.kl_coefficient.update(progress.kl_from_reference)
        self.scheduler.step()
        self.value_scheduler.step()
        return progress

    def extra_state(self) -> dict:
        """The KL coefficient."""
        return {"beta": self.beta}

    def load_extra_state(self, state: dict) -> None:
        """Take up what `extra_state` gave."""
        self.kl_coefficient.beta = state["beta"]


def value_network(reward_model: RewardModel, mean: float, std: float) -> RewardModel:
    """A copy of the reward model that says at each token what (reward - mean) / std it expects in the end.

    It has scored whole texts; scoring beginnings is what is left to learn. mean, std: by which the
    reward was shifted and scaled (0 and 1 when it was not). Source: Stiennon et al. (2020), appendix B.1.
    """
    copy = RewardModel(GPT(reward_model.trunk.config))
    copy.load_state_dict(reward_model.state_dict())
    with torch.no_grad():
        copy.head.weight /= std
        copy.head.bias.copy_((copy.head.bias - mean) / std)
    return copy.eval()


def value_network_for(reward: TextReward, reward_model: RewardModel, texts: Sequence[str],
                      tokenizer: Tokenizer) -> RewardModel:
    """A value network that begins as the reward model, shifted and scaled to what `reward` says of `texts`.

    When `reward` is that model, scaled, it begins with its prediction; for another reward with the nearest thing to it.
    """
    theirs, wanted = reward_model.rewards(texts, tokenizer), reward(texts)
    std = (theirs.std() / wanted.std()).item()
    return value_network(reward_model, theirs.mean().item() - std * wanted.mean().item(), std)
