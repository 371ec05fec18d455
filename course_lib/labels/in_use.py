"""Who has the label file open: so that no tool puts another file in its place while a notebook writes to this one.

Every store holds a shared lock on a small file beside the label file, as long as it is open; a tool that replaces the
label file takes the lock alone. The system frees the lock of a process that dies. Where a file system knows no such
locks (or Windows, which refuses to replace an open file anyway), nobody is kept out. Taught in lesson 04.
"""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from course_lib.errors import CourseError

try:
    import fcntl
except ImportError:                                # Windows
    fcntl = None

ALONE: set[str] = set()            # files that this process itself has to itself
REFUSED = (errno.EACCES, errno.EAGAIN)


class Hold:
    """A lock on `path`'s lock file, shared or alone, until `free` or until nobody refers to it any more."""

    def __init__(self, path: Path, alone: bool, seconds: float) -> None:
        self._handle: int | None = None
        if fcntl is None or (not alone and str(path) in ALONE):
            return
        with contextlib.suppress(OSError):         # a folder in which nobody may write: nobody replaces a file there
            self._handle = os.open(lock_path(path), os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        if self._handle is not None:
            self._wait(path, alone, seconds)

    def _wait(self, path: Path, alone: bool, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                return
            except OSError as error:
                if error.errno not in REFUSED:     # no locks on this file system
                    return
                if time.monotonic() >= end:
                    self.free()
                    raise CourseError((IN_USE if alone else REPLACED).format(name=path.name)) from None
            time.sleep(0.02)

    def free(self) -> None:
        """Let others in."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.free()


IN_USE = ("{name} is open in a notebook or in another program. Shut down the kernels that use it (in JupyterLab: "
          "Kernel, Shut Down All Kernels), then run the command again. Nothing was changed.")
REPLACED = "{name} is being mended or restored by another command. Wait until it has ended, then try again."


@contextlib.contextmanager
def alone(path: Path, seconds: float = 0.5) -> Iterator[None]:
    """Keep everybody else out of the label file at `path`. Raises `CourseError` where somebody has it open."""
    hold = Hold(path, alone=True, seconds=seconds)
    ALONE.add(str(path))
    try:
        yield
    finally:
        ALONE.discard(str(path))
        hold.free()


def lock_path(path: Path) -> Path:
    """The small file beside the label file that the locks are on; it stays empty."""
    return path.with_name(f".{path.name}.lock")
