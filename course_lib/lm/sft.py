"""Supervised fine-tuning: go on training a language model, on texts of the kind that one wants. Lesson 08, section 8.2.

    training = start_sft(model, tokenizer)
    watch(training.train(), curves=("loss", "held_out_loss"), past=training.history, total=training.config.steps)

It is pretraining over again, with its stopping and going on, and three things changed: the texts, a smaller learning
rate, and a loss that leaves out the prompt. The first step of InstructGPT (L. Ouyang et al. 2022, section 3.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.lm.gpt import GPT
from course_lib.lm.pretrain import LossFunction, PretrainConfig, Pretraining
from course_lib.lm.prompts import PROMPT_TOKENS
from course_lib.lm.shipped import ShippedGPT, load_shipped
from course_lib.lm.tokenizer import Tokenizer
from course_lib.preferences.human_ratings import rated_texts

NOT_LEARNED = -100                          # a target that does not count: prompt and padding
SFT = "gpt_sft.pt"                          # in assets/checkpoints; `python benchmarks/happy.py sft --ship` rebuilds it

SFT_CONFIG = PretrainConfig(steps=160, rows=32, length=64, learning_rate=5e-4, warm_up=0.1, weight_decay=0.1,
                            report_every=10, held_out_rows=128, checkpoint_every=40)


@lru_cache(maxsize=6)
def positive_texts(part: str, above: float = 1.0) -> tuple[str, ...]:
    """Texts of "train", "validation" or "test" that people rated above `above` on average, from -4 to 4."""
    return tuple(text.text for text in rated_texts(part) if text.mean > above)


@dataclass(frozen=True)
class Examples:
    """One text a row, padded behind; what is to be learned in each. Takes the place of a TokenStream in training."""

    inputs: Tensor          # (texts, T) int64: the end token, the text, end tokens behind it
    targets: Tensor         # (texts, T) int64: the token that follows, NOT_LEARNED in the prompt and behind the end

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Tokenizer, length: int,
           prompt_tokens: int = PROMPT_TOKENS) -> "Examples":
        """Rows of `length` tokens. The first `prompt_tokens` of each text are given, everything after is learned.

        The token that ends a text is learned too; a text that is too long is cut, and then has no end to learn. A text
        that is all prompt is left out. Raises ValueError when no text is left.
        """
        encoded = tokenizer.encode_batch(texts)
        rows = [[tokenizer.eos, *ids, tokenizer.eos] for ids in encoded if len(ids) > prompt_tokens]
        if not rows or length <= prompt_tokens:
            raise ValueError(f"no text has anything to learn: {len(texts)} texts, rows of {length} tokens, prompts of "
                             f"{prompt_tokens}")
        padded = torch.full((len(rows), length + 1), tokenizer.eos)                         # (texts, T + 1)
        targets = torch.full((len(rows), length), NOT_LEARNED)                              # (texts, T)
        for place, row in enumerate(rows):
            row = torch.tensor(row[:length + 1])
            padded[place, :len(row)] = row
            targets[place, prompt_tokens:len(row) - 1] = row[prompt_tokens + 1:]
        return cls(padded[:, :-1], targets)

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


def sft_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean surprise at the targets that count, in nats, (). Exercise 08.1.

    logits: (B, T, V), what the model said after each token; targets: (B, T), NOT_LEARNED where nothing is learned.
    Each token that counts weighs the same, in a long text or a short one.
    """
    counts = targets != NOT_LEARNED                                                         # (B, T)
    return F.cross_entropy(logits[counts].float(), targets[counts])                         # (n, V) against (n,)


def start_sft(model: GPT, tokenizer: Tokenizer, config: PretrainConfig = SFT_CONFIG, checkpoint: Path | None = None,
              loss: LossFunction = sft_loss, prompt_tokens: int = PROMPT_TOKENS) -> Pretraining:
    """A training of `model`, in place, on the training texts that people rated positive, ready to go.

    Held-out loss is over positive validation texts. With `checkpoint` it can be stopped and goes on identically.
    """
    learned, held_out = (Examples.of(positive_texts(part), tokenizer, config.length, prompt_tokens)
                         for part in ("train", "validation"))
    return Pretraining(model, learned, held_out, config, checkpoint, loss=loss)


def load_sft() -> ShippedGPT:
    """The shipped fine-tuned model. Raises CheckpointError when the file cannot be used."""
    return load_shipped(SFT)
