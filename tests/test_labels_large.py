"""Many labels: what a person waits for does not grow with the file. Processor time, so that a busy machine is no fault.

Measured on two cores that seven other programs used: in a file of 200,000 labels an answer and the next pair took 17 to
42 ms (before: 5,500), the statistics 0.8 s, and 50,000 labels were exported at 57,000 a second.
"""

import sqlite3
import statistics
import time
import uuid
from unittest import mock

import pytest
from labelling import many_labels, rows

from course_lib.labels.exchange import write_jsonl
from course_lib.labels.queue import same_again
from course_lib.labels.session import LabelingSession
from course_lib.labels.statistics import agreement, labeler_stats
from course_lib.labels.store import PreferenceStore


def seconds(function, *given):
    begun = time.process_time()
    function(*given)
    return time.process_time() - begun


def answering(store, target):
    """Seconds of processor time for each of twenty answers with the next pair, and for each renewed lease."""
    session = LabelingSession(store, "texts", "ann", target, "?")
    state, answers, renewals = session.handle({"type": "hello"}), [], []
    for _ in range(20):
        message = {"type": "answer", "id": uuid.uuid4().hex, "question": state["questions"][0]["id"], "choice": "left"}
        begun = time.process_time()
        state = session.handle(message)
        answers.append(time.process_time() - begun)
        renewals.append(seconds(session.handle, {"type": "renew"}))
    return statistics.median(answers), statistics.median(renewals)


def test_an_answer_takes_as_long_in_a_larger_file(tmp_path):
    """The statements that serve an answer look at as many rows in a file of 3,000 labels as in one of 300."""
    steps, connect = [0], sqlite3.connect

    def counted(*given, **options):
        connection = connect(*given, **options)
        connection.set_progress_handler(lambda: steps.__setitem__(0, steps[0] + 1), 10)
        return connection

    taken = {}
    for number in (300, 3000):
        many_labels(tmp_path / f"{number}.sqlite", number).close()
        with mock.patch("sqlite3.connect", counted):
            store = PreferenceStore(tmp_path / f"{number}.sqlite")
            session = LabelingSession(store, "texts", "ann", number + 30, "?", repeats=0)
            state = session.handle({"type": "hello"})
            steps[0] = 0
            session.handle({"type": "answer", "id": "e", "question": state["questions"][0]["id"], "choice": "left"})
            session.handle({"type": "renew"})
        taken[number] = steps[0]
    assert 50 < taken[3000] < 1.5 * taken[300] + 50, "ten instructions of SQLite's machine are a step"


@pytest.mark.slow
def test_two_hundred_thousand_labels(tmp_path):
    store = many_labels(tmp_path / "labels.sqlite", 200_000)
    answer, renewal = answering(store, 200_035)
    assert answer < 0.05 and renewal < 0.05
    assert seconds(lambda: (labeler_stats(store, "texts"), agreement(store, "texts"))) < 1.5
    taken = seconds(write_jsonl, store, "texts", tmp_path / "out.jsonl")
    assert 200_000 / taken > 25_000, f"{200_000 / taken:.0f} rows a second; a quiet machine writes over 50,000"


def test_what_is_kept_counted_is_what_counting_gives(tmp_path):
    """After answers, undos, changes, repeats, rankings and set-aside rows, the kept counts are those of the labels."""
    from course_lib.labels.check import wrong_counts
    from course_lib.labels.queue import add_due_repeat

    store = many_labels(tmp_path / "labels.sqlite", 60)
    ranking = store.add_ranking([store.add_text(word) for word in "abc"], run="texts")
    store.answer(ranking, ranks=[0, 1, 2], labeler="ann")
    store.answer(5, "skip", labeler="bob")
    for _ in range(4):
        store.undo("texts", "ann")
    store.answer(60, "left", labeler="bob")
    store.answer(60, "left", labeler="ann")
    repeat = add_due_repeat(store, "texts", "ann", 0.1)
    store.answer(repeat, "left", labeler="ann")
    store.set_aside("question", "7", "a test")
    store.set_aside("label", "9", "a test")
    assert list(wrong_counts(store)) == []
    true = {row["answer"]: row["number"] for row in rows(
        store, "SELECT CASE WHEN json_array_length(shown) > 2 THEN 'rankings' ELSE choice END AS answer,"
        " COUNT(DISTINCT question_id) AS number FROM live_labels WHERE labeler IN ('ann', 'bob') AND repeat_of IS NULL"
        " GROUP BY answer")}
    counts = store.counts("texts", ["ann", "bob"])
    assert {name: getattr(counts, name) for name in true} == true
    assert same_again(store, "texts", ["ann"])[0] == 1
    rows(store, "DELETE FROM tallies")
    assert [finding.fault for finding in wrong_counts(store)] == ["the counts were not those of the labels"]
    assert store.counts("texts", ["ann", "bob"]) == counts


def test_pairs_that_only_others_have_answered_are_still_asked(tmp_path):
    from course_lib.labels import queue

    store = many_labels(tmp_path / "labels.sqlite", 50, labeler="bob")
    first = PreferenceStore(store.path).questions_of("texts")
    assert [one.question_id for one in queue.lease(store, "texts", ["ann"], "s:1:0", 90)] == first
    assert len(queue.lease(store, "texts", ["bob"], "s:1:0", 90)) == 40


def test_the_export_shows_its_progress_where_somebody_watches(tmp_path, monkeypatch, capsys):
    store = many_labels(tmp_path / "labels.sqlite", 30)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    write_jsonl(store, "texts", tmp_path / "out.jsonl")
    assert "30" in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    write_jsonl(store, "texts", tmp_path / "out.jsonl")
    assert capsys.readouterr().err == ""
