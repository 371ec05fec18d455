"""From what a person clicked to what a model learns from.

One vocabulary everywhere: "left", "right", "equal" (a verdict: both are as good) and "skip" (no verdict: cannot
tell, or neither is good). Which item was shown on the left is random, so a click has to be turned back before use.

Source: Christiano et al. (2017), section 2.2.2, for the targets 1, 0 and 0.5 and for leaving incomparable pairs out.
Taught in lesson 03, section 3.5; used in lessons 04, 06 and 09.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.preferences.records import CHOICES


def verdicts_to_targets(choices: Sequence[str], flipped: Sequence[bool]) -> tuple[Tensor, Tensor]:
    """Which pairs to keep, and the target mu of each: (kept,) int64 positions and (kept,) float32.

    choices: one of `CHOICES` for each pair. flipped: True where the first item of the pair was shown on the right.
    mu is 1 when the first item was preferred, 0 when the second was, 0.5 for "equal"; "skip" is left out.

    Raises ValueError for another word, or when the two lists differ in length.
    """
    kept, mu = [], []
    for position, (choice, flip) in enumerate(zip(choices, flipped, strict=True)):
        if choice not in CHOICES:
            raise ValueError(f"pair {position}: {choice!r} is not one of {', '.join(CHOICES)}")
        if choice == "skip":
            continue
        kept.append(position)
        mu.append(0.5 if choice == "equal" else float((choice == "left") != bool(flip)))
    return torch.tensor(kept, dtype=torch.long), torch.tensor(mu)
