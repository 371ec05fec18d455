"""The texts that the course's language models learn, and beginnings of texts as prompts. Lessons 08, 09 and 11.

Short English texts that people rated. Which text is for training, validation or test is fixed by its words
(course_lib.preferences.human_ratings): what a language model was tested on here, no reward model of lessons 10 and 11
was trained on. Lesson 08, section 8.3.

    prompts = Prompts.of(short_texts("train"), tokenizer)          # to train on
    unseen = Prompts.of(short_texts("validation"), tokenizer)      # to measure on

All prompts of one `Prompts` have the same number of tokens, so a batch of them needs no padding. Lesson 09, section
9.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.lm.tokenizers import Tokenizer
from course_lib.preferences.human_ratings import rated_texts


@lru_cache(maxsize=3)
def short_texts(part: str) -> tuple[str, ...]:
    """All rated texts of "train" (16,547), "validation" (2,424) or "test" (4,732). Fetches the data when missing."""
    return tuple(text.text for text in rated_texts(part))


@dataclass(frozen=True)
class TokenStream:
    """Texts in one long row, each begun by an end token; one more ends the last."""

    tokens: Tensor          # (N,) int64
    starts: Tensor          # (texts,) int64: where each text's end token stands

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Tokenizer) -> "TokenStream":
        """Encode `texts` and put them in a row. Raises ValueError when there are none."""
        if not texts:
            raise ValueError("a stream needs at least one text")
        rows = [[tokenizer.eos, *ids] for ids in tokenizer.encode_batch(texts)]
        lengths = torch.tensor([len(row) for row in rows])
        tokens = torch.tensor([token for row in rows for token in row] + [tokenizer.eos])
        return cls(tokens, lengths.cumsum(0) - lengths)

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, rows: int, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(inputs, targets), both (rows, length): rows that begin at a random text and run on into the next ones.

        targets[:, t] is the token that follows inputs[:, t]. A position is thus always a place in a text, counted from
        its beginning, or in one of the texts behind it. Raises CourseError when the stream is shorter than a row.
        """
        usable = self._usable(length)
        return self._rows(usable[torch.randint(len(usable), (rows,), generator=generator)], length)

    def evenly_spaced(self, rows: int, length: int) -> tuple[Tensor, Tensor]:
        """`batch` without chance: rows that begin at texts spread evenly over the stream, the same ones every time."""
        usable = self._usable(length)
        picks = torch.linspace(0, len(usable) - 1, min(rows, len(usable))).long()           # (rows,)
        return self._rows(usable[picks], length)

    def _usable(self, length: int) -> Tensor:
        usable = self.starts[self.starts + length < len(self.tokens)]
        if not len(usable):
            raise CourseError(f"No row of {length} tokens fits into {len(self.tokens)}: give more texts or a shorter "
                              "length.")
        return usable

    def _rows(self, starts: Tensor, length: int) -> tuple[Tensor, Tensor]:
        window = self.tokens[starts[:, None] + torch.arange(length + 1)]                    # (rows, length + 1)
        return window[:, :-1], window[:, 1:]


def rows_of_step(step: int, count: int, batch_size: int, seed: int) -> Tensor:
    """(batch_size or fewer,): which of `count` rows gradient step `step`, from 0, learns from.

    Passes through all rows, each in a random order of its own. Worked out from the step alone, so that a training that
    was stopped goes on with the same rows.
    """
    steps_a_pass = -(-count // batch_size)
    number, place = divmod(step, steps_a_pass)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1_000_003 * seed + number))
    return order[place * batch_size:(place + 1) * batch_size]


PROMPT_TOKENS = 4                           # with the course's byte pairs mostly one to three words


def draw_prompts(prompts: Tensor, batch_size: int, samples_per_prompt: int, generator: torch.Generator) -> Tensor:
    """(batch_size, P): rows drawn from `prompts` (N, P), each repeated `samples_per_prompt` times in a row.

    Raises ValueError when `batch_size` is no multiple of `samples_per_prompt`.
    """
    if batch_size % samples_per_prompt:
        raise ValueError(f"{batch_size} completions cannot be {samples_per_prompt} for every prompt: choose a multiple")
    drawn = torch.randint(len(prompts), (batch_size // samples_per_prompt,), generator=generator)
    return prompts[drawn].repeat_interleave(samples_per_prompt, dim=0)


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
        return draw_prompts(self.tokens, prompts * copies, copies, generator)

    def evenly_spaced(self, prompts: int) -> Tensor:
        """`sample` without chance: (prompts, 1 + length), spread evenly over all of them, the same every time."""
        places = torch.linspace(0, len(self.tokens) - 1, min(prompts, len(self.tokens))).long()
        return self.tokens[places]

    def words(self, tokenizer: Tokenizer, tokens: Tensor | None = None) -> list[str]:
        """The prompts as they are read: all of them, or those of `tokens` (B, 1 + length)."""
        return [tokenizer.decode(row) for row in (self.tokens if tokens is None else tokens).tolist()]
