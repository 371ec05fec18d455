"""The process that holds a student's code: `python -m course_lib.classroom.worker`, started by `sandbox`.

It gives up what it can (rights, memory, files, processes), then answers the grader's requests on what were its
standard input and output. It knows no case, no expected value and no other student. Whatever the student's code does to
this process, the grader only ever reads data from it.
"""

import contextlib
import gc
import json
import os
import shutil
import signal
import socket
import struct
import sys
import time
import types
from pathlib import Path
from typing import Any

FOLDERS = ("/tmp", "/dev/shm")          # where student code can write, in a sandbox
LIMITS = "COURSE_GRADER_LIMITS"         # the name under which `sandbox` hands over the limits


class Pipe:
    """The channel at this end: two file descriptors."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes

    @property
    def handle(self) -> int:
        """The file descriptor that it reads."""
        return self._reads

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
        for handle in {self._reads, self._writes}:
            os.close(handle)

    def _read(self, size: int) -> bytearray:
        content = bytearray(size)
        view = memoryview(content)
        while view:
            try:
                some = os.readv(self._reads, [view])
            except OSError:
                some = 0
            if some <= 0:
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


def become_nobody(limits: dict[str, int]) -> None:
    """Another user than root, where the grader runs as root."""
    if os.geteuid() == 0 and limits.get("user"):
        os.setgroups([])
        os.setresgid(*3 * [limits["user"]])
        os.setresuid(*3 * [limits["user"]])


def give_up_rights(limits: dict[str, int]) -> None:
    """No other user's rights, and no more than these limits (bytes, seconds, numbers)."""
    import resource

    become_nobody(limits)
    for name, kind in (("memory", "RLIMIT_DATA"), ("file", "RLIMIT_FSIZE"), ("processes", "RLIMIT_NPROC"),
                       ("files", "RLIMIT_NOFILE"), ("cpu", "RLIMIT_CPU")):
        if limits.get(name) and hasattr(resource, kind):
            hard = resource.getrlimit(getattr(resource, kind))[1]
            most = limits[name] if hard == resource.RLIM_INFINITY else min(limits[name], hard)
            resource.setrlimit(getattr(resource, kind), (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Answers:
    """The student's notebook in this process."""

    def __init__(self, end: Any) -> None:
        self.book: Any = None
        self._end = end
        self._references: dict[str, str] = {}
        self._functions: dict[str, str] = {}
        self._passed: set[str] = set()
        self._answers: dict[str, Any] = {}

    def load(self, cells: list[str], stubs: list[str], functions: dict[str, str],
             references: dict[str, str]) -> dict[int, str]:
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
        self._passed = set(passed)
        return self._define(exercise)

    def _define(self, exercise: str) -> tuple[bool, list[str]]:
        from course_lib.classroom import definitions

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
        """`check` and its friends do nothing here; `mine` gives the student's own answers, or the course's."""
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

        if exercise in self._passed and exercise not in self._answers:      # it was defined in a process before this
            main = sys.modules["__main__"]
            self._define(exercise)
            sys.modules["__main__"] = main
        if exercise in self._passed and exercise in self._answers:
            return self._answers[exercise]
        if exercise not in self._references:
            return lambda *args, **kwargs: self._end.ask("reference", exercise, args, kwargs)
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


def serve(pipe: Pipe, limits: dict[str, int]) -> None:
    """Answer the grader, within limits, until it leaves."""
    from course_lib.classroom import gradients
    from course_lib.classroom.bridge import End
    from course_lib.classroom.students_door import StudentsDoor

    give_up_rights(limits)
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)            # what went wrong until here was for the teacher
    os.register_at_fork(after_in_child=pipe.close)
    end = End(pipe, StudentsDoor(where), leads=False)
    answers = Answers(end)
    gradients.report_steps(end)
    end.serve({"hello": os.getpid, "load": answers.load, "define": answers.define, "answer": answers.get,
               "begin": lambda: answers.begin(end)})


def preload() -> None:
    """Load what answers use and torch loads late: an optimizer alone takes two seconds of each process without it."""
    import gymnasium
    import matplotlib.pyplot
    import torch

    torch.optim.Adam([torch.zeros(1, requires_grad=True)]).step()       # no backward: that must not come before a fork
    assert gymnasium and matplotlib.pyplot


def serve_many(control: socket.socket, limits: dict[str, int]) -> None:
    """Start a process for each student, from this one, which has loaded torch and never runs student code.

    Only where all processes that this one can see are its own (the first one is `bwrap`): before the next student all
    of the last one's are ended and its files removed. Student code cannot look into this process (`hide`).
    """
    become_nobody(limits)
    hide()
    gc.collect()
    gc.freeze()                                     # a collection in a fork would touch, and so copy, all of it
    kept = {path for folder in FOLDERS for path in Path(folder).iterdir()}
    while True:
        control.sendall(b"r")
        word, handles, *_ = socket.recv_fds(control, 1, 1)
        if not word:
            os._exit(0)
        process = os.fork()
        if process == 0:
            control.close()
            serve(Pipe(handles[0], handles[0]), limits)
            os._exit(0)
        os.close(handles[0])
        if not control.recv(1):
            os._exit(0)
        clean(kept)


def hide() -> None:
    """Let no process of the same user look into this one (ptrace, /proc/.../mem, its file descriptors)."""
    import ctypes

    no_dump = 4                                     # PR_SET_DUMPABLE
    if ctypes.CDLL(None).prctl(no_dump, 0, 0, 0, 0) != 0:
        os._exit(1)


def clean(kept: set[Path]) -> None:
    """End every process but the first and this one; remove the student's files. Where that fails: end all."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if Path("/proc/1/comm").read_text(encoding="utf-8").strip() != "bwrap":
            os._exit(1)
        with contextlib.suppress(ProcessLookupError, PermissionError):     # there is none that it may end
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if {int(name) for name in os.listdir("/proc") if name.isdigit()} <= {1, os.getpid()}:
            break
        time.sleep(0.005)
    else:
        os._exit(1)
    for path in {path for folder in FOLDERS for path in Path(folder).iterdir()} - kept:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, onerror=_open_and_again)
        else:
            path.unlink()


def _open_and_again(function: Any, path: str, _: Any) -> None:
    """Remove what a student's code has closed to itself."""
    os.chmod(os.path.dirname(path), 0o700)
    os.chmod(path, 0o700)
    function(path)


def main() -> None:
    """Serve one student, or many one after the other, until the grader leaves."""
    limits = json.loads(os.environ.pop(LIMITS, "{}"))
    pipe = take_channel()
    become_nobody(limits)
    import torch

    from course_lib.classroom import bridge, definitions, students_door

    torch.set_num_threads(1)
    assert bridge and definitions and students_door
    if limits.get("many"):
        preload()
        serve_many(socket.socket(fileno=pipe.handle), limits)
    serve(pipe, limits)


if __name__ == "__main__":
    main()
