"""RLOO for language models: several completions of each prompt, each compared with the others. Lesson 11, 11.11.

`RLOO.update()` is the whole algorithm. A completion is one action, so all of its tokens get the same advantage: its
reward with the KL penalty, minus the mean of the other completions of its prompt. No value network, no GAE.

Sources: A. Ahmadian et al. (2024), "Back to basics: revisiting REINFORCE style optimization for learning from human
feedback in LLMs", section 2; the estimator is W. Kool, H. van Hoof, M. Welling (2019), "Buy 4 REINFORCE samples, get a
baseline for free!".
Departures from Ahmadian et al.:
- a batch may be used for several epochs, with PPO's clipped loss in place of the plain policy gradient; it is a mean
  over tokens and clips each one on its own, and at the first step it points where theirs does;
- advantages are divided by their std over the batch, as PPO's are, so that one learning rate serves both.
"""

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
from course_lib.lm.kl import AdaptiveBeta, TokenRewards, token_rewards
from course_lib.lm.text_training import TextProgress, TextTrainingConfig, adam, summary
from course_lib.lm.tokenizers import Tokenizer
from course_lib.rl.objectives import approximate_kl, clip_fraction, clipped_policy_loss, leave_one_out
from course_lib.training.precision import in_bfloat16, products
from course_lib.training.run import TrainingRun, gradient_step, require_finite
from course_lib.training.schedules import warmup_then_linear


@dataclass(frozen=True)
class RLOOConfig(TextTrainingConfig):
    """Settings of RLOO. The defaults were measured by `benchmarks/text_rl.py`."""

    samples_per_prompt: int = 4             # completions of each prompt, 2 or more


class RLOO(TrainingRun[TextProgress]):
    """Trains `policy` in place. `for progress in run.train(): ...` is one update a turn; see TrainingRun.

    reference: the model from which the KL is measured, usually a copy of the policy at the start; never changed.
    prompts: (N, P) prompts of one length, each begun by the end token. reward: whole texts -> (texts,).
    token_rewards: takes the place of the course's `token_rewards`, for instance the learner's own of exercise 11.1.
    sample, logprobs: take the place of `sample_completions` and `choice_logprobs`, for a policy that is no GPT of the
    course.
    """

    progress = TextProgress
    remedy = "Look for rewards that are nan; else lower the learning rate."

    def __init__(self, policy: GPT, reference: GPT, prompts: Tensor, reward: TextReward, tokenizer: Tokenizer,
                 config: RLOOConfig, checkpoint: Path | None = None, token_rewards: TokenRewards = token_rewards,
                 sample: SampleCompletions = sample_completions, logprobs: ChoiceLogprobs = choice_logprobs):
        super().__init__(config, checkpoint)
        self.sample, self.logprobs = sample, logprobs
        self.policy, self.reference = policy.eval(), reference.eval()
        self.prompts, self.reward, self.tokenizer, self.token_rewards = prompts, reward, tokenizer, token_rewards
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

        # Reward each text, less the KL penalty of all of its tokens.
        rewards = self.token_rewards(batch.rewards, old_logprobs, batch.reference_logprobs, mask, beta)  # (B, L - 1)
        scores = rewards.sum(dim=1).view(-1, config.samples_per_prompt)                     # (prompts, samples)

        # How much better than the other completions of its prompt is each? All its tokens get that advantage.
        advantages = leave_one_out(scores).flatten()                                                     # (B,)
        weights = (advantages / (advantages.std() + 1e-8))[:, None].expand(mask.shape)                   # (B, L - 1)

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
                loss = clipped_policy_loss(logprobs, old_logprobs[rows], weights[rows], config.clip, mask[rows])
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
