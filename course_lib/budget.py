"""How long a run may be: the lesson's own length, or a short one for tests."""

import os
from typing import TypeVar

T = TypeVar("T")


def in_ci() -> bool:
    """True when `COURSE_BUDGET=ci`: short runs that prove the code works, not the numbers.

    Raises:
        ValueError: `COURSE_BUDGET` is neither `ci` nor `full`.
    """
    chosen = os.environ.get("COURSE_BUDGET") or "full"
    if chosen not in ("ci", "full"):
        raise ValueError(f"COURSE_BUDGET is {chosen!r}, but it can only be 'full' (the lesson's own numbers, the "
                         "default) or 'ci' (short runs for tests). Set one of them or none, then restart the kernel.")
    return chosen == "ci"


def budget(*, full: T, ci: T) -> T:
    """The length of a run: `full` for the learner, `ci` when `COURSE_BUDGET=ci`.

    Both numbers stand side by side in the lesson, so that a reader sees what a test leaves out:
    `train(steps=budget(full=100_000, ci=5_000))`. Taught in lesson 00.

    Raises:
        ValueError: `COURSE_BUDGET` is neither `ci` nor `full`.
    """
    return ci if in_ci() else full
