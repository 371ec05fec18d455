"""A time limit that stops what can be stopped, and says what to do about what cannot.

In the main thread on Linux and macOS an alarm signal interrupts Python code. It cannot interrupt one long call inside
C++ (a huge matrix product), and there is no alarm on Windows or in other threads: there a watchdog thread says which
call hangs and how to interrupt the kernel.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

GRACE = 2.0         # seconds between the alarm and the watchdog's word, when there is an alarm
AGAIN = 0.05        # seconds between alarms, in case a bare `except:` swallowed the first


class TimeIsUp(BaseException):
    """Raised inside the learner's code when its time is up. Not an `Exception`, so that theirs do not catch it."""


def can_interrupt() -> bool:
    """Whether an alarm can stop Python code here."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


@contextmanager
def time_limit(seconds: float, speak: Callable[[str], None], call: Callable[[], str]) -> Iterator[None]:
    """Raise `TimeIsUp` in the block after `seconds` of wall clock, where that is possible; else speak.

    Args:
        speak: prints one line; called from another thread.
        call: gives the call that is running, as text.
    """
    alarm = can_interrupt()

    def warn() -> None:
        speak(f"⏳ {call() or 'The check'} has been running for more than {seconds:g} seconds"
              + (" inside one long operation that cannot be stopped from here" if alarm else "")
              + ". To stop it, choose Kernel > Interrupt in the menu or press the stop button (■) above the notebook; "
                "then look for a loop that never ends or a very large tensor.")

    watchdog = threading.Timer(seconds + GRACE if alarm else seconds, warn)
    watchdog.daemon = True
    watchdog.start()
    try:
        with _alarm(seconds) if alarm else nullcontext():
            yield
    finally:
        watchdog.cancel()


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    armed = True

    def ring(*_: object) -> None:
        if armed:
            raise TimeIsUp

    handler = signal.signal(signal.SIGALRM, ring)
    rest, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        try:
            yield
        finally:
            armed = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, rest, interval)
        signal.signal(signal.SIGALRM, handler)
