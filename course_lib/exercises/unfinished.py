"""Checks that were running when their kernel ended: `os._exit`, a crash in C or too little memory leave no message.

While a check runs, a small file in `my_work/.course/running` names it and its process. The check removes the file when
it ends, whatever the function raised, and so does a kernel that is shut down or restarted by hand. A file whose process
is gone is told once: by the next import of `check`, check or board, in whichever notebook that is. Python writes the
line of a crash in C into the same file (`faulthandler`).
"""

import faulthandler
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TextIO

from course_lib import paths
from course_lib.exercises.screen import in_ipython, say
from course_lib.processes import session_gone, session_name

_CRASH = re.compile(r"^(?:Fatal Python error|Windows fatal exception): (.+)", re.MULTILINE)
_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)


@contextmanager
def running(exercise: str) -> Iterator[None]:
    """Mark the check of this exercise as running, as long as the block does. Without a place to write: no mark."""
    session = session_name()
    path = folder() / f"{session.replace(':', '-')}.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mark = path.open("w", encoding="utf-8")
    except OSError:
        yield
        return
    process = os.getpid()

    def remove(_: object = None) -> None:
        if os.getpid() == process:              # not in a fork of the answer
            with suppress(OSError):
                mark.close()
                path.unlink(missing_ok=True)

    with suppress(OSError):
        mark.write(json.dumps({"exercise": exercise, "session": session, "at": _now()}) + "\n")
        mark.flush()
    try:
        with _crashes_told_in(mark), _ended_by_hand(remove):
            yield
    finally:
        remove()


def tell() -> None:
    """Say, once, which checks of kernels that are gone did not come to their end, and what usually does that."""
    marks: list[Path] = []
    with suppress(OSError):
        marks = sorted(folder().glob("*.txt"))
    for path in marks:
        with suppress(OSError, ValueError, KeyError, TypeError):         # what is no mark is left alone
            text = path.read_text(encoding="utf-8", errors="replace")
            first, _, rest = text.partition("\n")
            mark = json.loads(first)
            if session_gone(str(mark["session"])):
                path.unlink()                   # whoever removes it tells it
                say(_sentence(str(mark["exercise"]), str(mark["at"]), rest))


def folder() -> Path:
    """Where the marks are."""
    return paths.my_work() / ".course" / "running"


def _sentence(exercise: str, at: str, crash: str) -> str:
    head = f"The kernel that ran check({exercise!r}, ...) on {at} ended in the middle of it. "
    if kind := _CRASH.search(crash):
        return (f"{head}Your function crashed inside C code ({kind[1].strip()}{_where(crash)}): a recursion that goes "
                "too deep, or a wrong index or address in a compiled library. What you had saved is there.")
    return (f"{head}That happens when a function calls `os._exit`, takes more memory than there is, or crashes inside "
            "C code. If you ended the kernel yourself, all is well. What you had saved is there.")


def _where(crash: str) -> str:
    """`, line 3 of `centred`` for the innermost function that is neither the course's nor a library's."""
    own = [frame for frame in _FRAME.findall(crash)
           if not any(part in Path(frame[0]).parts for part in ("course_lib", "site-packages", "lib"))
           and not frame[0].startswith("<")]
    return f", line {own[0][1]} of `{own[0][2]}`" if own else ""


@contextmanager
def _crashes_told_in(mark: TextIO) -> Iterator[None]:
    """Let Python write the line of a crash to the mark; who asked for that elsewhere (a debugger, pytest) keeps it."""
    ours = not faulthandler.is_enabled()
    if ours:
        faulthandler.enable(file=mark, all_threads=False)
    try:
        yield
    finally:
        if ours:
            faulthandler.disable()


@contextmanager
def _ended_by_hand(remove: Callable[[object], None]) -> Iterator[None]:
    """Call `remove` when the kernel is told to end (shut down, restart) while the block runs."""
    if not in_ipython():
        yield
        return
    from IPython import get_ipython

    shell = get_ipython()
    shell.observe(remove, "exit_now")           # set by the thread that hears the order, before the process is killed
    try:
        yield
    finally:
        shell.unobserve(remove, "exit_now")


def _now() -> str:
    return datetime.now().strftime("%d %B, %H:%M")
