"""A kernel that ended in the middle of a check: the next one says which, and what does that. A fork counts once."""

import ctypes
import faulthandler
import json
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from engine_lesson import PREAMBLE, right, settings
from jupyter_client.manager import start_new_kernel
from waiting import until

from course_lib import board, check
from course_lib.exercises import store, unfinished
from course_lib.processes import session_name

posix = pytest.mark.skipif(os.name != "posix", reason="there are no forks and no such signals on Windows")


def mark(session: str, rest: str = "") -> None:
    """A mark as a kernel of that name leaves it."""
    path = unfinished.folder() / f"{session.replace(':', '-')}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"exercise": "99.1", "session": session, "at": "2 May, 10:00"}) + "\n" + rest)


def gone() -> str:
    """The name of a process of this machine that has ended."""
    machine, process, started = session_name().split(":")
    return f"{machine}:{process}:{int(started) - 999}"


def leaves(r):
    os._exit(3)


def is_killed(r):
    os.kill(os.getpid(), signal.SIGKILL)


def reads_address_0(r):
    return ctypes.string_at(0)


def ends_in(fn) -> int:
    """Check a function in a process of its own, a fork of this one; how that ended."""
    process = os.fork()
    if process == 0:
        try:
            faulthandler.disable()              # pytest's; a kernel has none
            check("99.1", fn)
        finally:
            os._exit(0)
    return os.waitpid(process, 0)[1]


@posix
@pytest.mark.parametrize(("fn", "words"), [
    (leaves, "That happens when a function calls `os._exit`, takes more memory than there is"),
    (is_killed, "If you ended the kernel yourself, all is well"),
    (reads_address_0, "crashed inside C code (Segmentation fault, line 0 of `reads_address_0`)"),
])
def test_an_end_in_the_middle_is_told_once_by_the_next_process(work, capsys, fn, words):
    assert ends_in(fn) != 0
    assert store.standings() == {}, "an attempt that did not end is not counted"
    check("99.1", right)
    said = capsys.readouterr().out
    assert re.match(r"The kernel that ran check\('99\.1', \.\.\.\) on \d+ \w+, \d\d:\d\d ended in the middle", said)
    assert words in re.sub(r"line \d+ of", "line 0 of", said)
    assert said.index("ended in the middle") < said.index("99.1 Centre the scores: passed")
    check("99.1", right)
    assert "ended in the middle" not in capsys.readouterr().out
    assert list(unfinished.folder().iterdir()) == []


def test_the_import_and_the_board_tell_it_too(work, capsys):
    mark(gone())
    from course_lib import check as again
    assert "check('99.1', ...) on 2 May, 10:00 ended in the middle" in capsys.readouterr().out and again is check
    mark(gone())
    board()
    assert capsys.readouterr().out.startswith("The kernel that ran check('99.1'")


def test_a_check_that_runs_in_another_notebook_is_no_alarm(work, capsys):
    here = session_name()
    mark(here)
    mark(f"{'0' * 12}:1:0")                                     # another machine, where nobody can say
    board()
    assert "ended in the middle" not in capsys.readouterr().out
    assert len(list(unfinished.folder().iterdir())) == 2


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, ValueError])
def test_whatever_a_function_raises_the_mark_goes(work, ending):
    def raises(r):
        assert len(list(unfinished.folder().iterdir())) == 1
        raise ending

    if ending is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            check("99.1", raises)
    else:
        check("99.1", raises)
    assert list(unfinished.folder().iterdir()) == []


@pytest.mark.parametrize("content", [
    "", "{", "[]", '{"exercise": 1}', '{"exercise": "1", "session": 5, "at": ""}', "\0"])
def test_a_damaged_mark_stops_nothing(work, capsys, content):
    unfinished.folder().mkdir(parents=True)
    (unfinished.folder() / "a.txt").write_text(content)
    unfinished.tell()
    assert capsys.readouterr().out == ""


def test_without_a_place_for_the_mark_the_check_runs(work, capsys):
    (work / ".course").mkdir(parents=True)
    unfinished.folder().write_text("a file where the folder should be")
    check("99.1", right)
    assert capsys.readouterr().out == "✓ 99.1 Centre the scores: passed, 2 of 2 points\n"


def test_several_that_come_back_at_once_tell_it_once(work, capsys):
    mark(gone())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: unfinished.tell(), range(4)))
    assert capsys.readouterr().out.count("ended in the middle") == 1


@posix
def test_a_fork_in_an_answer_counts_one_attempt(work, capsys):
    def forks(r):
        os.fork()
        return right(r)

    def forks_and_fails(r):
        if os.fork() == 0:
            raise KeyboardInterrupt
        return r

    others = {child.pid for child in psutil.Process().children()}           # of other tests, which may stay
    check("99.1", forks)
    check("99.1", forks_and_fails)
    for child in psutil.Process().children():
        if child.pid not in others:
            os.waitpid(child.pid, 0)
    said = capsys.readouterr().out
    assert said.count("99.1 Centre the scores: passed") == 1 and said.count("not yet") == 1
    assert store.standing("99.1").attempts == 2 and list(unfinished.folder().iterdir()) == []


@posix
def test_a_kernel_that_is_restarted_by_hand_is_no_alarm(work, tmp_path):
    begun = tmp_path / "begun"
    manager, client = start_new_kernel(kernel_name="python3", env=settings(work))
    try:
        client.execute(PREAMBLE + f"import time\ndef waits(r):\n    open({str(begun)!r}, 'w').close()\n"
                       "    time.sleep(600)\ncheck('99.1', waits)")
        until(begun.exists)
        assert len(list(unfinished.folder().iterdir())) == 1
        manager.shutdown_wait_time = 1              # then the manager kills it, as it does with every busy kernel
        manager.restart_kernel()
        assert list(unfinished.folder().iterdir()) == []
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
