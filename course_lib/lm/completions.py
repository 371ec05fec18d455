"""Let a policy write, and note what reinforcement learning needs to know about it. Lesson 10, sections 10.2 and 10.3.

One convention runs through everything that learns from text here. All tensors are (B, L - 1), and column t is about the
choice of tokens[:, t + 1]: state tokens[:, :t + 1], action tokens[:, t + 1]. `mask` says which columns were choices of
the policy: not the prompt's tokens, not the padding behind the end, but the end token itself, for ending is a choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.lm.generate import generate
from course_lib.lm.gpt import GPT
from course_lib.lm.logprobs import token_logprobs
from course_lib.lm.tokenizer import Tokenizer, decode_until_end

TextReward = Callable[[Sequence[str]], Tensor]          # whole texts, prompt included -> (texts,)


@dataclass(frozen=True)
class Completions:
    """What a policy made of B prompts of one length, and what it was worth."""

    tokens: Tensor                  # (B, L) int64: end token, prompt, completion, padding of end tokens
    mask: Tensor                    # (B, L - 1) bool: True where the policy chose, its end token included
    logprobs: Tensor                # (B, L - 1) nats, under the policy that wrote, at temperature 1
    reference_logprobs: Tensor      # (B, L - 1) nats, the same tokens under the reference (the SFT model)
    rewards: Tensor                 # (B,) of each whole text
    texts: list[str]                # prompt and completion, decoded

    @property
    def lengths(self) -> Tensor:
        """(B,) tokens that the policy chose in each text."""
        return self.mask.sum(dim=1)

    @property
    def kl(self) -> Tensor:
        """(B,) log-ratio of each completion, policy to reference, in nats; its mean estimates the KL divergence."""
        return ((self.logprobs - self.reference_logprobs) * self.mask).sum(dim=1)


@torch.no_grad()
def sample_completions(policy: GPT, reference: GPT, prompts: Tensor, reward: TextReward, tokenizer: Tokenizer,
                       max_new_tokens: int = 24, generator: torch.Generator | None = None) -> Completions:
    """Let `policy` continue each row of `prompts` (B, P), begun by the end token, and have the texts judged.

    A text that is cut off after `max_new_tokens` is judged as it stands, as if it had ended there.
    Raises CourseError for prompts that do not fit, ValueError when the reward returns anything but one number a text.
    """
    written = generate(policy, prompts, max_new_tokens, generator=generator, eos=tokenizer.eos)
    texts = [decode_until_end(tokenizer, row) for row in written.tokens]
    rewards = torch.as_tensor(reward(texts)).float()                        # (B,)
    if rewards.shape != (len(texts),):
        raise ValueError(f"a reward is one number a text, ({len(texts)},); this one returned {tuple(rewards.shape)}")
    return Completions(
        tokens=written.tokens, mask=written.mask, logprobs=written.logprobs * written.mask,
        reference_logprobs=completion_logprobs(reference, written.tokens) * written.mask, rewards=rewards, texts=texts)


def completion_logprobs(model: GPT, tokens: Tensor) -> Tensor:
    """Log-probability of every token of `tokens` (B, L) but the first, given those before it: (B, L - 1), in nats.

    At temperature 1, whatever the tokens were sampled with: the ratio of PPO and the KL are about the model itself.
    """
    return token_logprobs(model(tokens), tokens)


def last_choice(mask: Tensor) -> Tensor:
    """(B, L - 1) bool: True at the last column of each row where `mask` is True, which is where the episode ended."""
    following = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)     # (B, L - 1)
    return mask & ~following


def pay_at_the_end(rewards: Tensor, mask: Tensor) -> Tensor:
    """One reward a text, (B,), as rewards of single choices, (B, L - 1): all of it for the last one, nothing before.

    Source: D. Ziegler et al. (2019), section 2; N. Stiennon et al. (2020), section 3.4.
    """
    return rewards[:, None] * last_choice(mask)


def draw_prompts(prompts: Tensor, count: int, samples: int, generator: torch.Generator) -> Tensor:
    """(count, P): rows drawn from `prompts` (N, P), each repeated `samples` times in a row.

    Raises ValueError when `count` is no multiple of `samples`.
    """
    if count % samples:
        raise ValueError(f"{count} completions cannot be {samples} for every prompt: choose a multiple")
    drawn = torch.randint(len(prompts), (count // samples,), generator=generator)
    return prompts[drawn].repeat_interleave(samples, dim=0)
