"""Waiting for what another process or thread does: as long as a busy machine needs, and never for ever."""

import time
from collections.abc import Callable

LONG_ENOUGH = 300       # seconds; on a machine with nothing else to do, what the tests wait for takes a few at most


def until(there: Callable[[], object], seconds: float = LONG_ENOUGH,
          pause: Callable[[], object] = lambda: time.sleep(0.02)) -> None:
    """Return as soon as `there()` is true, with a `pause()` between two looks.

    Raises TimeoutError when that takes longer than a machine can be busy.
    """
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} seconds for something that did not come")
        pause()
