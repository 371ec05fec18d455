"""The grader's limit of time: what a busy machine keeps from a student's process is not counted, all else is."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from course_lib.classroom import student
from course_lib.classroom.bridge import Gone
from course_lib.classroom.running import Taken, _Processes
from course_lib.exercises import isolation
from course_lib.exercises.isolation import TimeIsUp, time_limit

LIMIT = 0.2         # seconds of computing


@pytest.fixture
def silent(monkeypatch):
    """A line to a process that never answers; `silent(taken)` gives it what its process has taken, second by second."""
    monkeypatch.setattr(student, "WAITING", 2)
    reads, writes = os.pipe()

    def line(taken):
        begun = time.monotonic()
        running = SimpleNamespace(reads=reads, writes=writes, most_memory=1000,
                                  taken=lambda: taken(time.monotonic() - begun))
        made = student.Line(running)
        made.limit(LIMIT)
        return made

    yield line
    os.close(reads)
    os.close(writes)


def ends_after(line):
    """Seconds until it says that time is up."""
    begun = time.monotonic()
    with pytest.raises(TimeIsUp):
        line.receive()
    assert line.broken == "time"
    return time.monotonic() - begun


def test_one_that_sleeps_is_stopped(silent):
    assert ends_after(silent(lambda passed: Taken())) >= 2 * LIMIT


def test_time_in_which_the_machine_was_busy_with_others_is_not_counted(silent):
    starved = 3.0
    assert ends_after(silent(lambda passed: Taken(waited=min(passed, starved)))) >= starved + 2 * LIMIT


def test_computing_is_counted_however_busy_the_machine_is(silent):
    # a tenth of a processor, and the rest of the time kept waiting: 0.2 s are computed after 2
    assert ends_after(silent(lambda passed: Taken(computed=passed / 10, waited=passed))) >= 10 * LIMIT


def test_memory_is_looked_at_meanwhile(silent):
    with pytest.raises(Gone, match="memory"):
        silent(lambda passed: Taken(waited=passed, held=2000)).receive()


def test_the_graders_own_limit_leaves_waiting_to_the_line(monkeypatch):
    monkeypatch.setattr(isolation, "WAITING", 1)
    monkeypatch.setattr(isolation, "kept_waiting", lambda: 0.0)
    with pytest.raises(TimeIsUp), time_limit(LIMIT, print, str):
        time.sleep(10)
    with time_limit(LIMIT, lambda words: None, str, waiting_counts=False):
        time.sleep(3 * LIMIT)
    with pytest.raises(TimeIsUp), time_limit(LIMIT, lambda words: None, str, waiting_counts=False):
        while True:
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how long a process was kept waiting")
def test_two_processes_that_share_a_processor_keep_each_other_waiting():
    work = "import os, time; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nwhile True: pass"
    loops = [subprocess.Popen([sys.executable, "-c", work]) for _ in range(2)]
    try:
        seen = [_Processes(loop.pid) for loop in loops]
        begun = time.monotonic()
        while min(one.taken().computed for one in seen) < 0.5:
            time.sleep(0.05)
        waited, most = min(one.taken().waited for one in seen), time.monotonic() - begun
        before = seen[0].taken().waited
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    assert 0.2 < waited <= most
    assert seen[0].taken().waited >= before > 0         # of one that has ended, too
