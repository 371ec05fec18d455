"""Supervised fine-tuning: go on training a language model, on texts of the kind that one wants. Lesson 09, section 9.2.

    training = start_sft(model, tokenizer)
    watch(training.train(), curves=("loss", "held_out_loss"), past=training.history, total=training.config.steps)

It is pretraining over again, with its stopping and going on, and three things changed: the texts, a smaller learning
rate, and targets that leave out the prompt. The first step of InstructGPT (L. Ouyang et al. 2022, section 3.1).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from course_lib.lm.data import PROMPT_TOKENS
from course_lib.lm.gpt import GPT
from course_lib.lm.pretrain import PretrainConfig, Pretraining
from course_lib.lm.shipped import ShippedGPT, load_shipped
from course_lib.lm.tokenizers import Tokenizer
from course_lib.preferences.human_ratings import rated_texts

NOT_LEARNED = -100                          # a target that torch's cross-entropy passes over
SFT = "gpt_sft.pt"                          # in assets/checkpoints; `python benchmarks/happy.py sft --ship` rebuilds it

SFT_CONFIG = PretrainConfig(steps=360, batch_size=32, length=64, learning_rate=1.5e-3, warmup_share=0.1,
                            weight_decay=0.1, report_every=20, held_out_rows=128, checkpoint_every=40)


@lru_cache(maxsize=6)
def positive_texts(part: str, above: float = 1.0) -> tuple[str, ...]:
    """Texts of "train", "validation" or "test" that people rated above `above` on average, from -4 to 4."""
    return tuple(text.text for text in rated_texts(part) if text.mean > above)


TargetFunction = Callable[[Tensor, Tensor, int], Tensor]       # called as `sft_targets` is


def sft_targets(tokens: Tensor, lengths: Tensor, prompt_tokens: int) -> Tensor:
    """What is to be learned at each place of some rows, (B, T): the token that follows, or NOT_LEARNED. Exercise 09.1.

    tokens: (B, T + 1) int64, each row the end token, `prompt_tokens` of prompt, the completion, an end token, padding.
    lengths: (B,) how many tokens of a row are no padding. Learned are the completion and the end token behind it.
    """
    place = torch.arange(1, tokens.shape[1])                                                # (T,) of each target
    learned = (place > prompt_tokens) & (place < lengths[:, None])                          # (B, T)
    return tokens[:, 1:].masked_fill(~learned, NOT_LEARNED)


@dataclass(frozen=True)
class Examples:
    """One text a row, padded behind; what is to be learned in each. Takes the place of a TokenStream in training."""

    inputs: Tensor          # (texts, T) int64: the end token, the text, end tokens behind it
    targets: Tensor         # (texts, T) int64: the token that follows, NOT_LEARNED in the prompt and behind the end

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Tokenizer, length: int,
           prompt_tokens: int = PROMPT_TOKENS, make_targets: TargetFunction = sft_targets) -> "Examples":
        """Rows of `length` tokens. The first `prompt_tokens` of each text are given, everything after is learned.

        The token that ends a text is learned too; a text that is too long is cut, and then has no end to learn. A text
        that is all prompt is left out. Raises ValueError when no text is left.
        """
        encoded = tokenizer.encode_batch(texts)
        rows = [[tokenizer.eos, *ids, tokenizer.eos] for ids in encoded if len(ids) > prompt_tokens]
        if not rows or length <= prompt_tokens:
            raise ValueError(f"no text has anything to learn: {len(texts)} texts, rows of {length} tokens, prompts of "
                             f"{prompt_tokens}")
        lengths = torch.tensor([min(len(row), length + 1) for row in rows])                 # (texts,)
        tokens = torch.full((len(rows), length + 1), tokenizer.eos)                         # (texts, T + 1)
        for place, row in enumerate(rows):
            tokens[place, :lengths[place]] = torch.tensor(row[:length + 1])
        return cls(tokens[:, :-1], make_targets(tokens, lengths, prompt_tokens))

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, rows: int, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(inputs, targets), both (rows, length), texts drawn by chance; columns that are all padding are left out."""
        return self._rows(torch.randint(len(self), (rows,), generator=generator), length)

    def evenly_spaced(self, rows: int, length: int) -> tuple[Tensor, Tensor]:
        """`batch` without chance: the same texts every time."""
        return self._rows(torch.linspace(0, len(self) - 1, min(rows, len(self))).long(), length)

    def _rows(self, places: Tensor, length: int) -> tuple[Tensor, Tensor]:
        inputs, targets = self.inputs[places, :length], self.targets[places, :length]
        used = int((targets != NOT_LEARNED).any(dim=0).nonzero().max()) + 1
        return inputs[:, :used], targets[:, :used]


def start_sft(model: GPT, tokenizer: Tokenizer, config: PretrainConfig = SFT_CONFIG, checkpoint: Path | None = None,
              prompt_tokens: int = PROMPT_TOKENS, make_targets: TargetFunction = sft_targets) -> Pretraining:
    """A training of `model`, in place, on the training texts that people rated positive, ready to go.

    Held-out loss is over the completions of positive validation texts. With `checkpoint` it can be stopped and goes on
    identically. make_targets: takes the place of `sft_targets`, for instance the learner's own of exercise 09.1.
    """
    learned = Examples.of(positive_texts("train"), tokenizer, config.length, prompt_tokens, make_targets)
    held_out = Examples.of(positive_texts("validation"), tokenizer, config.length, prompt_tokens)
    return Pretraining(model, learned, held_out, config, checkpoint)


def load_sft() -> ShippedGPT:
    """The shipped fine-tuned model. Raises CheckpointError when the file cannot be used."""
    return load_shipped(SFT)
