"""How much memory a case may take: a function that allocates without end is stopped before the machine swaps.

Two things together. A thread looks at the process every `PAUSE` seconds; when it has grown by more than `STOP_AT` of
what was free, `TooMuchMemory` is raised in the learner's code: that stops loops, and shows their line. One call that
takes everything at once (`torch.zeros` of a terabyte, a list times a billion) is over before the thread looks, so on
Linux the system refuses what goes beyond `REFUSE_AT`, and the call raises. The limit is RLIMIT_DATA, which counts
memory that was asked for to be written; torch and threads reserve address space (RLIMIT_AS) that they never use. macOS
and Windows have no such limit: there the thread works alone.
"""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from course_lib.free_memory import free_memory

STOP_AT = 0.5           # of the memory that was free when the case began
REFUSE_AT = 0.75        # of the same; far enough above that the other threads of the kernel still get theirs
PAUSE = 0.05            # seconds between two looks
AGAIN = 0.5             # seconds until code that caught the exception, and holds on to its memory, is stopped again


class TooMuchMemory(BaseException):
    """Raised inside the learner's code when it has taken too much. Not an `Exception`, so theirs do not catch it."""


class MemoryWatch:
    """Looks how much the process has grown since it was made; speaks up in the thread that made it.

    Attributes:
        free: bytes that were free at the beginning.
        taken: by how many bytes the process had grown when it was stopped; 0 before.
    """

    def __init__(self, free: int) -> None:
        self.free = free
        self.taken = 0
        self._process = psutil.Process()
        self._before = self._sizes()
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def look(self) -> None:
        """Until the end: raise `TooMuchMemory` in the watched thread, again and again while too much is held."""
        with suppress(psutil.Error):                # a system that does not tell: then there is no watch
            while not self._ended.wait(AGAIN if self.taken else PAUSE):
                grown = max(now - before for now, before in zip(self._sizes(), self._before, strict=True))
                with self._lock:
                    if grown > STOP_AT * self.free and not self._ended.is_set():
                        self.taken = max(self.taken, grown)
                        _raise_in(self._thread, TooMuchMemory)

    def end(self) -> None:
        """Look no more; what was raised and has not come through yet is taken back."""
        with self._lock:
            self._ended.set()
            if self.taken:
                _raise_in(self._thread, None)

    def _sizes(self) -> tuple[int, int]:
        """Bytes in memory, and bytes that were asked for to be written (Linux; they come first, before their use)."""
        info = self._process.memory_info()
        return info.rss, getattr(info, "data", 0)


@contextmanager
def memory_limit() -> Iterator[MemoryWatch]:
    """Stop the block, of this thread, with `TooMuchMemory` or a MemoryError when it takes too much memory."""
    watch = MemoryWatch(free_memory())
    with _refused_beyond(watch.free):
        looks = threading.Thread(target=watch.look, daemon=True)
        looks.start()
        try:
            try:
                yield watch
            finally:
                watch.end()
        finally:
            watch.end()             # the first one may have been interrupted by the very exception
            looks.join()            # a daemon thread inside torch when Python ends (its garbage collector) aborts it


@contextmanager
def _refused_beyond(free: int) -> Iterator[None]:
    """Let Linux refuse memory beyond `REFUSE_AT`. In the main thread only: the limit is one for the whole process."""
    if not sys.platform.startswith("linux") or threading.current_thread() is not threading.main_thread():
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = psutil.Process().memory_info().data + int(REFUSE_AT * free)
    lower = [limit for limit in (soft, hard, most) if limit != resource.RLIM_INFINITY]
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (min(lower), hard))
    try:
        yield
    finally:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Let Python raise an exception in a thread, at its next step; None takes back what has not been raised yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind) if kind else None)


def gigabytes(size: float) -> str:
    """`3.2 GB`, `180 MB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
