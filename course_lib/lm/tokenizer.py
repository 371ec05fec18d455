"""What every tokenizer of the course can do; the rest of `course_lib.lm` asks for nothing else. Lesson 07, 7.2."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor


class Tokenizer(Protocol):
    """Text to token ids and back. `decode(encode(text)) == text` for every Unicode text.

    The end token stands between two texts: it ends one and, put in front, begins the next.
    """

    vocab_size: int
    eos: int

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without any end token."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of any ids, also of nonsense that a model sampled; end tokens are left out."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts."""


def decode_until_end(tokenizer: Tokenizer, row: Tensor) -> str:
    """The text of one row of tokens (T,): from its first token, an end token or not, up to the next end token."""
    ids = row.tolist()
    if tokenizer.eos in ids[1:]:
        ids = ids[:ids.index(tokenizer.eos, 1)]
    return tokenizer.decode(ids)


def begin(tokenizer: Tokenizer, text: str = "", batch: int = 1) -> Tensor:
    """(batch, 1 + length) the same beginning for every row: the end token, which begins a text, and `text`."""
    return torch.tensor([[tokenizer.eos, *tokenizer.encode(text)]]).repeat(batch, 1)
