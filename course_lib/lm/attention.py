"""Causal self-attention in six lines, and the fast version that trains. Lesson 07, section 7.5; exercise 07.1.

Source: A. Vaswani et al. (2017), "Attention is all you need", section 3.2.1 and equation 1.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

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
