"""The policy gradient for text: sample, reward, make likelier what was rewarded more than expected. Lesson 09.

`PolicyGradient.update()` is the whole algorithm. An action is a whole completion, so a text is an episode of one step:
nothing but `logprob * advantage` is left of REINFORCE (R. J. Williams 1992), and the loss is the very function that
balanced a pole in lesson 01. Departures: the baseline is the mean of the other completions of the prompt
(`leave_one_out`); AdamW instead of plain gradient ascent, and clipped gradients.
There is no KL penalty here: nothing keeps the model near its start. Lesson 11 adds one, and acts token by token.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from course_lib.lm.data import Prompts
from course_lib.lm.generate import TextReward, completion_logprobs, sample_completions
from course_lib.lm.gpt import GPT
from course_lib.lm.metrics import distinct_n
from course_lib.lm.sentiment import completions, sentiment
from course_lib.lm.tokenizers import Tokenizer
from course_lib.rl.objectives import leave_one_out, policy_gradient_loss
from course_lib.training.run import TrainingRun, gradient_step

AdvantageFunction = Callable[[Tensor], Tensor]                      # (prompts, samples) -> (prompts, samples)
CompletionLogprobs = Callable[[Tensor, Tensor, int, int], Tensor]   # called as `completion_logprobs` is


def no_baseline(rewards: Tensor) -> Tensor:
    """The rewards themselves: REINFORCE as it was first written."""
    return rewards


def minus_batch_mean(rewards: Tensor) -> Tensor:
    """Rewards compared with the mean of the whole batch, whatever the prompt. (prompts, samples), as it comes."""
    return rewards - rewards.mean()


@dataclass(frozen=True)
class PolicyGradientConfig:
    """Settings of one run. The defaults were found by hand for sentiment; `benchmarks/happy.py` measures them."""

    updates: int = 80                       # gradient steps; each writes and reads a batch of its own
    batch_size: int = 128                   # completions in a batch (B)
    samples_per_prompt: int = 4             # of them of each prompt
    max_new_tokens: int = 24                # tokens of a completion, at most
    learning_rate: float = 1.5e-4           # AdamW's, constant
    max_grad_norm: float = 1.0              # longer gradients are scaled down to this
    checkpoint_every: int = 10              # updates between two checkpoints, where a path is given
    seed: int = 0                           # of prompts and of what is written


@dataclass(frozen=True)
class PolicyGradientProgress:
    """What one update saw: all of it about the texts that the model wrote just before it changed."""

    steps: int                              # updates so far
    reward: float                           # mean over the batch
    kl_to_start: float                      # nats a text: how far the model has gone from the one it started as
    distinct_2: float                       # share of different pairs of words among the batch's completions
    length: float                           # tokens of a completion
    gradient_norm: float                    # before it was clipped
    cpu_seconds: float                      # spent so far
    text: str                               # the batch's first text, to read


class PolicyGradient(TrainingRun[PolicyGradientProgress]):
    """Trains `model` to write what `reward` rewards. `for progress in run.train(): ...` is one update a turn.

    start: the model that it started as; it is only read, for the KL. reward: called with whole texts, prompt and
    completion. advantages, logprobs, loss: take the place of `leave_one_out`, `completion_logprobs` and the course's
    `policy_gradient_loss`. Stopping, resuming and checkpoints: see TrainingRun.
    """

    progress = PolicyGradientProgress
    remedy = "Lower the learning rate, or look at what the reward gave."

    def __init__(self, model: GPT, start: GPT, tokenizer: Tokenizer, prompts: Prompts,
                 config: PolicyGradientConfig | None = None, reward: TextReward = sentiment,
                 checkpoint: Path | None = None, advantages: AdvantageFunction = leave_one_out,
                 logprobs: CompletionLogprobs = completion_logprobs,
                 loss: Callable[[Tensor, Tensor], Tensor] = policy_gradient_loss):
        super().__init__(config or PolicyGradientConfig(), checkpoint)
        self.model, self.start, self.tokenizer, self.prompts, self.reward = model, start, tokenizer, prompts, reward
        self.advantages, self.logprobs, self.loss = advantages, logprobs, loss
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=self.config.learning_rate, betas=(0.9, 0.95),
                                           weight_decay=0.0, fused=True)
        self.parts = {"model": model, "optimizer": self.optimizer}
        self.resume()

    def update(self) -> PolicyGradientProgress:
        """One update: sample completions, reward them, compare those of one prompt, one gradient step, report."""
        config, samples, eos = self.config, self.config.samples_per_prompt, self.tokenizer.eos

        # Sample: the model continues each prompt several times, and each whole text gets a reward.
        prompts = self.prompts.sample(config.batch_size // samples, self.generator, samples)    # (B, P)
        batch = sample_completions(self.model, self.start, prompts, self.reward, self.tokenizer,
                                   config.max_new_tokens, self.generator)
        tokens, P = batch.tokens, prompts.shape[1]                                              # (B, L)

        # How much better than the other completions of its prompt is each?
        advantages = self.advantages(batch.rewards.view(-1, samples)).flatten()                 # (B,)

        # Make completions likelier in proportion to that.
        logprobs = self.logprobs(self.model(tokens), tokens, P, eos)                            # (B,)
        loss = self.loss(logprobs, advantages)                                                  # ()
        norm = gradient_step(loss, self.model, self.optimizer, max_grad_norm=config.max_grad_norm)

        # Report what this update saw: texts that the model wrote just before it changed.
        kl = logprobs.detach() - batch.reference_logprobs[:, P - 1:].sum(dim=1)                 # (B,)
        return PolicyGradientProgress(
            steps=self.updates + 1, reward=batch.rewards.mean().item(), kl_to_start=kl.mean().item(),
            distinct_2=distinct_n(completions(self.tokenizer, tokens, P), 2),
            length=batch.lengths.float().mean().item(), gradient_norm=norm.item(), cpu_seconds=self.cpu_seconds,
            text=batch.texts[0])
