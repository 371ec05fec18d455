"""The KV cache: what attention has worked out for earlier tokens, kept so that it need not be worked out again.

A token's key and value depend on earlier tokens only, and those no longer change while we generate. Lesson 07, 7.10.
"""

import torch
from torch import Tensor


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
