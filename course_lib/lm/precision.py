"""Whether 16-bit numbers make training quicker here: some processors are made for them, others emulate. Lesson 07."""

import time
from functools import lru_cache

import torch


@lru_cache(maxsize=1)
def bfloat16_is_quick() -> bool:
    """True where this processor multiplies 16-bit matrices clearly faster than 32-bit ones; takes some milliseconds."""
    return _best_seconds(torch.bfloat16) < 0.75 * _best_seconds(torch.float32)


def _best_seconds(dtype: torch.dtype, repeats: int = 8) -> float:
    a, b = torch.ones(2048, 128, dtype=dtype), torch.ones(128, 512, dtype=dtype)
    best = float("inf")
    for _ in range(repeats):
        started = time.process_time()
        a @ b
        best = min(best, time.process_time() - started)
    return best
