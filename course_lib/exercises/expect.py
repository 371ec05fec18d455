"""`expect`: what a run claims, checked where it is claimed, with the value that was measured."""

import os
import time
from typing import Any

from course_lib.budget import in_ci
from course_lib.exercises.describe import number
from course_lib.exercises.screen import in_ipython, say

MISSED = """\
  Another processor rounds otherwise, and a training run can come out otherwise there: compare the measured value with
  the text, and read on. If you changed a setting above, or the run uses functions of yours, that may be why."""

_since = time.process_time()


def expect(condition: Any, claim: str, *, ci: Any = None, measured: Any = None) -> None:
    """Print whether a claim of the lesson held in this run, with the measured value and the computing time.

    `expect(0.58 < accuracy < 0.66, "1,000 labels get about 62% right", ci=accuracy > 0.5, measured=accuracy)` prints
    `✓ 1,000 labels get about 62% right (measured 0.616, 1.1 CPU-seconds on this machine)`.

    Args:
        condition: one truth value: whether the claim held.
        claim: a full sentence in words; it should stay true next to the number.
        ci: the wider condition that counts in its place when `COURSE_BUDGET=ci` makes the run short. Or a text, why so
            short a run cannot show the claim: it is then printed as not asked, and neither holds nor fails.
        measured: a number, a text, or a dict of these.

    The CPU-seconds are those of this process since the cell began or since the last `expect`, whichever is later.

    Raises:
        AssertionError: the claim did not hold and `COURSE_STRICT=1` (tests).
    """
    global _since
    seconds, _since = time.process_time() - _since, time.process_time()
    short = in_ci() and ci is not None
    facts = [f"measured {_plain(measured)}"] if measured is not None else []
    if short and isinstance(ci, str):
        say(f"– Not asked of so short a run: {claim} ({'; '.join([ci, *facts])})")
        return
    held = bool(ci if short else condition)
    facts += [f"{_seconds(seconds)} on this machine", *(["CI budget: the wider bound"] if short else [])]
    line = f"✓ {claim} ({', '.join(facts)})" if held else f"✗ Not on this run: {claim} ({', '.join(facts)})"
    say(line)
    if held:
        return
    if os.environ.get("COURSE_STRICT") == "1":
        raise AssertionError(line)
    say(MISSED)


def _plain(measured: Any) -> str:
    if isinstance(measured, dict):
        return ", ".join(f"{key} {_plain(value)}" for key, value in measured.items())
    if getattr(measured, "ndim", None) == 0:        # a tensor or a numpy value that holds one number
        measured = measured.item()
    return f"{measured:,}" if isinstance(measured, int) and not isinstance(measured, bool) else number(measured)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} CPU-seconds" if seconds < 99.5 else f"{seconds:.0f} CPU-seconds"


def _cell_begins(*_: object) -> None:
    global _since
    _since = time.process_time()


def _watch_cells() -> None:
    if in_ipython():
        from IPython import get_ipython

        get_ipython().events.register("pre_run_cell", _cell_begins)


_watch_cells()
