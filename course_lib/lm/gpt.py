"""A small GPT, with GPT-2's architecture to the letter: the two load each other's weights. Lesson 08, section 8.6.

Sources: A. Radford et al. (2019), "Language models are unsupervised multitask learners", section 2.3; the sizes of its
first weights as there, smaller. `hf_format.py` holds the promise: the logits are those of transformers' GPT-2.

- Causal self-attention in six lines, and the fast version that trains. Source: A. Vaswani et al. (2017), "Attention is
  all you need", section 3.2.1 and equation 1. Section 8.5; exercise 08.1.
- The KV cache: a token's key and value depend on earlier tokens only, and those no longer change while we generate, so
  they are kept. Section 8.10.
- Dropout (N. Srivastava et al. 2014) stands where GPT-2 has it, except on the attention weights, and is off unless
  `Pretraining` switches it on. torch's own draws a random number for each entry, which took a seventh of a training
  step of the course's small models; here one 64-bit number decides over eight entries, a byte each.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import CourseError


class ByteDropout(nn.Module):
    """While training each entry is 0 with probability `p`, rounded to 1/256, and the others grow so that means stay.

    x: any shape -> the same shape. Raises ValueError for a share outside 0 to 1 (1 itself excluded).
    """

    def __init__(self, p: float = 0.0):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not 0 <= self.p < 1:
            raise ValueError(f"dropout leaves out a share of at least 0 and less than 1, not {self.p}")
        out_of_256 = min(round(self.p * 256), 255)
        if not self.training or out_of_256 == 0:
            return x
        draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-2**63, None)
        keep = draws.view(torch.uint8)[:x.numel()].view(x.shape) >= out_of_256
        return x * (keep.to(x.dtype) * (256 / (256 - out_of_256)))

    def extra_repr(self) -> str:
        return f"p={self.p}"


AttentionFunction = Callable[[Tensor, Tensor, Tensor], Tensor]      # called as `causal_attention` is


def causal_mask(queries: int, keys: int) -> Tensor:
    """(queries, keys) bool: True where a key lies in a query's future and must not be seen.

    The queries are the newest positions: with 5 keys and 2 queries, the queries stand at places 3 and 4.
    """
    places = torch.arange(keys - queries, keys)                             # (queries,) where each query stands
    return torch.arange(keys) > places[:, None]                             # (queries, keys)


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Each position mixes the values of itself and of earlier positions, by how well its query fits their keys.

    q: (B, H, Q, D). k, v: (B, H, K, D), K >= Q; the queries are the last Q of the K positions. Returns (B, H, Q, D).
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])               # (B, H, Q, K)
    future = causal_mask(q.shape[-2], k.shape[-2]).to(q.device)             # (Q, K)
    scores = scores.masked_fill(future, float("-inf"))                      # (B, H, Q, K)
    weights = scores.softmax(dim=-1)                                        # (B, H, Q, K), each row sums to 1
    return weights @ v                                                      # (B, H, Q, D)


def fast_causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same numbers as `causal_attention`: scores, scale and mask in one operation, the mask kept from last time.

    On two cores in 16-bit numbers this trains faster than torch's fused `scaled_dot_product_attention`, whose way back
    is slow there (benchmarks/results/text_train-speed.jsonl).
    """
    B, H, Q, D = q.shape
    bias = _bias(Q, k.shape[2], q.dtype, q.device)                          # (Q, K): 0, and -inf in the future
    scores = torch.baddbmm(bias, q.reshape(B * H, Q, D), k.reshape(B * H, -1, D).transpose(1, 2), alpha=D ** -0.5)
    mixed = scores.softmax(dim=-1) @ v.reshape(B * H, -1, D)                # (B * H, Q, K) @ (B * H, K, D)
    return mixed.view(B, H, Q, D)


@lru_cache(maxsize=8)
def _bias(queries: int, keys: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.zeros(queries, keys, dtype=dtype, device=device).masked_fill(
        causal_mask(queries, keys).to(device), float("-inf"))


class KVCache:
    """Keys and values of every layer, with room for `capacity` positions; `length` of them are filled.

    Room is made once: adding a token copies one column, not the whole past.
    """

    def __init__(self, layers: int, batch: int, heads: int, capacity: int, head_width: int,
                 dtype: torch.dtype = torch.float32):
        shape = layers, batch, heads, capacity, head_width
        self.keys, self.values = torch.empty(shape, dtype=dtype), torch.empty(shape, dtype=dtype)
        self.length = 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store the new positions' k and v, both (B, H, S, D); return all up to now, both (B, H, length + S, D).

        Every layer extends the cache once a step; then `advance` moves on.
        """
        end = self.length + k.shape[2]
        self.keys[layer, :, :, self.length:end] = k
        self.values[layer, :, :, self.length:end] = v
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def advance(self, positions: int) -> None:
        """All layers have stored `positions` new ones."""
        self.length += positions


@dataclass(frozen=True)
class GPTConfig:
    """The shape of a GPT. The defaults make the 0.8M-parameter character model of lesson 08."""

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
    """Attention, then MLP; each reads a normalized copy of the stream and adds to the stream itself (pre-norm)."""

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

    attention: takes the place of `fast_causal_attention`, for instance the learner's own of exercise 08.1.
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
        """Normal with std 0.02, smaller where a block adds to the stream, so that depth does not make it grow."""
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                adds = name.endswith("projection.weight")
                std = 0.02 / math.sqrt(2 * self.config.layers) if adds else 0.02
                nn.init.normal_(weight, std=std, generator=generator)
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
