"""Writing: token after token, each drawn from what the model says about the ones before. Lesson 07, 7.8 and 7.10.

`generate(model, begin(tokenizer, batch=8), 100, eos=tokenizer.eos)` writes eight texts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.lm.gpt import GPT
from course_lib.lm.sampling import next_token_probs

ChooseProbs = Callable[[Tensor, float, int | None], Tensor]      # called by position, as `next_token_probs` is


class NoProbabilities(CourseError):
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
            raise NoProbabilities("The model's probabilities are not numbers: its weights or its attention are broken. "
                                  "Load or make it again; where it was trained, lower the learning rate.")
        chosen = torch.multinomial(probs, 1, generator=generator)           # (B, 1)
        logprob = logits.log_softmax(dim=-1).gather(-1, chosen)             # (B, 1)
        tokens[going, end] = chosen[going, 0]
        logprobs[going, end - 1] = logprob[going, 0]
        mask[:, end - 1] = going
        if eos is not None:
            going = going & (chosen[:, 0] != eos)                           # (B,)
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
