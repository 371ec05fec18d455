"""Causal self-attention in six lines, and the fast version that trains. Lesson 07, sections 7.4 and 7.5; exercise 07.1.

Source: A. Vaswani et al. (2017), "Attention is all you need", section 3.2.1 and equation 1.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
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
    """The same numbers as `causal_attention` from torch's fused kernel, which never stores the (Q, K) table."""
    queries, keys = q.shape[-2], k.shape[-2]
    if queries == keys:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)      # (B, H, Q, D)
    if queries == 1:                                                        # the newest position sees everything
        return F.scaled_dot_product_attention(q, k, v)                      # (B, H, 1, D)
    allowed = ~causal_mask(queries, keys).to(q.device)                      # (Q, K)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)       # (B, H, Q, D)
