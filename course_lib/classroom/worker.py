"""The process that holds a student's code: `python -m course_lib.classroom.worker`, started by `sandbox`.

It gives up what it can (rights, memory, files, processes), then answers the grader's requests on what were its
standard input and output. It knows no case, no expected value and no other student. Whatever the student's code does to
this process, the grader only ever reads data from it.
"""

import contextlib
import json
import os
import struct
import sys
import types
from typing import Any

LIMITS = "COURSE_GRADER_LIMITS"         # the name under which `sandbox` hands over the limits


class Pipe:
    """The channel at this end: two file descriptors."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes

    def send(self, frame: bytes) -> None:
        """Send a whole frame; the process ends when nobody listens."""
        view = memoryview(frame)
        while view:
            try:
                view = view[os.write(self._writes, view):]
            except OSError:
                os._exit(0)

    def receive(self) -> memoryview:
        """The next frame; the process ends when there is none."""
        size = struct.unpack("<Q", self._read(8))[0]
        return memoryview(self._read(size))

    def lose(self, how: str) -> None:
        """Nothing can be done without the grader."""
        os._exit(0)

    def close(self) -> None:
        """In a fork that student code makes: the channel is the first process's alone."""
        os.close(self._reads)
        os.close(self._writes)

    def _read(self, size: int) -> bytearray:
        content = bytearray(size)
        view = memoryview(content)
        while view:
            try:
                some = os.readv(self._reads, [view])
            except OSError:
                some = 0
            if not some:
                os._exit(0)
            view = view[some:]
        return content


def take_channel() -> Pipe:
    """What was standard input and output becomes the channel; what the student's code prints goes nowhere."""
    pipe = Pipe(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    return pipe


def give_up_rights(limits: dict[str, int]) -> None:
    """No other user's rights, and no more than these limits (bytes, seconds, numbers)."""
    import resource

    if os.geteuid() == 0 and limits.get("user"):
        os.setgroups([])
        os.setresgid(*3 * [limits["user"]])
        os.setresuid(*3 * [limits["user"]])
    for name, kind in (("memory", "RLIMIT_DATA"), ("file", "RLIMIT_FSIZE"), ("processes", "RLIMIT_NPROC"),
                       ("files", "RLIMIT_NOFILE"), ("cpu", "RLIMIT_CPU")):
        if limits.get(name) and hasattr(resource, kind):
            hard = resource.getrlimit(getattr(resource, kind))[1]
            most = limits[name] if hard == resource.RLIM_INFINITY else min(limits[name], hard)
            resource.setrlimit(getattr(resource, kind), (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Answers:
    """The student's notebook in this process."""

    def __init__(self) -> None:
        self.book: Any = None
        self._references: dict[str, str] = {}
        self._functions: dict[str, str] = {}
        self._passed: set[str] = set()
        self._answers: dict[str, Any] = {}

    def load(self, cells: list[str], stubs: list[str], functions: dict[str, str], references: dict[str, str]) -> dict[int, str]:
        """Take a notebook's code cells. Returns the cells that are no Python: number -> what is wrong.

        functions: name of each exercise's function. references: the course's own, `module:name`, for `mine`.
        """
        from course_lib.classroom.definitions import Notebook

        self.book, self._functions, self._references = Notebook(cells, stubs), functions, references
        self._stand_ins()
        return self.book.faults

    def begin(self, end: Any) -> None:
        """A new case: nothing of the last one is kept."""
        import torch

        torch.set_default_dtype(torch.float32)
        end.forget()

    def define(self, exercise: str, passed: list[str]) -> tuple[bool, list[str]]:
        """Run what the answer to an exercise needs. Returns whether it is there, and what went wrong on the way.

        passed: exercises that have passed, which `mine` gives.
        """
        from course_lib.classroom import definitions

        self._passed = set(passed)
        name, told = self._functions[exercise], []
        for statements in (self.book.answer(exercise, name), self.book.everything()):
            space = types.ModuleType("__main__")
            sys.modules["__main__"] = space
            told += definitions.run(statements, self.book.cells, vars(space), "answer")
            if name in vars(space):
                self._answers[exercise] = vars(space)[name]
                return callable(self._answers[exercise]), told
        return False, told

    def get(self, exercise: str) -> Any:
        """The answer, once it is defined."""
        return self._answers[exercise]

    def _stand_ins(self) -> None:
        """`check` and its friends do nothing here; `mine` gives the student's own answers and the course's functions."""
        def nothing(*_: object, **__: object) -> None:
            """Nothing."""

        for module, names in (("checking", ["check"]), ("hints", ["hint"]), ("expect", ["expect"]),
                              ("progress", ["board"]), ("mine", [])):
            made = types.ModuleType(f"course_lib.exercises.{module}")
            for name in names:
                setattr(made, name, nothing)
            sys.modules[made.__name__] = made
        sys.modules["course_lib.exercises.mine"].mine = self._mine
        sys.modules["course_lib.exercises.unfinished"] = types.ModuleType("course_lib.exercises.unfinished")
        sys.modules["course_lib.exercises.unfinished"].tell = nothing

    def _mine(self, exercise: str) -> Any:
        import importlib

        if exercise in self._passed and exercise in self._answers:
            return self._answers[exercise]
        module, _, name = self._references[exercise].partition(":")
        return getattr(importlib.import_module(module), name)


def where(error: BaseException) -> str:
    """`code cell 4, line 3: return x[5]` for the deepest line of the student's code, or empty."""
    import traceback

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("<answer ")]
    if not frames:
        return ""
    cell = int(frames[-1].filename[8:-1]) + 1
    return f"code cell {cell}, line {frames[-1].lineno}" + (f": {frames[-1].line}" if frames[-1].line else "")


def main() -> None:
    """Serve until the grader leaves."""
    pipe = take_channel()
    give_up_rights(json.loads(os.environ.pop(LIMITS, "{}")))
    import torch

    torch.set_num_threads(1)
    from course_lib.classroom import gradients
    from course_lib.classroom.bridge import End
    from course_lib.classroom.students_door import StudentsDoor

    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)            # what went wrong until here was for the teacher
    os.register_at_fork(after_in_child=pipe.close)
    end, answers = End(pipe, StudentsDoor(where), leads=False), Answers()
    gradients.report_steps(end)
    end.serve({"hello": os.getpid, "load": answers.load, "define": answers.define, "answer": answers.get,
               "begin": lambda: answers.begin(end)})


if __name__ == "__main__":
    main()
