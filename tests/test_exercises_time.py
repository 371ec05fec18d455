"""Time limits: what can be stopped is stopped with its line, what cannot is named, an interrupt passes through."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from engine_lesson import right
from waiting import LONG_ENOUGH, until

from course_lib.exercises import isolation, registry
from course_lib.exercises import report as r
from course_lib.exercises.checking import run


@pytest.fixture
def centred(work):
    """Exercise 99.1, with time limits short enough for tests."""
    exercise = registry.load("99.1")
    return replace(exercise, cases=[replace(case, seconds=0.3) for case in exercise.cases])


def loops(x):
    while True:
        x = x + 1


def loops_and_catches(x):
    while True:
        try:
            x = x + 1
        except:                                         # noqa: E722  as learners do
            x = x - 1


def sleeps(x):
    time.sleep(60)


@pytest.mark.skipif(not isolation.can_interrupt(), reason="there is no alarm signal on this system")
@pytest.mark.parametrize(("fn", "line"), [(loops, "x = x + 1"), (sleeps, "time.sleep(60)")])
def test_an_endless_call_is_stopped_with_its_line_and_the_rest_is_not_tried(centred, fn, line):
    handler = signal.getsignal(signal.SIGALRM)
    result = run(centred, fn)
    miss = result.first_miss
    assert miss.status == "stopped" and result.status == "failed"
    assert "within 0.3 seconds" in miss.expected
    assert line in miss.where or "while True" in miss.where
    assert [outcome.status for outcome in result.outcomes[1:]] == 3 * [r.SKIPPED]
    assert signal.getsignal(signal.SIGALRM) == handler and signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.skipif(not isolation.can_interrupt(), reason="there is no alarm signal on this system")
def test_an_alarm_that_a_bare_except_swallows_rings_again(centred, monkeypatch):
    monkeypatch.setattr(isolation, "AGAIN", 0.003)      # the next ones find the loop outside its `try`
    assert run(centred, loops_and_catches).first_miss.status == "stopped"


@pytest.mark.skipif(not isolation.can_interrupt(), reason="there is no alarm signal on this system")
def test_a_busy_machine_is_not_taken_for_an_endless_loop(centred, monkeypatch):
    monkeypatch.setattr(isolation, "WAITING", 1000)

    def waits(x):
        time.sleep(0.5)                                 # longer than the limit by the wall clock, without computing
        return right(x)

    assert run(replace(centred, cases=centred.cases[:1]), waits).status == "passed"


@pytest.mark.skipif(not isolation.can_interrupt(), reason="there is no alarm signal on this system")
@pytest.mark.parametrize(("busy", "status"), [(False, "stopped"), (True, "passed")])
def test_time_without_a_processor_is_not_waiting(centred, monkeypatch, busy, status):
    monkeypatch.setattr(isolation, "WAITING", 1)
    monkeypatch.setattr(isolation, "kept_waiting", time.monotonic if busy else lambda: 0.0)

    def starved(x):
        time.sleep(0.8)
        return right(x)

    assert run(replace(centred, cases=centred.cases[:1]), starved).outcomes[0].status == status


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says how long a thread was kept waiting")
def test_a_thread_that_shares_a_processor_was_kept_waiting():
    def work(until_then):
        while time.thread_time() < until_then:
            pass

    cores, begun = os.sched_getaffinity(0), isolation.kept_waiting()
    os.sched_setaffinity(0, {min(cores)})
    try:
        other = multiprocessing.get_context("fork").Process(target=work, args=(time.thread_time() + 5,))
        other.start()
        wall, computed = time.monotonic(), time.thread_time()
        work(computed + 0.3)
        wall, computed = time.monotonic() - wall, time.thread_time() - computed
        other.kill()
        other.join()
    finally:
        os.sched_setaffinity(0, cores)
    assert isolation.kept_waiting() - begun > 0.5 * (wall - computed)


@pytest.mark.skipif(not isolation.can_interrupt(), reason="there is no alarm signal on this system")
def test_the_watchdog_tells_a_long_operation_from_code_that_hears_the_alarm(monkeypatch):
    monkeypatch.setattr(isolation, "GRACE", 0.2)
    monkeypatch.setattr(isolation, "time", SimpleNamespace(         # a slow clock: a main thread that the machine holds
        monotonic=lambda: time.monotonic() / 50, thread_time=time.thread_time))         # up for 10 s is still alive
    said, big = [], torch.rand(600, 600)
    with isolation.time_limit(0.2, said.append, lambda: "f()"):
        time.sleep(0.7)                                 # hears every alarm
    assert said == []
    hears, before = signal.signal, signal.getsignal(signal.SIGALRM)
    monkeypatch.setattr(signal, "signal", lambda number, handler: hears(number, signal.SIG_IGN))    # as inside C++
    with isolation.time_limit(0.2, said.append, lambda: "f()"):
        until(lambda: big @ big is not None and said)
    hears(signal.SIGALRM, before)
    assert "f() has been running for more than 0.2 seconds inside one long operation" in said[0]


def test_what_cannot_be_stopped_is_named_by_the_watchdog(centred, monkeypatch, capsys):
    monkeypatch.setattr(isolation, "can_interrupt", lambda: False)          # as on Windows
    heard = threading.Event()
    monkeypatch.setattr(sys, "stdout", Ears(heard))

    def waits_for_the_watchdog(x):
        assert heard.wait(LONG_ENOUGH)
        return right(x)

    result = run(replace(centred, cases=centred.cases[:1]), waits_for_the_watchdog)
    said = sys.stdout.text
    assert result.status == "passed"                    # late is not wrong where nothing could stop it
    assert "centred([[1, 2, 6]]) has been running for more than 0.3 seconds" in said
    assert "Kernel > Interrupt" in said and "stop button" in said


def test_in_another_thread_the_watchdog_speaks_and_the_case_runs(centred, monkeypatch):
    heard, results = threading.Event(), []
    monkeypatch.setattr(sys, "stdout", Ears(heard))

    def slow(x):
        assert heard.wait(LONG_ENOUGH)
        return right(x)

    thread = threading.Thread(target=lambda: results.append(run(replace(centred, cases=centred.cases[:1]), slow)))
    thread.start()
    thread.join(LONG_ENOUGH)
    assert results[0].status == "passed" and "Interrupt" in sys.stdout.text


class Ears:
    """A stdout that sets an event when something is written."""

    encoding = "utf-8"

    def __init__(self, heard: threading.Event) -> None:
        self.text, self._heard = "", heard

    def write(self, text: str) -> None:
        """Hear it."""
        self.text += text
        self._heard.set()

    def flush(self) -> None:
        """Nothing waits."""


def test_an_interrupt_passes_through_and_everything_is_put_back(centred):
    def interrupted(x):
        raise KeyboardInterrupt

    out, state = sys.stdout, torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        run(centred, interrupted)
    assert sys.stdout is out and torch.equal(torch.get_rng_state(), state)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0) if hasattr(signal, "getitimer") else True
