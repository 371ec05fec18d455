"""Products of matrices in 16-bit numbers, where the processor is quick with them. Lesson 08, section 8.7.

    with products(config.bfloat16):             # True, False, or None: wherever this processor gains by it
        logits = model(tokens)

bfloat16 keeps the range of a 32-bit float and 8 of its 24 bits of precision (Kalamkar et al. 2019, "A Study of
BFLOAT16 for Deep Learning Training"). Processors that multiply such numbers themselves train up to twice as fast with
them. All others emulate, and need six times as long: so a default is never "on", but "where it is quick".
"""

import time
from functools import lru_cache

import torch


@lru_cache(maxsize=1)
def bfloat16_is_quick() -> bool:
    """True where this processor multiplies 16-bit matrices clearly faster than 32-bit ones; takes some milliseconds."""
    usual = _best_seconds(torch.float32)
    return _best_seconds(torch.bfloat16, hopeless=4 * usual) < 0.75 * usual


def in_bfloat16(setting: bool | None) -> bool:
    """What a setting means on this processor. None: whether `bfloat16_is_quick()`."""
    return bfloat16_is_quick() if setting is None else setting


def products(setting: bool | None) -> torch.autocast:
    """A context in which matrices are multiplied in bfloat16, or as always; the weights themselves stay in float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16(setting))


def _best_seconds(dtype: torch.dtype, repeats: int = 8, hopeless: float = float("inf")) -> float:
    a, b = torch.ones(2048, 128, dtype=dtype), torch.ones(128, 512, dtype=dtype)
    best = float("inf")
    for tried in range(repeats):
        started = time.process_time()
        a @ b
        best = min(best, time.process_time() - started)
        if tried and best > hopeless:           # emulated: a product may take as long as a training step
            break
    return best
