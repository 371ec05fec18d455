"""A small GPT, with GPT-2's architecture to the letter: the two load each other's weights. Lesson 07, section 7.6.

Sources: A. Radford et al. (2019), "Language models are unsupervised multitask learners", section 2.3; the sizes of its
first weights as there, smaller. `hf_format.py` holds the promise: the logits are those of transformers' GPT-2.
Dropout stands where GPT-2 has it, except on the attention weights, and is off unless `Pretraining` switches it on.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.lm.attention import AttentionFunction, fast_causal_attention
from course_lib.lm.dropout import ByteDropout
from course_lib.lm.kv_cache import KVCache


@dataclass(frozen=True)
class GPTConfig:
    """The shape of a GPT. The defaults make the 0.8M-parameter character model of lesson 07."""

    vocab_size: int = 97                    # different tokens (V)
    context: int = 192                      # positions it can read at once (T at most)
    layers: int = 4                         # blocks, one after the other
    heads: int = 4                          # attention heads a block (H); they share the width
    width: int = 128                        # numbers that describe one position (C)

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads cannot share a width of {self.width}: it must be a multiple of them")


class SelfAttention(nn.Module):
    """Positions exchange what they know: the only place where one looks at another."""

    def __init__(self, config: GPTConfig, attention: AttentionFunction):
        super().__init__()
        self.heads, self.attention = config.heads, attention
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.projection = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, layer: int = 0, cache: KVCache | None = None) -> Tensor:
        """x: (B, T, C) -> (B, T, C)."""
        B, T, C = x.shape
        q, k, v = self.qkv(x).split(C, dim=-1)                              # 3 x (B, T, C)
        q, k, v = (part.view(B, T, self.heads, C // self.heads).transpose(1, 2)
                   for part in (q, k, v))                                   # 3 x (B, H, T, D), D = C / H
        if cache is not None:
            k, v = cache.extend(layer, k, v)                                # 2 x (B, H, past + T, D)
        mixed = self.attention(q, k, v)                                     # (B, H, T, D)
        return self.projection(mixed.transpose(1, 2).reshape(B, T, C))      # (B, T, C)


class MLP(nn.Module):
    """Each position thinks for itself: four times as wide, bent, and back."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.widen = nn.Linear(config.width, 4 * config.width)
        self.projection = nn.Linear(4 * config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, C) -> (B, T, C)."""
        return self.projection(F.gelu(self.widen(x), approximate="tanh"))   # (B, T, 4C) inside


class Block(nn.Module):
    """Attention, then MLP; each reads a normalised copy of the stream and adds to the stream itself (pre-norm)."""

    def __init__(self, config: GPTConfig, attention: AttentionFunction, dropout: nn.Module):
        super().__init__()
        self.dropout = dropout
        self.norm_1, self.attention = nn.LayerNorm(config.width), SelfAttention(config, attention)
        self.norm_2, self.mlp = nn.LayerNorm(config.width), MLP(config)

    def forward(self, x: Tensor, layer: int = 0, cache: KVCache | None = None) -> Tensor:
        """x: (B, T, C) -> (B, T, C)."""
        x = x + self.dropout(self.attention(self.norm_1(x), layer, cache))
        return x + self.dropout(self.mlp(self.norm_2(x)))


class GPT(nn.Module):
    """Tokens in, for each position the logits of the token that comes next.

    attention: takes the place of `fast_causal_attention`, for instance the learner's own of exercise 07.1.
    seed: of the first weights, whatever else draws random numbers.
    """

    def __init__(self, config: GPTConfig, attention: AttentionFunction = fast_causal_attention, seed: int = 0):
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.position_embedding = nn.Embedding(config.context, config.width)
        self.dropout = ByteDropout()
        self.blocks = nn.ModuleList(Block(config, attention, self.dropout) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self._first_weights(torch.Generator().manual_seed(seed))

    def _first_weights(self, generator: torch.Generator) -> None:
        """Normal with spread 0.02, smaller where a block adds to the stream, so that depth does not make it grow."""
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                adds = name.endswith("projection.weight")
                spread = 0.02 / math.sqrt(2 * self.config.layers) if adds else 0.02
                nn.init.normal_(weight, std=spread, generator=generator)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def hidden(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """What the model knows at each position, (B, T, C), before it is turned into logits: the place for other heads.

        tokens: (B, T) int64. With a cache, `tokens` are the new ones only, and the cache grows by them.
        Raises CourseError for no tokens at all, and for more than the context holds.
        """
        past = 0 if cache is None else cache.length
        T = tokens.shape[1]
        if not 0 < T <= self.config.context - past:
            raise CourseError(f"The model reads 1 to {self.config.context} tokens in all and was given {past + T}. "
                              "Begin an empty text with the end token; of a long one give the part that matters.")
        x = self.token_embedding(tokens) + self.position_embedding.weight[past:past + T]        # (B, T, C)
        x = self.dropout(x)
        for layer, block in enumerate(self.blocks):
            x = block(x, layer, cache)                                      # (B, T, C)
        if cache is not None:
            cache.advance(T)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., C) -> (..., V): how well each token fits, by its own embedding (the two tables are one)."""
        return F.linear(hidden, self.token_embedding.weight)

    def forward(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """tokens: (B, T) int64 -> logits (B, T, V); the logits at place t are about the token at place t + 1."""
        return self.logits(self.hidden(tokens, cache))

    def cache(self, batch: int, capacity: int | None = None) -> KVCache:
        """An empty cache for `batch` texts of up to `capacity` tokens (default: the whole context)."""
        config, weight = self.config, self.token_embedding.weight
        return KVCache(config.layers, batch, config.heads, capacity or config.context, config.width // config.heads,
                       weight.dtype)

    @property
    def parameter_count(self) -> int:
        """Numbers that training sets; the embedding counts once although it is used twice."""
        return sum(parameter.numel() for parameter in self.parameters())
