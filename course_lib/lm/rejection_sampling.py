"""Rejection sampling: the best of n completions become the texts of supervised fine-tuning. For lesson 14
(section 14.3) and lesson 12.

Best-of-n needs n completions at each use; here the model learns once to write what it would have kept.
`RejectionSampling.update()` is the whole algorithm: sample, keep the best, make them likelier, and again with the model
that has learned. Nothing is made less likely: the completions that were not kept are forgotten. `learned_examples`
turns kept completions into the data of lesson 09's fine-tuning, for whoever wants to do it once and thoroughly.

Sources: H. Dong et al. (2023), "RAFT: reward ranked finetuning for generative foundation model alignment"; H. Touvron
et al. (2023), "Llama 2: open foundation and fine-tuned chat models", their section 3.2.3.
Departures: both fine-tune the first model anew on the best of all rounds or go on from the last; here it goes on, and
each round is small. There is no KL penalty: few and small steps keep the model near.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from course_lib.errors import CourseError
from course_lib.lm.best_of_n import best_rows
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
from course_lib.lm.sft import NOT_LEARNED, Examples
from course_lib.lm.text_training import TextProgress, adam, summary
from course_lib.lm.tokenizers import Tokenizer
from course_lib.rl.objectives import policy_gradient_loss
from course_lib.training.precision import products
from course_lib.training.run import TrainingRun, gradient_step, require_finite
from course_lib.training.schedules import warmup_then_linear


def kept_rows(rewards: Tensor, n: int, at_least: float = -math.inf) -> Tensor:
    """(kept,) rows of the best completion of each prompt, if its reward is `at_least` that much.

    rewards: (prompts * n,), see `best_rows`. Raises CourseError when nothing is left, ValueError as `best_rows` does.
    """
    best = best_rows(rewards, n)
    kept = best[rewards[best] >= at_least]
    if not len(kept):
        raise CourseError(f"None of {len(best)} prompts has a completion with a reward of at least {at_least}; the "
                          f"best has {rewards.max().item():.3g}. Ask for less, or write more completions of each.")
    return kept


def learned_examples(batch: Completions, rows: Tensor) -> Examples:
    """These rows (kept,) of a batch as data for fine-tuning: their completions are learned, their prompts are given."""
    tokens, mask = batch.tokens[rows], batch.mask[rows]                         # (kept, L), (kept, L - 1)
    return Examples(tokens[:, :-1], tokens[:, 1:].masked_fill(~mask, NOT_LEARNED))


@dataclass(frozen=True)
class RejectionSamplingConfig:
    """Settings of rejection sampling; each as of `TextTrainingConfig`, where it has the same name."""

    updates: int = 60                       # batches of completions that are written and sifted
    batch_size: int = 128                   # completions written for each update (B)
    samples_per_prompt: int = 8             # completions of each prompt (n), of which one is kept
    at_least: float = -math.inf             # the best one is left out too where its reward is below this
    max_new_tokens: int = 24                # a completion is cut off there
    epochs: int = 2                         # times that the kept completions are learned from
    minibatch_size: int = 16                # kept completions in one gradient step
    learning_rate: float = 3e-4             # Adam's, of the policy, at the top
    warmup_share: float = 0.1               # share of the updates in which it rises there
    final_learning_rate: float = 0.1        # its share left at the end; it falls linearly (1: it stays)
    max_grad_norm: float = 1.0              # longer gradients are scaled down to this
    bfloat16: bool | None = False           # learn in 16-bit products; None: where the processor is quick with them
    checkpoint_every: int = 10              # updates between two checkpoints, where a path is given
    seed: int = 0                           # of prompts, tokens and minibatches


class RejectionSampling(TrainingRun[TextProgress]):
    """Trains `policy` in place. `for progress in run.train(): ...` is one update a turn; see TrainingRun.

    Arguments as of `GRPO`. reference: only read, for the KL that is reported.
    """

    progress = TextProgress
    remedy = "Look for rewards that are nan; else lower the learning rate."

    def __init__(self, policy: GPT, reference: GPT, prompts: Tensor, reward: TextReward, tokenizer: Tokenizer,
                 config: RejectionSamplingConfig, checkpoint: Path | None = None,
                 sample: SampleCompletions = sample_completions, logprobs: ChoiceLogprobs = choice_logprobs):
        super().__init__(config, checkpoint)
        self.policy, self.reference = policy.eval(), reference.eval()
        self.prompts, self.reward, self.tokenizer = prompts, reward, tokenizer
        self.sample, self.logprobs = sample, logprobs
        self.optimizer = adam(policy, config.learning_rate)
        self.scheduler = LambdaLR(self.optimizer, warmup_then_linear(
            config.updates, config.warmup_share, final=config.final_learning_rate))
        self.batch: Completions | None = None           # the newest completions, for whoever wants to read them
        self.parts = {"policy": policy, "optimizer": self.optimizer, "scheduler": self.scheduler}
        self.resume()

    def update(self) -> TextProgress:
        """One update: sample completions, reward them, keep the best of each prompt, learn to write them, report."""
        config = self.config

        # Sample: the policy continues each prompt several times, and each whole text gets a reward.
        prompts = draw_prompts(self.prompts, config.batch_size, config.samples_per_prompt, self.generator)    # (B, P)
        batch = self.sample(self.policy, self.reference, prompts, self.reward, self.tokenizer,
                            config.max_new_tokens, self.generator)
        require_finite("A reward", batch.rewards)

        # Keep the best completion of each prompt.
        kept = kept_rows(batch.rewards, config.samples_per_prompt, config.at_least)                      # (kept,)

        # Learn: make what was kept likelier, as fine-tuning does.
        for _ in range(config.epochs):
            order = torch.randperm(len(kept), generator=self.generator)
            for rows in kept[order].split(config.minibatch_size):
                tokens, mask = batch.tokens[rows], batch.mask[rows]                 # (b, L), (b, L - 1)
                with products(config.bfloat16):
                    logprobs = self.logprobs(self.policy, tokens, mask)                                  # (b, L - 1)
                loss = policy_gradient_loss(logprobs, torch.ones_like(logprobs), mask)      # cross-entropy, no more
                gradient_step(loss, self.policy, self.optimizer, max_grad_norm=config.max_grad_norm)

        # Report, and move the learning rate on.
        self.batch = batch
        nothing = float("nan")                              # of what there is none here
        progress = TextProgress(
            update=self.updates + 1, steps=(self.updates + 1) * config.batch_size, **summary(batch), beta=0.0,
            policy_change=nothing, clip_fraction=nothing, value_loss=nothing, explained_variance=nothing,
            learning_rate=self.scheduler.get_last_lr()[0], cpu_seconds=self.cpu_seconds)
        self.scheduler.step()
        return progress
