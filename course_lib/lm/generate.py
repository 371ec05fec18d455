"""Sampling from a language model, and the log-probabilities of what it wrote. Lessons 08, 09 and 11.

`generate(model, begin(tokenizer, batch=8), 100, eos=tokenizer.eos)` writes eight texts, token after token, each drawn
from the model's distribution given the ones before, with temperature and top-k. Source for top-k: A. Fan, M. Lewis, Y.
Dauphin (2018), "Hierarchical neural story generation", section 5.3. Lesson 08, sections 8.8 and 8.10.

`sample_completions` keeps what reinforcement learning needs to know (lesson 11, sections 11.2 and 11.3). One
convention runs through everything that learns from text here: all tensors are (B, L - 1), and column t is about the
choice of tokens[:, t + 1]: state tokens[:, :t + 1], action tokens[:, t + 1]. `mask` says which columns were choices of
the policy: not the prompt's tokens, not the padding behind the end, but the end token itself, for ending is a choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.lm.gpt import GPT
from course_lib.lm.tokenizers import Tokenizer, decode_until_end
from course_lib.rl.objectives import k1
from course_lib.training.run import NotFinite


def token_logprobs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of each token given those before it, (B, T - 1), in nats.

    logits: (B, T, V), what the model said after reading each of `tokens` (B, T). Column t of the result belongs to
    tokens[:, t + 1]: the logits at place t are about the *next* token, and nothing is said about the first one.
    """
    logprobs = torch.log_softmax(logits[:, :-1].float(), dim=-1)            # (B, T - 1, V)
    return logprobs.gather(-1, tokens[:, 1:, None]).squeeze(-1)             # (B, T - 1)


def completion_mask(completion: Tensor, eos: int) -> Tensor:
    """(B, C) bool: True where a token of `completion` (B, C) was written: up to and including the row's first `eos`."""
    ends = completion == eos                                                # (B, C)
    return ends.cumsum(dim=1) - ends.long() == 0


def completion_logprobs(logits: Tensor, tokens: Tensor, prompt_length: int, eos: int) -> Tensor:
    """Log-probability of each row's whole completion given its prompt, (B,), in nats. Exercise 09.2.

    logits: (B, L, V), what the model said after each of `tokens` (B, L). The completion begins at column
    `prompt_length` and goes up to and including its first end token; what stands behind that was never chosen.
    """
    logprobs = token_logprobs(logits, tokens)[:, prompt_length - 1:]        # (B, L - P) of tokens[:, P:]
    return (logprobs * completion_mask(tokens[:, prompt_length:], eos)).sum(dim=1)


ChoiceLogprobs = Callable[[Any, Tensor, Tensor], Tensor]        # called as `choice_logprobs` is


def choice_logprobs(policy: GPT, tokens: Tensor, mask: Tensor) -> Tensor:
    """Log-probability of each choice under `policy`, (B, L - 1) in nats, and 0 outside `mask`.

    tokens: (B, L). mask: (B, L - 1) bool, see above. What reads a policy here reads it through this function, or one
    that is called like it: a model with a large vocabulary need not say anything about the prompt's tokens.
    """
    return token_logprobs(policy(tokens), tokens) * mask


def completion_rows(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]],
                    padding: int) -> tuple[Tensor, Tensor]:
    """(tokens (B, L), mask (B, L - 1)): each prompt with its completion behind it, filled up with `padding`.

    A completion's tokens, its end token among them where it has one, are the choices that `mask` marks. As attention
    looks back only, what stands behind a text changes nothing in it.
    """
    rows = [[*prompt, *completion] for prompt, completion in zip(prompts, completions, strict=True)]
    length = max(len(row) for row in rows)
    tokens = torch.tensor([[*row, *[padding] * (length - len(row))] for row in rows])             # (B, L)
    starts = torch.tensor([len(prompt) for prompt in prompts])[:, None]                           # (B, 1)
    ends = torch.tensor([len(row) for row in rows])[:, None]                                      # (B, 1)
    place = torch.arange(1, length)                                                               # (L - 1,)
    return tokens, (place >= starts) & (place < ends)


def next_token_probs(logits: Tensor, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
    """Probabilities from which the next token is drawn; both (B, V).

    temperature: the logits are divided by it; below 1 favourites become likelier, above 1 rarer. 0: the best one only.
    top_k: all but the k best tokens get probability 0 (None: none does). Tokens that tie with the k-th best stay in.
    Raises ValueError for a negative temperature or a top_k below 1.
    """
    if temperature < 0 or (top_k is not None and top_k < 1):
        raise ValueError(f"temperature is 0 or more and top_k 1 or more, not {temperature} and {top_k}")
    if temperature == 0:
        return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)   # (B, V)
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        worst_kept = logits.topk(top_k, dim=-1).values[:, -1:]                              # (B, 1)
        logits = logits.masked_fill(logits < worst_kept, float("-inf"))                     # (B, V)
    return logits.softmax(dim=-1)                                                           # (B, V)


ChooseProbs = Callable[[Tensor, float, int | None], Tensor]      # called by position, as `next_token_probs` is


class NoProbabilities(NotFinite):
    """The model's probabilities are no numbers, so nothing can be drawn from them."""


@dataclass(frozen=True)
class Generation:
    """What was written. Column t of `mask` and `logprobs` is about tokens[:, t + 1], as in `token_logprobs`."""

    tokens: Tensor          # (B, L) int64: the prompt, what was written, and end tokens where a row was done early
    mask: Tensor            # (B, L - 1) bool: True where the token was written; an end token that ended a row counts
    logprobs: Tensor        # (B, L - 1) nats: what the model itself (temperature 1, no top-k) gave the written tokens

    @property
    def lengths(self) -> Tensor:
        """(B,) tokens written in each row."""
        return self.mask.sum(dim=1)


@torch.no_grad()
def generate(model: GPT, prompts: Tensor, max_new_tokens: int, *, temperature: float = 1.0, top_k: int | None = None,
             generator: torch.Generator | None = None, eos: int | None = None, use_cache: bool = True,
             choose_probs: ChooseProbs = next_token_probs) -> Generation:
    """Continue each row of `prompts` (B, P) by up to `max_new_tokens`; ends early when all rows have met `eos`.

    generator: where the luck comes from; the same one in the same state writes the same texts.
    eos: the token that ends a row (None: rows go on to the end). use_cache: False works everything out anew for each
    token, to the same result. choose_probs: takes the place of `next_token_probs`.
    Raises CourseError for an empty prompt, and for one too long for the model's context; NoProbabilities, which is
    one, when the model says nan.
    """
    _check(model, prompts, max_new_tokens)
    B, P = prompts.shape
    tokens = torch.full((B, P + max_new_tokens), eos or 0)                  # (B, L)
    tokens[:, :P] = prompts
    mask = torch.zeros(B, P + max_new_tokens - 1, dtype=torch.bool)         # (B, L - 1)
    logprobs = torch.zeros(B, P + max_new_tokens - 1)                       # (B, L - 1)
    going = torch.ones(B, dtype=torch.bool)
    cache = model.cache(B, P + max_new_tokens) if use_cache else None
    end = P
    while end < P + max_new_tokens and going.any():
        unread = tokens[:, cache.length if use_cache else 0:end]            # with a cache: the prompt, then (B, 1)
        logits = model.logits(model.hidden(unread, cache)[:, -1]).float()   # (B, V) about the token at place `end`
        probs = choose_probs(logits, temperature, top_k)                    # (B, V)
        if not torch.isfinite(probs.sum()):
            raise NoProbabilities(
                "The model's probabilities are not numbers", "Its weights or its attention are broken. Load or make it "
                "again; where it was trained, lower the learning rate.")
        next_token = torch.multinomial(probs, 1, generator=generator)           # (B, 1)
        logprob = logits.log_softmax(dim=-1).gather(-1, next_token)             # (B, 1)
        tokens[going, end] = next_token[going, 0]
        logprobs[going, end - 1] = logprob[going, 0]
        mask[:, end - 1] = going
        if eos is not None:
            going = going & (next_token[:, 0] != eos)                           # (B,)
        end += 1
    return Generation(tokens[:, :end], mask[:, :end - 1], logprobs[:, :end - 1])


def _check(model: GPT, prompts: Tensor, max_new_tokens: int) -> None:
    if prompts.ndim != 2 or not len(prompts) or max_new_tokens < 1:
        raise ValueError(f"prompts is a tensor of shape (B, P) and at least one token is asked for; got shape "
                         f"{tuple(prompts.shape)} and {max_new_tokens} tokens")
    length, context = prompts.shape[1], model.config.context
    if length == 0:
        raise CourseError("An empty prompt leaves the model nothing to continue. Begin with the end token, which "
                          "stands before every text: `begin(tokenizer)` makes that prompt.")
    if length + max_new_tokens > context:
        room = context - max_new_tokens
        cut = f"keep the prompt's last {room} tokens, `prompts[:, -{room}:]`, or " if room > 0 else ""
        raise CourseError(f"A prompt of {length} tokens and {max_new_tokens} new ones do not fit: the model reads "
                          f"{context} in all. So {cut}ask for at most {max(0, context - length)} new tokens.")


TextReward = Callable[[Sequence[str]], Tensor]          # whole texts, prompt included -> (texts,)


@dataclass(frozen=True)
class Completions:
    """What a policy made of B prompts of one length, and its reward."""

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
        return (k1(self.logprobs, self.reference_logprobs) * self.mask).sum(dim=1)


SampleCompletions = Callable[..., Completions]          # called as `sample_completions` is


@torch.no_grad()
def sample_completions(policy: GPT, reference: GPT, prompts: Tensor, reward: TextReward, tokenizer: Tokenizer,
                       max_new_tokens: int = 24, generator: torch.Generator | None = None) -> Completions:
    """Let `policy` continue each row of `prompts` (B, P), begun by the end token, and score the texts.

    A text that is cut off after `max_new_tokens` is scored as it stands, as if it had ended there.
    Raises CourseError for prompts that do not fit, ValueError when the reward returns anything but one number a text.
    """
    written = generate(policy, prompts, max_new_tokens, generator=generator, eos=tokenizer.eos)
    texts = [decode_until_end(tokenizer, row) for row in written.tokens]
    rewards = torch.as_tensor(reward(texts)).float()                        # (B,)
    if rewards.shape != (len(texts),):
        raise ValueError(f"a reward is one number a text, ({len(texts)},); this one returned {tuple(rewards.shape)}")
    reference_logprobs = token_logprobs(reference(written.tokens), written.tokens)          # (B, L - 1)
    return Completions(
        tokens=written.tokens, mask=written.mask, logprobs=written.logprobs * written.mask,
        reference_logprobs=reference_logprobs * written.mask, rewards=rewards, texts=texts)
