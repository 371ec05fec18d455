"""A function that takes memory without end is stopped with a sentence; what is right beside little memory passes.

The functions run in one process of their own, to which 300 MB are said to be free: no test needs more than that.
"""

import json
import sys
import threading
import time

import psutil
import pytest
from engine_lesson import python

from course_lib import free_memory
from course_lib.exercises import memory_limit, registry
from course_lib.exercises.checking import run
from course_lib.exercises.error_messages import advice, out_of_memory

GREEDY = '''
import json, resource, sys, time
import numpy as np
from course_lib.exercises import memory_limit, registry
from course_lib.exercises.checking import run

FREE = 300_000_000
memory_limit.free_memory = lambda: FREE

def a_terabyte(r):
    return torch.empty(2**38)

def too_large_for_what_is_free(r):
    return torch.zeros(2**27)

def a_list_of_a_billion(r):
    return [0] * 10**9

def an_array(r):
    return np.ones((10**5, 10**4))

def doubles(r):
    found = [0]
    while True:
        found = found + found

def appends_tensors(r):
    found = []
    while True:
        found.append(torch.zeros(1000, 100))

def catches_everything(r):
    found = []
    while True:
        try:
            found.append(torch.zeros(1000, 100))
        except:
            pass

def right(r):
    work = torch.ones(10**6)
    return r - r.mean(-1, keepdim=True)

found = {}
for fn in (a_terabyte, too_large_for_what_is_free, a_list_of_a_billion, an_array, doubles, appends_tensors,
           catches_everything, right):
    before = resource.getrlimit(resource.RLIMIT_DATA)
    result = run(registry.load("99.1"), fn)
    miss = result.first_miss if result.passed < 4 else result.outcomes[0]
    found[fn.__name__] = {"status": miss.status, "got": miss.got, "mistake": miss.mistake, "where": miss.where,
                          "rest": [outcome.status for outcome in result.outcomes[1:]],
                          "put back": resource.getrlimit(resource.RLIMIT_DATA) == before}
print(json.dumps(found))
'''


@pytest.fixture(scope="module")
def greedy(tmp_path_factory):
    """What a check says of each function of `GREEDY`."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux refuses memory to a process")
    done = python(GREEDY, tmp_path_factory.mktemp("memory") / "my_work")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("name", "line"), [
    ("a_terabyte", "torch.empty(2**38)"), ("too_large_for_what_is_free", "torch.zeros(2**27)"),
    ("a_list_of_a_billion", "[0] * 10**9"), ("an_array", "np.ones"), ("doubles", "found = found + found"),
])
def test_one_call_that_wants_too_much_is_refused_with_its_line(greedy, name, line):
    said = greedy[name]
    assert (said["status"], said["rest"]) == ("stopped", 3 * ["skipped"])
    assert "There is not enough memory for that" in said["mistake"] and line in said["where"]


@pytest.mark.parametrize("name", ["appends_tensors", "catches_everything"])
def test_a_loop_that_takes_more_and_more_is_stopped_with_its_line(greedy, name):
    said = greedy[name]
    assert (said["status"], said["rest"]) == ("stopped", 3 * ["skipped"]) and "script_0.py, line" in said["where"]
    if name == "appends_tensors" and "There is not enough memory for that" in said["mistake"]:
        return                          # it took more than the rest between two looks, and Linux refused that
    assert "300 MB were free" in said["mistake"]
    assert 150 <= int(said["got"].split()[-2]) <= 300, said["got"]


def test_an_answer_within_the_limit_passes_and_the_limit_is_taken_away_again(greedy):
    assert greedy["right"]["status"] == "passed" and greedy["right"]["rest"] == 3 * ["passed"]
    assert all(said["put back"] for said in greedy.values())


def test_without_a_limit_of_the_system_the_watch_alone_stops_a_loop(work, monkeypatch):
    monkeypatch.setattr(memory_limit.sys, "platform", "darwin")
    monkeypatch.setattr(memory_limit, "free_memory", lambda: 60_000_000)

    def appends(r):
        found = []
        while True:
            found.append(bytes(100_000))
            time.sleep(0.001)

    result = run(registry.load("99.1"), appends)
    assert result.first_miss.status == "stopped" and "60 MB were free" in result.first_miss.mistake


def test_in_another_thread_the_watch_stops_that_thread_and_no_other(work, monkeypatch):
    monkeypatch.setattr(memory_limit, "free_memory", lambda: 60_000_000)
    results = []

    def appends(r):
        found = []
        while True:
            found.append(bytes(100_000))
            time.sleep(0.001)

    thread = threading.Thread(target=lambda: results.append(run(registry.load("99.1"), appends)))
    thread.start()
    thread.join()
    assert results[0].first_miss.status == "stopped"


def test_no_thread_of_a_check_is_left_running_for_python_to_stumble_over_at_its_end(work):
    before = set(threading.enumerate())
    for _ in range(20):
        run(registry.load("99.1"), lambda r: r - r.mean(-1, keepdim=True))
        assert set(threading.enumerate()) <= before


def test_what_was_raised_too_late_does_not_come_later(monkeypatch):
    raised = []
    monkeypatch.setattr(memory_limit, "_raise_in", lambda thread, kind: raised.append(kind))
    monkeypatch.setattr(memory_limit, "PAUSE", 0.001)
    watch = memory_limit.MemoryWatch(free=0)
    watch._before = (0, 0)
    looks = threading.Thread(target=watch.look)
    looks.start()
    while not raised:
        time.sleep(0.001)
    watch.end()
    looks.join()
    assert raised[0] is memory_limit.TooMuchMemory and raised[-1] is None and watch.taken > 0


def test_a_process_that_cannot_be_measured_is_not_watched(monkeypatch):
    watch = memory_limit.MemoryWatch(free=10**9)
    monkeypatch.setattr(memory_limit, "PAUSE", 0)

    def refuses():
        raise psutil.AccessDenied

    monkeypatch.setattr(watch, "_sizes", refuses)
    watch.look()                                        # ends by itself
    assert watch.taken == 0


@pytest.mark.parametrize("error", [
    MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),     # torch on Windows
    RuntimeError("Invalid buffer size: 1024.00 GiB"),                                          # on Apple's GPUs
])
def test_every_way_to_say_no_memory_gets_the_same_advice(error):
    assert out_of_memory(error) and "not enough memory for that" in advice(error)
    assert not out_of_memory(ValueError("out of memory")) and not out_of_memory(RuntimeError("shapes"))


@pytest.mark.parametrize("names", [
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file")], ids=["v2", "v1"])
def test_a_containers_limit_counts_where_it_is_smaller(tmp_path, monkeypatch, names):
    monkeypatch.setattr(free_memory, "CONTAINERS", tmp_path)
    machine = free_memory.free_memory()
    limit, used, cached = tmp_path / names[0], tmp_path / names[1], names[2]
    limit.parent.mkdir(exist_ok=True)
    limit.write_text("50000000\n")
    used.write_text("30000000\n")
    limit.with_name("memory.stat").write_text(f"anon 1\n{cached} 5000000\n")
    assert free_memory.free_memory() == 25_000_000 < machine
    limit.write_text("max\n")
    assert free_memory.free_memory() > 25_000_000
    limit.write_text("what?\n")
    assert free_memory.free_memory() > 25_000_000
