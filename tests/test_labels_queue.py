"""Who is asked what: two notebooks on one file, notebooks that die, and pairs that are asked twice."""

import subprocess
import sys

import pytest
from labelling import text_store

from course_lib import processes
from course_lib.labels import queue


@pytest.fixture
def store(tmp_path):
    return text_store(tmp_path / "labels.sqlite", 12)


def ids(questions):
    return [question.question_id for question in questions]


def test_two_sessions_get_different_pairs(store):
    one = queue.lease(store, "texts", ["ann"], "here:1:0", 3)
    other = queue.lease(store, "texts", ["ann"], "there:2:0", 3)
    assert not set(ids(one)) & set(ids(other))
    assert ids(queue.lease(store, "texts", ["ann"], "here:1:0", 3)) == ids(one), "a rerun cell finds its own again"


def test_nobody_runs_dry(store):
    queue.lease(store, "texts", ["ann"], "here:1:0", 12)
    assert len(queue.lease(store, "texts", ["ann"], "there:2:0", 2)) == 2, "better the same pair than none"


def test_a_lease_ends(store):
    held = queue.lease(store, "texts", ["ann"], "here:1:0", 1, seconds=-1)
    assert ids(queue.lease(store, "texts", ["ann"], "there:2:0", 1)) == ids(held)


def test_renewing_keeps_it(store):
    held = queue.lease(store, "texts", ["ann"], "here:1:0", 1, seconds=-1)
    queue.renew(store, "here:1:0", 60)
    assert ids(queue.lease(store, "texts", ["ann"], "there:2:0", 1)) != ids(held)


def test_a_dead_process_frees_its_pairs(store):
    ended = subprocess.run(
        [sys.executable, "-c", "from course_lib.processes import session_name; print(session_name())"],
        capture_output=True, text=True, check=True, cwd=queue.__file__.partition("course_lib")[0])
    session = ended.stdout.strip()
    held = queue.lease(store, "texts", ["ann"], session, 1)
    assert processes.session_gone(session) and not processes.session_gone(processes.session_name())
    assert ids(queue.lease(store, "texts", ["ann"], "there:2:0", 1)) == ids(held)


def test_a_process_number_given_away_again_counts_as_gone():
    machine, process, started = processes.session_name().split(":")
    assert processes.session_gone(f"{machine}:{process}:{int(started) - 500}")
    assert not processes.session_gone(f"othermachine:{process}:{started}"), "of another machine nobody can say"


def test_the_session_does_not_name_the_machine():
    import socket

    assert socket.gethostname() not in processes.session_name()


def test_answered_pairs_are_not_asked_again_and_priority_comes_first(store):
    first, second, *_ = ids(queue.lease(store, "texts", ["ann"], "s:1:0", 3))
    store.answer(first, "left", labeler="ann")
    urgent = store.add_pair(store.add_text("urgent"), store.add_text("also urgent"), run="texts", priority=1)
    assert ids(queue.lease(store, "texts", ["ann"], "s:1:0", 2)) == [urgent, second]
    assert first in ids(queue.lease(store, "texts", ["bob"], "s:1:0", 12)), "for another person it is new"


def answer_some(store, number, labeler="ann", choice="left"):
    for question in queue.lease(store, "texts", [labeler], "s:1:0", number):
        store.answer(question.question_id, choice, labeler=labeler)


def test_a_repeat_swaps_the_sides_and_is_asked_next(store):
    answer_some(store, 5)
    repeat = queue.add_due_repeat(store, "texts", "ann", share=0.1)
    again = store.question(repeat)
    original = store.question(again.repeat_of)
    assert again.shown == original.shown[::-1]
    assert ids(queue.lease(store, "texts", ["ann"], "s:1:0", 1)) == [repeat]
    assert repeat not in ids(queue.lease(store, "texts", ["bob"], "s:1:0", 20)), "it is for ann alone"
    first_answered = ids(queue.lease(store, "texts", ["bob"], "s:1:0", 1))[0]
    assert original.question_id == first_answered, "the only one with four other answers after it"


def test_repeats_come_at_their_share(store):
    assert queue.add_due_repeat(store, "texts", "ann", share=0.1) is None
    answer_some(store, 12)
    made = [queue.add_due_repeat(store, "texts", "ann", share=0.25) for _ in range(5)]
    assert sum(one is not None for one in made) == 3            # 12 answers, a quarter
    assert queue.add_due_repeat(store, "texts", "ann", share=0.0) is None


def test_skipped_pairs_are_not_repeated(store):
    answer_some(store, 12, choice="skip")
    assert queue.add_due_repeat(store, "texts", "ann", share=0.5) is None


@pytest.mark.parametrize(("second", "same"), [("right", True), ("left", False), ("equal", False)])
def test_consistency_compares_what_was_meant(store, second, same):
    answer_some(store, 5)                                        # "left" each time
    repeat = queue.add_due_repeat(store, "texts", "ann", share=0.1)
    store.answer(repeat, second, labeler="ann")                  # sides swapped: the same answer is now "right"
    [twice] = queue.repeats(store, "texts", ["ann"])
    assert (twice["pair"], twice["first"], twice["same"]) == (1, "left", same)
    assert len(store.preferences("texts")) == 5, "a repeat measures; it does not count as one more preference"
    assert store.counts("texts", ["ann"]).done == 5
