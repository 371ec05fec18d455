"""Workers that run: a process of one's own for each, or forks of a warm process that has loaded torch already."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, NamedTuple, Protocol

import psutil

from course_lib.errors import CourseError
from course_lib.exercises.isolation import kept_waiting

STARTS = 180.0          # seconds by the clock on the wall until a worker has loaded torch
CLEANS = 30.0           # the same until all that a student's code left is gone


class Taken(NamedTuple):
    """What the processes of a worker have taken so far; 0 where nobody can tell.

    Attributes:
        computed: seconds.
        waited: seconds in which their first threads were ready to compute and the machine was busy with others.
        held: bytes that they hold for themselves now.
    """

    computed: float = 0.0
    waited: float = 0.0
    held: int = 0


class Running(Protocol):
    """A worker that runs.

    Attributes:
        reads, writes: file descriptors of its channel; neither blocks.
        most_memory: bytes that its processes may hold together.
    """

    reads: int
    writes: int
    most_memory: int

    def taken(self) -> Taken:
        """What its processes have taken since they were started."""

    def said(self) -> str:
        """The end of what it wrote before student code came: why it did not start."""

    def stop(self) -> None:
        """End all of its processes and remove its files."""


class Single:
    """A worker in a process of its own."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: tempfile.TemporaryDirectory[str],
                 most_memory: int, counts: bool, end: Callable[[subprocess.Popen[bytes]], None]) -> None:
        self._folder, self._end, self._counts, self.most_memory = folder, end, counts, most_memory
        self._words: BinaryIO = tempfile.TemporaryFile()        # noqa: SIM115  until `stop`
        try:
            self._process = process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words, bufsize=0,
                start_new_session=True, cwd=folder.name, env=environment)
        except OSError as error:
            folder.cleanup()
            raise CourseError(f"{command[0]} cannot be started: {error.strerror or error}.") from error
        assert process.stdin is not None and process.stdout is not None
        self.writes, self.reads = process.stdin.fileno(), process.stdout.fileno()
        for handle in (self.writes, self.reads):
            os.set_blocking(handle, False)
        self._processes = _Processes(process.pid)

    def taken(self) -> Taken:
        """As `Running.taken`."""
        return self._processes.taken() if self._counts else Taken()

    def said(self) -> str:
        """The end of what it wrote before student code came: why it did not start."""
        return _end_of(self._words)

    def stop(self) -> None:
        """End all of its processes and remove its folder."""
        self._end(self._process)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()
        self._words.close()
        with suppress(OSError):
            self._folder.cleanup()


class Warm:
    """A process in the sandbox that has loaded torch and starts a worker for each student."""

    def __init__(self, command: list[str]) -> None:
        self.words: BinaryIO = tempfile.TemporaryFile()         # noqa: SIM115  until `stop`
        self.control, theirs = socket.socketpair()
        try:
            self.process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.DEVNULL,
                                            stderr=self.words, start_new_session=True, env={"PATH": "/usr/bin:/bin"})
        except OSError as error:
            raise CourseError(f"{command[0]} cannot be started: {error.strerror or error}.") from error
        finally:
            theirs.close()
        self.processes = _Processes(self.process.pid)
        self.ready(STARTS)

    def ready(self, seconds: float) -> bool:
        """Whether it says in time that it is ready for the next student."""
        self.control.settimeout(seconds)
        try:
            return self.control.recv(1) == b"r"
        except OSError:
            return False

    def stop(self) -> None:
        """End it, and all processes in its sandbox with it."""
        self.control.close()                    # it ends by itself, so that its computing time is counted
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.words.close()


class Forked:
    """A worker that was forked from a warm process."""

    def __init__(self, warm: Warm, most_memory: int, end: Callable[[], None]) -> None:
        self._warm, self._processes, self.most_memory, self._end = warm, warm.processes, most_memory, end
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)
        self.reads = self.writes = self._channel.fileno()
        self._before = warm.processes.taken().held
        with theirs, suppress(OSError):
            socket.send_fds(warm.control, [b"s"], [theirs.fileno()])

    def taken(self) -> Taken:
        """As `Running.taken`; what the warm process holds is not counted."""
        taken = self._processes.taken()
        return taken._replace(held=taken.held - self._before)

    def said(self) -> str:
        """The end of what the warm process wrote."""
        return _end_of(self._warm.words)

    def stop(self) -> None:
        """End all of the student's processes and remove their files; where that fails, end the sandbox."""
        self._channel.close()
        with suppress(OSError):
            self._warm.control.sendall(b"c")
        if not self._warm.ready(CLEANS):
            self._end()


class _Processes:
    """A process and all below it."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._known: list[psutil.Process] = []
        self._waited: dict[int, float] = {}         # by process, those that have ended among them
        self._looked = -1.0

    def taken(self) -> Taken:
        """What they have taken so far."""
        if time.monotonic() > self._looked + 0.5:               # looking for them takes longer than asking them
            self._looked = time.monotonic()
            with suppress(psutil.Error):
                first = psutil.Process(self._first)
                self._known = [first, *first.children(recursive=True)]
        seconds, held = 0.0, 0
        for process in self._known:
            with suppress(psutil.Error):
                with process.oneshot():
                    times, info = process.cpu_times(), process.memory_info()
                seconds += times.user + times.system + times.children_user + times.children_system
                held += info.rss - getattr(info, "shared", 0)
                self._waited[process.pid] = kept_waiting(str(process.pid))
        return Taken(seconds, sum(self._waited.values()), held)


def _end_of(words: BinaryIO) -> str:
    words.seek(0, os.SEEK_END)
    words.seek(max(0, words.tell() - 2000))
    return words.read().decode(errors="replace").strip()
