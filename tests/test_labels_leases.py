"""Who is asked what: two notebooks on one file, notebooks that die, and pairs that are asked twice."""

import subprocess
import sys

import pytest
from labelling import text_store

from course_lib.preferences import leases


@pytest.fixture
def store(tmp_path):
    return text_store(tmp_path / "labels.sqlite", 12)


def ids(questions):
    return [question.question_id for question in questions]


def test_two_sessions_get_different_pairs(store):
    one = leases.lease(store, "texts", ["ann"], "here:1:0", 3)
    other = leases.lease(store, "texts", ["ann"], "there:2:0", 3)
    assert not set(ids(one)) & set(ids(other))
    assert ids(leases.lease(store, "texts", ["ann"], "here:1:0", 3)) == ids(one), "a rerun cell finds its own again"


def test_nobody_runs_dry(store):
    leases.lease(store, "texts", ["ann"], "here:1:0", 12)
    assert len(leases.lease(store, "texts", ["ann"], "there:2:0", 2)) == 2, "better the same pair than none"


def test_a_lease_ends(store):
    held = leases.lease(store, "texts", ["ann"], "here:1:0", 1, seconds=-1)
    assert ids(leases.lease(store, "texts", ["ann"], "there:2:0", 1)) == ids(held)


def test_renewing_keeps_it(store):
    held = leases.lease(store, "texts", ["ann"], "here:1:0", 1, seconds=-1)
    leases.renew(store, "here:1:0", 60)
    assert ids(leases.lease(store, "texts", ["ann"], "there:2:0", 1)) != ids(held)


def test_a_dead_process_frees_its_pairs(store):
    ended = subprocess.run(
        [sys.executable, "-c", "from course_lib.preferences.leases import session_name; print(session_name())"],
        capture_output=True, text=True, check=True, cwd=leases.__file__.partition("course_lib")[0])
    session = ended.stdout.strip()
    held = leases.lease(store, "texts", ["ann"], session, 1)
    assert leases.session_gone(session) and not leases.session_gone(leases.session_name())
    assert ids(leases.lease(store, "texts", ["ann"], "there:2:0", 1)) == ids(held)


def test_a_process_number_given_away_again_counts_as_gone():
    machine, process, started = leases.session_name().split(":")
    assert leases.session_gone(f"{machine}:{process}:{int(started) - 500}")
    assert not leases.session_gone(f"othermachine:{process}:{started}"), "of another machine nobody can say"


def test_the_session_does_not_name_the_machine():
    import socket

    assert socket.gethostname() not in leases.session_name()


def test_answered_pairs_are_not_asked_again_and_priority_comes_first(store):
    first, second, *_ = ids(leases.lease(store, "texts", ["ann"], "s:1:0", 3))
    store.answer(first, "left", labeler="ann")
    urgent = store.add_pair(store.add_text("urgent"), store.add_text("also urgent"), run="texts", priority=1)
    assert ids(leases.lease(store, "texts", ["ann"], "s:1:0", 2)) == [urgent, second]
    assert first in ids(leases.lease(store, "texts", ["bob"], "s:1:0", 12)), "for another person it is new"


def answer_some(store, number, labeler="ann", choice="left"):
    for question in leases.lease(store, "texts", [labeler], "s:1:0", number):
        store.answer(question.question_id, choice, labeler=labeler)


def test_a_repeat_swaps_the_sides_and_is_asked_next(store):
    answer_some(store, 5)
    repeat = leases.add_due_repeat(store, "texts", "ann", share=0.1)
    again = store.question(repeat)
    original = store.question(again.repeat_of)
    assert again.shown == original.shown[::-1]
    assert ids(leases.lease(store, "texts", ["ann"], "s:1:0", 1)) == [repeat]
    assert repeat not in ids(leases.lease(store, "texts", ["bob"], "s:1:0", 20)), "it is for ann alone"
    first_answered = ids(leases.lease(store, "texts", ["bob"], "s:1:0", 1))[0]
    assert original.question_id == first_answered, "the only one with four other answers after it"


def test_repeats_come_at_their_share(store):
    assert leases.add_due_repeat(store, "texts", "ann", share=0.1) is None
    answer_some(store, 12)
    made = [leases.add_due_repeat(store, "texts", "ann", share=0.25) for _ in range(5)]
    assert sum(one is not None for one in made) == 3            # 12 answers, a quarter
    assert leases.add_due_repeat(store, "texts", "ann", share=0.0) is None


def test_skipped_pairs_are_not_repeated(store):
    answer_some(store, 12, choice="skip")
    assert leases.add_due_repeat(store, "texts", "ann", share=0.5) is None


@pytest.mark.parametrize(("second", "same"), [("right", True), ("left", False), ("equal", False)])
def test_consistency_compares_what_was_meant(store, second, same):
    answer_some(store, 5)                                        # "left" each time
    repeat = leases.add_due_repeat(store, "texts", "ann", share=0.1)
    store.answer(repeat, second, labeler="ann")                  # sides swapped: the same verdict is now "right"
    [twice] = leases.repeats(store, "texts", ["ann"])
    assert (twice["pair"], twice["first"], twice["same"]) == (1, "left", same)
    assert len(store.preferences("texts")) == 5, "a repeat measures; it does not count as one more verdict"
    assert store.counts("texts", ["ann"]).done == 5
