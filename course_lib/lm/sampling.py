"""Choosing the next token from logits: temperature and top-k. Lesson 07, section 7.8; exercise 07.4.

Source for top-k: A. Fan, M. Lewis, Y. Dauphin (2018), "Hierarchical neural story generation", section 5.3.
"""

import torch
from torch import Tensor


def next_token_probs(logits: Tensor, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
    """Probabilities from which the next token is drawn; both (B, V).

    temperature: the logits are divided by it; below 1 favourites become likelier, above 1 rarer. 0: the best one only.
    top_k: all but the k best tokens get probability 0 (None: none does). Tokens that tie with the k-th best stay in.
    Raises ValueError for a negative temperature or a top_k below 1.
    """
    if temperature < 0 or (top_k is not None and top_k < 1):
        raise ValueError(f"temperature is 0 or more and top_k 1 or more, not {temperature} and {top_k}")
    if temperature == 0:
        return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)   # (B, V)
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        worst_kept = logits.topk(top_k, dim=-1).values[:, -1:]                              # (B, 1)
        logits = logits.masked_fill(logits < worst_kept, float("-inf"))                     # (B, V)
    return logits.softmax(dim=-1)                                                           # (B, V)
