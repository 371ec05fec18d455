"""A student's process as the grader sees it: it answers within its limits, or it is ended and says why."""

import os
import select
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from course_lib.classroom import wire
from course_lib.classroom.bridge import End, Gone
from course_lib.classroom.graders_door import GradersDoor
from course_lib.classroom.running import STARTS, Running
from course_lib.classroom.sandbox import Sandbox
from course_lib.errors import CourseError
from course_lib.exercises import registry
from course_lib.exercises.isolation import WAITING, TimeIsUp, time_limit

DEFINES = 20.0          # seconds of computing for the statements around an answer
LOOKS = 0.05            # seconds between two looks at what a process takes


class DidNotStart(CourseError):
    """The process for student code did not start; the text says why."""


class Line:
    """The channel at the grader's end, with a time limit."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.broken = ""
        self.limit(STARTS)

    def limit(self, seconds: float) -> None:
        """From now on: so much computing, and `WAITING` times as much by the clock on the wall.

        Time in which the process was ready and the machine was busy with others is not counted.
        """
        self._seconds = seconds
        self._before, self._began = self._running.taken(), time.monotonic()
        self._looked = self._began

    def send(self, frame: bytes) -> None:
        """Send a whole frame, as fast as the other end takes it.

        Raises:
            Gone, TimeIsUp: as `receive`.
        """
        if self.broken:
            raise Gone(self.broken)
        view = memoryview(frame)
        while view:
            try:
                view = view[os.write(self._running.writes, view):]
            except BlockingIOError:
                if not select.select([], [self._running.writes], [], LOOKS)[1]:
                    self._look()
            except OSError:
                self._break("it ended by itself")

    def receive(self) -> memoryview:
        """The next frame.

        Raises:
            Gone: the process has ended, or wrote what is no frame.
            TimeIsUp: it took too long.
        """
        size = struct.unpack("<Q", self._read(8))[0]
        if size > wire.MOST:
            self._break("it sent what is no answer")
        return memoryview(self._read(size))

    def _read(self, size: int) -> bytearray:
        content = bytearray()
        while len(content) < size:
            silent = not select.select([self._running.reads], [], [], LOOKS)[0]
            if silent or time.monotonic() > self._looked + LOOKS:         # one that talks without an end, too
                self._look()
            if silent:
                continue
            try:
                some = os.read(self._running.reads, min(size - len(content), 1 << 20))
            except BlockingIOError:
                continue
            except OSError:
                some = b""
            if not some:
                self._break("it ended by itself")
            content += some
        return content

    def lose(self, how: str) -> None:
        """Count the process as lost; it is asked no more."""
        self.broken = self.broken or how

    def _look(self) -> None:
        taken, self._looked = self._running.taken(), time.monotonic()
        if taken.held > self._running.most_memory:
            self._break("it took too much memory")
        idle = self._looked - self._began - (taken.waited - self._before.waited)
        if idle > WAITING * self._seconds or taken.computed - self._before.computed > self._seconds:
            self.lose("time")
            raise TimeIsUp

    def _break(self, how: str) -> None:
        self.lose(how)
        raise Gone(how)


class Student:
    """A notebook in a process of its own, until `stop`.

    Attributes:
        faults: cells that are no Python.
        door: knows what the last error said.
    """

    def __init__(self, sandbox: Sandbox, cells: Sequence[str], stubs: Sequence[str], functions: dict[str, str],
                 references: dict[str, str]) -> None:
        self._running = sandbox.start()
        self._line = Line(self._running)
        self.door = GradersDoor()
        self._end = End(self._line, self.door, leads=True, further={"reference": self._reference})
        self._exercise, self._in_case = "", False
        try:
            self._end.ask("hello")
        except (Gone, TimeIsUp) as error:
            said = self._running.said()
            self.stop()
            raise DidNotStart(f"The process for student code did not start ({sandbox.name}): "
                              f"{said.splitlines()[-1] if said else error or 'it took too long'}") from error
        try:
            with self._in_time(DEFINES):
                self.faults = self._end.ask("load", list(cells), list(stubs), functions, references)
        except BaseException:
            self.stop()
            raise

    @property
    def broken(self) -> str:
        """How the process was lost, `time` where it took too long; empty while it answers."""
        return self._line.broken

    def lose(self, how: str) -> None:
        """Count it as lost."""
        self._line.lose(how)

    @contextmanager
    def _in_time(self, seconds: float) -> Iterator[None]:
        """A limit for both ends: what comes from the student's end may take this one long to read."""
        self._line.limit(seconds)
        with time_limit(seconds, lambda words: None, str, waiting_counts=False):         # the line counts it
            yield

    def define(self, exercise: str, passed: Sequence[str]) -> tuple[bool, list[str]]:
        """Run what an answer needs. Returns whether the answer is there and can be called, and what went wrong.

        Raises:
            Gone, TimeIsUp: the process was lost on the way.
        """
        self._exercise, self._in_case = exercise, False
        with self._in_time(DEFINES):
            there, told = self._end.ask("define", exercise, list(passed))
        return there is True, [str(line)[:400] for line in told][:20] if isinstance(told, list) else []

    def begin(self, exercise: str, seconds: float) -> Callable[..., Any]:
        """The answer, for one case of so many seconds.

        Raises:
            Gone, TimeIsUp: the process was lost on the way.
        """
        self._in_case = True
        with self._in_time(seconds):
            self._end.ask("begin")
            self._end.forget()
            self.door.last = {}
            return self._end.ask("answer", exercise)

    def _reference(self, exercise: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the course's own answer to an exercise before this one gives: `mine` where it is in a file of checks.

        Raises:
            LookupError: it is none that student code may ask for, or gives what cannot be handed over.
        """
        known = {one.id: one for number in registry.lessons() for one in registry.of_lesson(number)}
        found = known.get(exercise) if isinstance(exercise, str) else None
        if found is None or found.kind == "build" or not self._in_case or _place(exercise) >= _place(self._exercise):
            raise LookupError("mine gives answers to exercises before this one, while a check calls your function")
        given = found.load_reference()(*args, **kwargs)
        if not _plain(given):
            raise LookupError(f"mine({exercise!r}) gives an object that cannot be handed over; write your own")
        return given

    def stop(self) -> None:
        """End the process and all that it started."""
        self._running.stop()


def _place(exercise: str) -> tuple[str, int]:
    return exercise[:2], int(exercise[3:])


def _plain(value: Any) -> bool:
    if isinstance(value, list | tuple | set):
        return all(map(_plain, value))
    if isinstance(value, dict):
        return all(map(_plain, (*value, *value.values())))
    return value is None or isinstance(value, bool | int | float | str | torch.Tensor | np.ndarray | np.generic)
