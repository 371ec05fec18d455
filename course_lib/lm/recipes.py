"""Models and trainings that were measured, by name; benchmarks/text.py measured them. Lesson 07.

`CHAR_RECIPE.start(seed=0)` makes the model, the streams and the training.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from course_lib.lm.bpe import BPETokenizer
from course_lib.lm.char_tokenizer import CharTokenizer
from course_lib.lm.corpora import TokenStream, short_texts
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.precision import bfloat16_is_quick
from course_lib.lm.pretrain import PretrainConfig, Pretraining
from course_lib.lm.tokenizer import Tokenizer

BPE_VOCABULARY = 1_024


@lru_cache(maxsize=1)
def bpe_tokenizer() -> BPETokenizer:
    """Byte pairs of the training texts, 1,024 tokens; learned in half a second."""
    return BPETokenizer.train(short_texts("train"), BPE_VOCABULARY)


@dataclass(frozen=True)
class Recipe:
    """All that a model of the course is made of."""

    tokenizer: Callable[[], Tokenizer]
    model: GPTConfig
    training: PretrainConfig

    def start(self, seed: int = 0, checkpoint: Path | None = None, **changes: object) -> Pretraining:
        """A training on the rated texts, ready to go. changes: fields of PretrainConfig that shall be others.

        16-bit numbers are used where the recipe says so and the processor is quick at them.
        """
        tokenizer = self.tokenizer()
        training = replace(self.training, seed=seed, **changes)
        if "bfloat16" not in changes and training.bfloat16:
            training = replace(training, bfloat16=bfloat16_is_quick())
        return Pretraining(GPT(self.model, seed=seed), TokenStream.of(short_texts("train"), tokenizer),
                           TokenStream.of(short_texts("validation"), tokenizer), training, checkpoint)


FAST = PretrainConfig(steps=1_000_000, rows=16, learning_rate=1.4e-2, muon=True, report_every=50)     # until time is up
CHAR_RECIPE = Recipe(CharTokenizer, GPTConfig(CharTokenizer.vocab_size, context=192), replace(FAST, cpu_seconds=178))
BPE_RECIPE = Recipe(bpe_tokenizer, GPTConfig(BPE_VOCABULARY, context=96),
                    replace(FAST, cpu_seconds=297, length=96, rows=32, learning_rate=1e-2, weight_decay=0.3,
                            dropout=0.1))
