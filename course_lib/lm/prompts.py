"""Beginnings of real texts, as prompts: a model goes on from them. Lesson 08, section 8.1; lessons 10 and 12.

    prompts = Prompts.of(short_texts("train"), tokenizer)          # to train on
    unseen = Prompts.of(short_texts("validation"), tokenizer)      # to measure on

All prompts of one `Prompts` have the same number of tokens, so a batch of them needs no padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.lm.tokenizer import Tokenizer

PROMPT_TOKENS = 4                           # with the course's byte pairs mostly one to three words


@dataclass(frozen=True)
class Prompts:
    """Beginnings of texts: the end token, which begins every text, and its first few tokens."""

    tokens: Tensor          # (prompts, 1 + length) int64

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Tokenizer, length: int = PROMPT_TOKENS) -> "Prompts":
        """The first `length` tokens of each text, in the order of the texts; one that has no more is left out.

        Raises ValueError for a negative length, CourseError when no text is long enough.
        """
        if length < 0:
            raise ValueError(f"a prompt has 0 or more tokens of a text, not {length}")
        rows = [[tokenizer.eos, *ids[:length]] for ids in tokenizer.encode_batch(texts) if len(ids) > length]
        if not rows:
            raise CourseError(f"None of the {len(texts):,} texts has more than {length} tokens. Give longer texts, or "
                              "take shorter prompts.")
        return cls(torch.tensor(rows))

    def __len__(self) -> int:
        return len(self.tokens)

    def sample(self, prompts: int, generator: torch.Generator, copies: int = 1) -> Tensor:
        """(prompts * copies, 1 + length): prompts drawn by chance, the copies of one directly behind each other.

        So `rewards.view(prompts, copies)` has in each row the rewards of completions of one prompt.
        """
        drawn = torch.randint(len(self.tokens), (prompts,), generator=generator)            # (prompts,)
        return self.tokens[drawn].repeat_interleave(copies, dim=0)

    def evenly_spaced(self, prompts: int) -> Tensor:
        """`sample` without chance: (prompts, 1 + length), spread evenly over all of them, the same every time."""
        places = torch.linspace(0, len(self.tokens) - 1, min(prompts, len(self.tokens))).long()
        return self.tokens[places]

    def words(self, tokenizer: Tokenizer, tokens: Tensor | None = None) -> list[str]:
        """The prompts as they are read: all of them, or those of `tokens` (B, 1 + length)."""
        return [tokenizer.decode(row) for row in (self.tokens if tokens is None else tokens).tolist()]
