"""How good a language model is, in units that do not depend on its tokenizer; and how varied its texts are. Lesson 08.

`score(model, tokenizer, short_texts("test"))` reads every text whole and on its own, and counts every character once.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.lm.generate import token_logprobs
from course_lib.lm.gpt import GPT
from course_lib.lm.tokenizers import Tokenizer

TOKENS_AT_ONCE = 8_192                      # in one forward pass of `text_nats`


@dataclass(frozen=True)
class Score:
    """The negative log-likelihood of some texts, each text's end counted as one token and one character."""

    nats: float
    tokens: int
    characters: int

    @property
    def nats_per_token(self) -> float:
        """Mean negative log-likelihood of a token, the loss: not for comparing models of different tokenizers."""
        return self.nats / self.tokens

    @property
    def nats_per_char(self) -> float:
        """Mean negative log-likelihood of a character, in nats: fair between tokenizers."""
        return self.nats / self.characters

    @property
    def bits_per_char(self) -> float:
        """The same in bits, the length to which an ideal compressor would bring a character."""
        return self.nats_per_char / math.log(2)

    @property
    def perplexity(self) -> float:
        """Among how many equally likely tokens the model seems to choose."""
        return math.exp(self.nats_per_token)


def score(model: GPT, tokenizer: Tokenizer, texts: Sequence[str]) -> Score:
    """The negative log-likelihood of texts, each read from its beginning. Raises ValueError when there are none."""
    if not texts:
        raise ValueError("a score needs at least one text")
    rows = [[tokenizer.eos, *ids, tokenizer.eos] for ids in tokenizer.encode_batch(texts)]
    return Score(row_nats(model, rows).sum().item(), sum(len(row) - 1 for row in rows), sum(len(t) + 1 for t in texts))


@torch.no_grad()
def row_nats(model: GPT, rows: Sequence[Sequence[int]]) -> Tensor:
    """(rows,) negative log-likelihood of each row of at least 2 tokens, in nats; the first token is given.

    A row longer than the context is read in windows that overlap by half, and each token is counted in the first window
    that holds it, so that it is predicted with at least half a context before it.
    """
    context = model.config.context
    windows = []                                                    # (row, tokens, how many of them are counted)
    for number, row in enumerate(rows):
        start, counted_up_to = 0, 1
        while counted_up_to < len(row):
            end = min(start + context, len(row))
            windows.append((number, row[start:end], end - counted_up_to))
            start, counted_up_to = end - context // 2, end
    windows.sort(key=lambda window: len(window[1]))                 # alike lengths together: little padding
    nats = torch.zeros(len(rows), dtype=torch.float64)
    while windows:
        fit = max(1, TOKENS_AT_ONCE // len(windows[-1][1]))
        batch, windows = windows[-fit:], windows[:-fit]
        length = len(batch[-1][1])
        tokens = torch.tensor([[*ids, *[0] * (length - len(ids))] for _, ids, _ in batch])    # (b, length)
        nll = -token_logprobs(model(tokens), tokens)                                     # (b, length - 1)
        for (number, ids, counted), values in zip(batch, nll, strict=True):
            nats[number] += values[len(ids) - 1 - counted:len(ids) - 1].sum()
    return nats


def distinct_n(texts: Iterable[str], n: int) -> float:
    """Share of different ones among all runs of `n` words, over all texts together: 1 is no repetition at all.

    0 when no text has n words. Source: J. Li et al. (2016), "A diversity-promoting objective function for neural
    conversation models", section 5.3. It falls as texts become more: compare equal numbers only.
    """
    runs = []
    for text in texts:
        words = text.lower().split()
        runs += [tuple(words[k:k + n]) for k in range(len(words) - n + 1)]
    return len(set(runs)) / len(runs) if runs else 0.0
