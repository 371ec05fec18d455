"""Models and trainings that were measured, by name. Lessons 08 and 11.

`CHAR_RECIPE.start(seed=0)` makes the model, the streams and the training; benchmarks/text.py measured them (lesson 08).

`PPO_POLICY` and `PPO_POLICY_WITHOUT_KL` name the policies that lesson 11 opens with, trained on the shipped proxy
reward with and without a KL penalty; benchmarks/text_rl.py measured their settings. Rebuilt by

    python benchmarks/text_rl.py proxy proxy-no-kl --seeds 0 --gold --ship

The two PARTS recipes are shorter: with them each part of PPO was left out in turn.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from course_lib.lm.data import TokenStream, short_texts
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.ppo import TokenPPOConfig
from course_lib.lm.pretrain import PretrainConfig, Pretraining
from course_lib.lm.rloo import RLOOConfig
from course_lib.lm.tokenizers import BPETokenizer, CharTokenizer, Tokenizer

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
        """A training on the rated texts, ready to go. changes: fields of PretrainConfig that shall be others."""
        tokenizer = self.tokenizer()
        training = replace(self.training, seed=seed, **changes)
        return Pretraining(GPT(self.model, seed=seed), TokenStream.of(short_texts("train"), tokenizer),
                           TokenStream.of(short_texts("validation"), tokenizer), training, checkpoint)


# until time is up
FAST = PretrainConfig(steps=1_000_000, batch_size=16, learning_rate=1.4e-2, muon=True, report_every=50)
CHAR_RECIPE = Recipe(CharTokenizer, GPTConfig(CharTokenizer.vocab_size, context=192), replace(FAST, cpu_seconds=178))
BPE_RECIPE = Recipe(bpe_tokenizer, GPTConfig(BPE_VOCABULARY, context=96),
                    replace(FAST, cpu_seconds=297, length=96, batch_size=32, learning_rate=1e-2, weight_decay=0.3,
                            dropout=0.1))


PPO_POLICY, PPO_POLICY_WITHOUT_KL = "gpt_ppo.pt", "gpt_ppo_no_kl.pt"        # in assets/checkpoints

VADER_RECIPE = TokenPPOConfig(updates=30, batch_size=256, minibatch_size=128, beta=0.055, kl_target=5.0, kl_speed=0.2,
                              learning_rate=2.5e-4, value_learning_rate=1e-3)
RLOO_RECIPE = RLOOConfig(updates=42, batch_size=256, samples_per_prompt=4, minibatch_size=128, beta=0.055,
                         kl_target=5.0, kl_speed=0.2, learning_rate=2.5e-4)
PARTS_RECIPE = replace(VADER_RECIPE, updates=24, batch_size=128, minibatch_size=64, kl_target=None)
PARTS_RLOO_RECIPE = replace(RLOO_RECIPE, updates=24, batch_size=128, minibatch_size=64, kl_target=None)
PROXY_RECIPE = TokenPPOConfig(updates=60, batch_size=128, minibatch_size=64, beta=0.12, learning_rate=4e-4,
                              value_learning_rate=1e-3)
TOXICITY_RECIPE = RLOOConfig(updates=16, batch_size=256, samples_per_prompt=4, minibatch_size=128, beta=0.01,
                             learning_rate=2.5e-4)              # of rewards from -1 to 0; benchmarks/scale.py toxicity
