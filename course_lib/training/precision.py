"""Products of matrices in 16-bit numbers, where the processor is quick with them. Lesson 08, section 8.7.

    with products(config.bfloat16):             # True, False, or None: wherever this processor gains by it
        logits = model(tokens)

bfloat16 keeps the range of a 32-bit float and 8 of its 24 bits of precision (Kalamkar et al. 2019, "A Study of
BFLOAT16 for Deep Learning Training"). Processors that multiply such numbers themselves train up to twice as fast with
them. All others emulate, and need two to six times as long: so a default is never "on", but "where it is quick".

The environment's COURSE_BFLOAT16=1 or =0 decides in place of the measurement: runs in 16 and in 32 bits come out
otherwise, and with it one machine computes what another did.
"""

import os
import time
from functools import lru_cache

import torch


@lru_cache(maxsize=1)
def bfloat16_is_quick() -> bool:
    """True where this processor multiplies 16-bit matrices clearly faster than 32-bit ones; takes some milliseconds.

    Raises ValueError for a COURSE_BFLOAT16 that is neither 0 nor 1.
    """
    wanted = os.environ.get("COURSE_BFLOAT16", "")
    if wanted not in ("", "0", "1"):
        raise ValueError(f"COURSE_BFLOAT16 is {wanted!r}, but it can only be 1 (16 bits), 0 (32 bits) or absent.")
    return wanted == "1" if wanted else _measured()


def in_bfloat16(setting: bool | None) -> bool:
    """What a setting means on this processor. None: whether `bfloat16_is_quick()`."""
    return bfloat16_is_quick() if setting is None else setting


def products(setting: bool | None) -> torch.autocast:
    """A context in which matrices are multiplied in bfloat16, or as always; the weights themselves stay in float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16(setting))


def _measured(rounds: int = 12) -> bool:
    """Whether the quickest of some 16-bit products takes less than three quarters of the quickest 32-bit one.

    Both are timed in turn, so that whatever else the machine does at that moment slows both.
    """
    best = {dtype: float("inf") for dtype in (torch.float32, torch.bfloat16)}
    for done in range(rounds):
        for dtype in best:
            best[dtype] = min(best[dtype], _seconds(dtype))
        if done and best[torch.bfloat16] > 4 * best[torch.float32]:     # emulated: long enough
            break
    return best[torch.bfloat16] < 0.75 * best[torch.float32]


def _seconds(dtype: torch.dtype) -> float:
    a, b = torch.ones(2048, 128, dtype=dtype), torch.ones(128, 512, dtype=dtype)
    started = time.process_time()
    a @ b
    return time.process_time() - started
