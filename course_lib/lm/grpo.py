"""GRPO for language models: RLOO's comparison within a prompt, in units of the group's std. Lesson 14, section 14.5.

`GRPO.update()` is the whole algorithm. As in RLOO (lesson 11) a completion is compared with the others of its prompt
and all of its tokens get the same advantage; there is no value network. Three things differ:

1. The advantage is (reward - mean) / std of the prompt's completions, the completion itself among them.
2. The KL penalty is no part of the reward. It stands in the loss, token by token, as the estimator k3.
3. What one token counts. Every choice below has been published, and each makes another mean of the same numbers:
   "completions": the mean over tokens of each completion, then over completions. A token of a long completion counts
       less, so a long wrong one is punished less a token than a short wrong one: completions that fail grow longer.
   "tokens": the mean over all tokens of the minibatch. Every token counts the same, long completions more.
   "constant": the sum over tokens, divided by the number of tokens there could have been, which is the same for all.

Sources: Z. Shao et al. (2024), "DeepSeekMath: pushing the limits of mathematical reasoning in open language models",
equations 3 and 4: std and "completions". Q. Yu et al. (2025), "DAPO: an open-source LLM reinforcement learning system
at scale", for "tokens". Z. Liu et al. (2025), "Understanding R1-Zero-like training: a critical perspective", for "Dr.
GRPO": `divide_by_std=False` and "constant", for the std favours prompts on which nearly all completions do the same.
The advantages and all three losses equal trl's (tests/test_lm_trl.py).
Departure from Shao et al.: the reference is never replaced by the policy.
"""

from collections.abc import Callable
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
from course_lib.lm.kl import AdaptiveBeta
from course_lib.lm.text_training import TextProgress, TextTrainingConfig, adam, summary
from course_lib.lm.tokenizers import Tokenizer
from course_lib.rl.objectives import approximate_kl, clip_fraction, clipped_policy_loss, k3
from course_lib.training.precision import in_bfloat16, products
from course_lib.training.run import TrainingRun, gradient_step, require_finite
from course_lib.training.schedules import warmup_then_linear

AGGREGATIONS = ("completions", "tokens", "constant")
STD_FLOOR = 1e-4                            # added to a group's std, as in trl: rewards that are all equal give 0


def group_advantages(rewards: Tensor, divide_by_std: bool = True) -> Tensor:
    """(reward - mean) / std within each prompt's completions, (prompts, samples); 0 where all rewards are equal.

    divide_by_std: False leaves the rewards' unit (Dr. GRPO). With the mean alone it is `leave_one_out` times
    (samples - 1) / samples. The std is that of a sample (n - 1). Source: Shao et al. (2024), their section 4.1.2.
    Raises ValueError for fewer than two completions of a prompt.
    """
    if rewards.shape[1] < 2:
        raise ValueError("GRPO compares completions of one prompt: it needs at least two of each")
    advantages = rewards - rewards.mean(dim=1, keepdim=True)                            # (prompts, samples)
    return advantages / (rewards.std(dim=1, keepdim=True) + STD_FLOOR) if divide_by_std else advantages


GroupAdvantages = Callable[[Tensor, bool], Tensor]       # called as `group_advantages` is


def token_weights(mask: Tensor, aggregation: str, max_new_tokens: int) -> Tensor:
    """What each choice counts in the loss, (B, L - 1), 0 outside `mask`: the loss is the sum of weight * token's loss.

    mask: (B, L - 1) bool. aggregation: one of `AGGREGATIONS`, see above (ValueError else). max_new_tokens: how long a
    completion could have been, for "constant".
    """
    if aggregation == "completions":
        return mask / mask.sum(dim=1, keepdim=True).clamp(min=1) / len(mask)
    if aggregation == "tokens":
        return mask / mask.sum()
    if aggregation == "constant":
        return mask / (len(mask) * max_new_tokens)
    raise ValueError(f"aggregation is one of {', '.join(AGGREGATIONS)}, not {aggregation!r}")


def grpo_loss(logprobs: Tensor, old_logprobs: Tensor, reference_logprobs: Tensor, advantages: Tensor, mask: Tensor,
              weights: Tensor, clip: float, beta: float) -> Tensor:
    """PPO's clipped loss and beta times the KL from the reference (k3), each summed with `weights`: a scalar.

    logprobs, old_logprobs, reference_logprobs, mask, weights: (B, L - 1). advantages: (B,), one for all tokens of a
    completion. Source: Shao et al. (2024), equations 3 and 4.

    `clipped_policy_loss` is a mean over the mask; a weight that is not negative may as well stand in the advantage.
    """
    policy_loss = clipped_policy_loss(logprobs, old_logprobs, advantages[:, None] * weights * mask.sum(), clip, mask)
    return policy_loss + beta * (k3(logprobs, reference_logprobs) * weights).sum()


@dataclass(frozen=True)
class GRPOConfig(TextTrainingConfig):
    """Settings of GRPO. `benchmarks/beyond_ppo.py` measures some."""

    samples_per_prompt: int = 8             # completions of each prompt, 2 or more
    beta: float = 0.04                      # KL coefficient in the loss, a token; Shao et al.'s
    divide_by_std: bool = True              # advantages in units of the group's std; False for Dr. GRPO
    aggregation: str = "completions"        # what a token counts, see above; "constant" for Dr. GRPO


class GRPO(TrainingRun[TextProgress]):
    """Trains `policy` in place. `for progress in run.train(): ...` is one update a turn; see TrainingRun.

    reference: the model from which the KL is measured, usually a copy of the policy at the start; never changed.
    prompts: (N, P) prompts of one length, each begun by the end token. reward: whole texts -> (texts,).
    sample, logprobs: take the place of `sample_completions` and `choice_logprobs`, for a policy that is no GPT of the
    course. advantages: of `group_advantages`, for instance the learner's own of exercise 14.4.
    """

    progress = TextProgress
    remedy = "Look for rewards that are nan; else lower the learning rate."

    def __init__(self, policy: GPT, reference: GPT, prompts: Tensor, reward: TextReward, tokenizer: Tokenizer,
                 config: GRPOConfig, checkpoint: Path | None = None, sample: SampleCompletions = sample_completions,
                 logprobs: ChoiceLogprobs = choice_logprobs, advantages: GroupAdvantages = group_advantages):
        super().__init__(config, checkpoint)
        self.group_advantages = advantages
        self.policy, self.reference = policy.eval(), reference.eval()
        self.prompts, self.reward, self.tokenizer = prompts, reward, tokenizer
        self.sample, self.logprobs = sample, logprobs
        self.optimizer = adam(policy, config.learning_rate)
        self.scheduler = LambdaLR(self.optimizer, warmup_then_linear(
            config.updates, config.warmup_share, final=config.final_learning_rate))
        self.kl_coefficient = AdaptiveBeta(config.beta, config.kl_target, config.kl_speed)
        self.batch: Completions | None = None           # the newest completions, for whoever wants to read them
        self.parts = {"policy": policy, "optimizer": self.optimizer, "scheduler": self.scheduler}
        self.resume()

    @property
    def beta(self) -> float:
        """The KL coefficient now."""
        return self.kl_coefficient.beta

    def update(self) -> TextProgress:
        """One update: sample completions, reward them, compare those of one prompt, learn for some epochs, report."""
        config, beta = self.config, self.beta

        # Sample: the policy continues each prompt several times, and each whole text gets a reward.
        prompts = draw_prompts(self.prompts, config.batch_size, config.samples_per_prompt, self.generator)    # (B, P)
        batch = self.sample(self.policy, self.reference, prompts, self.reward, self.tokenizer,
                            config.max_new_tokens, self.generator)
        require_finite("A reward", batch.rewards)           # before learning from them: the weights are still good
        tokens, mask, old_logprobs = batch.tokens, batch.mask, batch.logprobs       # (B, L), (B, L - 1), (B, L - 1)

        # How much better than the completions of its prompt is each, in units of their std?
        rewards = batch.rewards.view(-1, config.samples_per_prompt)                         # (prompts, samples)
        advantages = self.group_advantages(rewards, config.divide_by_std).flatten()                      # (B,)

        if in_bfloat16(config.bfloat16):          # in the precision that learning reads in, so that ratios begin at 1
            with torch.no_grad(), products(config.bfloat16):
                pieces = zip(tokens.split(config.minibatch_size), mask.split(config.minibatch_size), strict=True)
                old_logprobs = torch.cat([self.logprobs(self.policy, *piece) for piece in pieces])       # (B, L - 1)

        # Learn: one step for each minibatch.
        reports = []
        for epoch in range(config.epochs):
            for rows in torch.randperm(len(tokens), generator=self.generator).split(config.minibatch_size):
                with products(config.bfloat16):
                    logprobs = self.logprobs(self.policy, tokens[rows], mask[rows])                      # (b, L - 1)
                weights = token_weights(mask[rows], config.aggregation, config.max_new_tokens)           # (b, L - 1)
                loss = grpo_loss(logprobs, old_logprobs[rows], batch.reference_logprobs[rows], advantages[rows],
                                 mask[rows], weights, config.clip, beta)
                gradient_step(loss, self.policy, self.optimizer, max_grad_norm=config.max_grad_norm)
                if epoch == config.epochs - 1:
                    now, old = logprobs.detach(), old_logprobs[rows]
                    reports.append(torch.stack([approximate_kl(now, old, mask[rows]),
                                                clip_fraction(now, old, config.clip, mask[rows])]))

        # Report, and move the KL coefficient and the learning rate on.
        change, clipped = torch.stack(reports).mean(0).tolist()
        self.batch = batch
        progress = TextProgress(
            update=self.updates + 1, steps=(self.updates + 1) * config.batch_size, **summary(batch), beta=beta,
            policy_change=change, clip_fraction=clipped, value_loss=float("nan"), explained_variance=float("nan"),
            learning_rate=self.scheduler.get_last_lr()[0], cpu_seconds=self.cpu_seconds)
        self.kl_coefficient.update(progress.kl_from_reference)
        self.scheduler.step()
        return progress

    def extra_state(self) -> dict:
        """The KL coefficient."""
        return {"beta": self.beta}

    def load_extra_state(self, state: dict) -> None:
        """Take up what `extra_state` gave."""
        self.kl_coefficient.beta = state["beta"]
