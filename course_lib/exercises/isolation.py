"""What a case must not disturb (output, warnings, random numbers, torch's switches), and how long it may take.

The time limit stops what can be stopped, and says what to do about what cannot. In the main thread on Linux and macOS
an alarm signal interrupts Python code. It cannot interrupt one long call inside C++ (a huge matrix product), and there
is no alarm on Windows or in other threads: there a watchdog thread says which call hangs and how to interrupt the
kernel. The limit counts computing time, so that right code on a busy machine is not called endless; code that waits
without computing (a `sleep`) is stopped after `WAITING` times the limit by the clock on the wall, less the time when
it was ready and the machine was busy with others (Linux says how long that was).
"""

import io
import math
import random
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import numpy as np
import torch

ROOM = 4000         # characters of output that are kept


class Output(io.TextIOBase):
    """Stands in for stdout and stderr; keeps the first `ROOM` characters, counts the rest."""

    def __init__(self) -> None:
        self._kept = ""
        self._dropped = 0

    def writable(self) -> bool:
        """Always: print and tqdm ask."""
        return True

    def write(self, text: str) -> int:
        """Keep what there is room for."""
        room = ROOM - len(self._kept)
        self._kept += text[:room]
        self._dropped += max(0, len(text) - room)
        return len(text)

    def text(self) -> str:
        """What was written."""
        return self._kept + (f"\n… and {self._dropped:,} more characters" if self._dropped else "")


@contextmanager
def captured() -> Iterator[Output]:
    """Catch stdout, stderr and warnings of the block; the warnings are added as lines."""
    output = Output()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            with redirect_stdout(output), redirect_stderr(output):
                yield output
        finally:
            for warning in caught:
                output.write(f"{warning.category.__name__}: {warning.message}\n")


@contextmanager
def undisturbed(seed: int) -> Iterator[None]:
    """Seed torch (CPU), numpy and random for the block; put their states and torch's switches back after it.

    Torch computes on one thread meanwhile: cases are small, and on a busy machine several threads spend their computing
    time, which is limited, waiting for each other (one right answer took 60 CPU-seconds instead of 4).
    """
    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_num_threads(1)
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    try:
        with torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)
        random.setstate(python_state)


WAITING = 4         # times the limit, by the wall clock
GRACE = 2.0         # seconds without a sign of life before the watchdog speaks, where there is an alarm
AGAIN = 0.05        # seconds between alarms; the first may come too early or be swallowed by a bare `except:`


class TimeIsUp(BaseException):
    """Raised inside the learner's code when its time is up. Not an `Exception`, so that theirs do not catch it."""


def can_interrupt() -> bool:
    """Whether an alarm can stop Python code here."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


@contextmanager
def time_limit(seconds: float, speak: Callable[[str], None], call: Callable[[], str],
               waiting_counts: bool = True) -> Iterator[None]:
    """Raise `TimeIsUp` in the block after `seconds` of computing, where that is possible; else speak.

    Args:
        speak: prints one line; called from another thread.
        call: gives the call that is running, as text.
        waiting_counts: whether a block that waits without computing is stopped, too.
    """
    alarm = _Alarm(seconds, waiting_counts) if can_interrupt() else None
    done = threading.Event()

    def watch() -> None:
        done.wait(seconds + (GRACE if alarm else 0))
        while alarm and alarm.alive() and not done.is_set():
            done.wait(GRACE)
        if not done.is_set():
            speak(f"⏳ {call() or 'The check'} has been running for more than {seconds:g} seconds"
                  + (" inside one long operation that cannot be stopped from here" if alarm else "")
                  + ". To stop it, choose Kernel > Interrupt in the menu or press the stop button (■) above the "
                    "notebook; then look for a loop that never ends or a very large tensor.")

    watches = threading.Thread(target=watch, daemon=True)
    watches.start()
    try:
        if alarm:
            with alarm.set():
                yield
        else:
            yield
    finally:
        done.set()
        watches.join()                                  # see memory_limit.py


def kept_waiting(task: str = "thread-self") -> float:
    """Seconds so far in which a thread was ready to compute and had no processor; 0 where nobody knows.

    Args:
        task: this thread, or the number of a process, for its first thread.
    """
    try:
        with open(f"/proc/{task}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


class _Alarm:
    """Rings in the main thread from `seconds` on, and raises `TimeIsUp` when that much was computed."""

    def __init__(self, seconds: float, waiting_counts: bool) -> None:
        self._seconds, self._most_idle = seconds, WAITING * seconds if waiting_counts else math.inf
        self._last_ring = 0.0

    def alive(self) -> bool:
        """Whether Python code heard the alarm within the last `GRACE` seconds: it is not stuck inside C++."""
        return time.monotonic() - self._last_ring < GRACE

    @contextmanager
    def set(self) -> Iterator[None]:
        """Ring during the block; put back the alarm that was set before it."""
        armed = True
        wall, computed, kept = time.monotonic(), time.thread_time(), kept_waiting()

        def ring(*_: object) -> None:
            self._last_ring = time.monotonic()
            used_up = time.thread_time() - computed >= self._seconds
            idle = self._last_ring - wall - (kept_waiting() - kept)
            if armed and (used_up or idle >= self._most_idle):
                raise TimeIsUp

        handler = signal.signal(signal.SIGALRM, ring)
        rest, interval = signal.setitimer(signal.ITIMER_REAL, self._seconds, AGAIN)
        try:
            try:
                yield
            finally:
                armed = False
        finally:
            signal.setitimer(signal.ITIMER_REAL, rest, interval)
            signal.signal(signal.SIGALRM, handler)
